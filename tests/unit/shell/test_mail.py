"""Mail that scripts send: .NET's objects and Send-MailMessage, on a real server."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from staffetta.net.authority import issue, make_root, new_key, to_pfx
from staffetta.shell.session import Trust
from tests.live.sink import EVERYTHING, Arrival, Sink
from tests.unit.shell.screen import Screen, screen

NOW = datetime.now(UTC)
ROOT = make_root("Test CA", NOW)
SERVER = issue(ROOT, ["localhost"], new_key(), NOW, 30)
CLIENT = issue(ROOT, ["*.contoso.com"], new_key(), NOW, 30)
TLS_SCRIPT = """
$pfxBytes = Get-Content -path cert.pfx -encoding Byte -ErrorAction:SilentlyContinue
$X509Cert = New-Object -TypeName System.Security.Cryptography.X509Certificates.X509Certificate2
$X509Cert.Import([byte[]]$pfxBytes, 'secret',"Exportable,PersistKeySet")
$smtp = New-Object Net.Mail.SmtpClient('localhost','PORT')
$smtp.ClientCertificates.Add($X509Cert)
$smtp.EnableSSL = $true
$emailMessage = New-Object System.Net.Mail.MailMessage
$emailMessage.From = 'ada@contoso.com'
$emailMessage.To.Add('bob@contoso.com')
$emailMessage.To.Add('eve@fabrikam.com')
$emailMessage.Subject = ('SMTP Relay (TLS) - ' + (Get-Date -Format g))
$emailMessage.Body = 'This is a test email using SMTP Relay (TLS)'
$smtp.Send($emailMessage)
"""


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's context that insists on a certificate of ROOT."""
    (tmp_path / "ca.pem").write_bytes(ROOT.certificate_pem)
    (tmp_path / "server.pem").write_bytes(SERVER.certificate_pem + SERVER.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def sink(tls: ssl.SSLContext) -> Iterator[Sink]:
    def reply(address: str) -> str:
        return "550 5.7.64 TenantAttribution; Relay Access Denied" if address.startswith("no") else "250 2.1.5 ok"

    with Sink(*EVERYTHING, tls=tls, recipient_reply=reply) as sink:
        yield sink


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Screen]:
    (tmp_path / "cert.pfx").write_bytes(to_pfx(CLIENT, ROOT.certificate, "contoso", "secret", is_legacy=False))
    with screen(tmp_path, trust=Trust(tmp_path / "ca.pem")) as opened:
        yield opened


def send(port: int, more: str = "") -> str:
    return (
        f"Send-MailMessage -SmtpServer localhost -Port {port} -From ada@contoso.com -To bob@contoso.com "
        f"-Subject Hello -Body 'It works.' {more}"
    )


def only(sink: Sink) -> Arrival:
    (arrival,) = sink.wait_for(1)
    return arrival


def test_a_splatted_message_arrives_with_its_notifications_asked_for(console: Screen, sink: Sink) -> None:
    console.run(
        f"""
        $mailParams = @{{
            SmtpServer = 'localhost'
            Port = '{sink.port}'
            From = 'ada@contoso.com'
            To = 'bob@contoso.com','eve@fabrikam.com'
            Subject = ('SMTP Relay - ' + (Get-Date -Format g))
            Body = 'This is a test email using SMTP Relay'
            DeliveryNotificationOption = 'OnFailure','OnSuccess'
        }}
        Send-MailMessage @mailParams
        """
    )
    arrival = only(sink)
    assert arrival.reverse_path.address == "ada@contoso.com"
    assert [(path.address, path.parameters) for path in arrival.recipients] == [
        ("bob@contoso.com", ("NOTIFY=SUCCESS,FAILURE",)),
        ("eve@fabrikam.com", ("NOTIFY=SUCCESS,FAILURE",)),
    ]
    content = message_from_bytes(arrival.content, policy=SMTP)
    assert content["Subject"] == "SMTP Relay - 11/24/2026 2:05 PM"
    assert content["To"] == "bob@contoso.com, eve@fabrikam.com"
    assert content.get_content().strip() == "This is a test email using SMTP Relay"
    assert not arrival.is_tls


@pytest.mark.parametrize(
    ("option", "parameters"),
    [("", ()), ("None", ()), ("Never", ("NOTIFY=NEVER",)), ("Delay,OnSuccess", ("NOTIFY=SUCCESS,DELAY",))],
)
def test_notifications_are_said_as_net_says_them(
    console: Screen, sink: Sink, option: str, parameters: tuple[str, ...]
) -> None:
    console.run(send(sink.port, f"-DNO {option}" if option else ""))
    assert only(sink).recipients[0].parameters == parameters


def test_a_server_without_dsn_is_not_asked_for_notifications(console: Screen) -> None:
    with Sink("8BITMIME") as sink:
        console.run(send(sink.port, "-DeliveryNotificationOption OnSuccess"))
        assert only(sink).recipients[0].parameters == ()


def test_every_kind_of_recipient_gets_it_and_bcc_is_not_shown(console: Screen, sink: Sink) -> None:
    (console.shell.session.folder / "report.csv").write_text("a;b\n")
    console.run(
        send(sink.port, "-Cc c@contoso.com -Bcc 'd@contoso.com' -BodyAsHtml -Priority High -Attachments report.csv")
    )
    arrival = only(sink)
    assert [path.address for path in arrival.recipients] == ["bob@contoso.com", "c@contoso.com", "d@contoso.com"]
    content = message_from_bytes(arrival.content, policy=SMTP)
    assert (content["Cc"], content["Bcc"], content["X-Priority"]) == ("c@contoso.com", None, "1")
    body, attachment = content.iter_parts()
    assert body.get_content_type() == "text/html"
    assert (attachment.get_filename(), attachment.get_payload(decode=True)) == ("report.csv", b"a;b\n")


def test_a_certificate_out_of_a_pfx_is_shown_to_the_server(console: Screen, sink: Sink) -> None:
    assert console.run(TLS_SCRIPT.replace("PORT", str(sink.port))) == ""
    arrival = only(sink)
    assert arrival.is_tls
    assert [path.address for path in arrival.recipients] == ["bob@contoso.com", "eve@fabrikam.com"]
    assert b"Subject: SMTP Relay (TLS) - 11/24/2026 2:05 PM\r\n" in arrival.content


def test_nothing_of_the_key_is_left_on_disk(
    console: Screen, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    console.run(TLS_SCRIPT.replace("PORT", str(sink.port)))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_without_the_client_certificate_this_server_refuses(console: Screen, sink: Sink) -> None:
    told = console.fail(send(sink.port, "-UseSsl"))
    assert "Failure sending mail." in told and "The remote certificate" not in told


def test_the_certificate_s_facts_are_properties(console: Screen) -> None:
    console.run("$c = New-Object Security.Cryptography.X509Certificates.X509Certificate2('cert.pfx', 'secret')")
    assert console.run("$c.Subject; $c.HasPrivateKey; $c.Thumbprint.Length; $c.DnsNameList") == (
        "CN=*.contoso.com\nTrue\n40\n*.contoso.com"
    )


@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_pfx_of_either_form_is_read(console: Screen, is_legacy: bool) -> None:
    pfx = to_pfx(CLIENT, ROOT.certificate, "contoso", "secret", is_legacy=is_legacy)
    (console.shell.session.folder / "other.pfx").write_bytes(pfx)
    script = "[System.Security.Cryptography.X509Certificates.X509Certificate2]::new('other.pfx', 'secret').Subject"
    assert console.run(script) == "CN=*.contoso.com"


REFUSALS = [
    ("To no@fabrikam.com", "Mailbox unavailable. The server response was: 5.7.64 TenantAttribution; Relay Access"),
    ("To no@a.example, no@b.example", "Unable to send to all recipients. no@a.example: Mailbox unavailable."),
]


@pytest.mark.parametrize(("parameter", "complaint"), REFUSALS)
def test_a_refusal_is_told_in_net_s_words(console: Screen, sink: Sink, parameter: str, complaint: str) -> None:
    script = send(sink.port).replace("-To bob@contoso.com", f"-{parameter}")
    assert complaint in console.fail(script)
    assert sink.arrivals == []


def test_one_bad_recipient_among_good_ones_is_told_after_sending(console: Screen, sink: Sink) -> None:
    told = console.fail(send(sink.port, "-Cc no@fabrikam.com"))
    assert "no@fabrikam.com: Mailbox unavailable." in told
    assert "The others have the message." in told
    assert [path.address for path in only(sink).recipients] == ["bob@contoso.com"]


def test_a_server_s_certificate_is_checked_and_the_way_out_is_told(tmp_path: Path, sink: Sink) -> None:
    with screen(tmp_path) as console:
        told = console.fail(send(sink.port, "-UseSsl"))
        assert "The remote certificate is invalid according to the validation procedure" in told
        assert "STAFFETTA_CA" in told and "--insecure" in told


def test_insecure_takes_any_certificate(tmp_path: Path) -> None:
    (tmp_path / "server.pem").write_bytes(SERVER.certificate_pem + SERVER.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with Sink(*EVERYTHING, tls=context) as sink, screen(tmp_path, trust=Trust(is_checked=False)) as console:
        console.run(send(sink.port, "-UseSsl"))
        assert only(sink).is_tls


CERTIFICATE = "[Security.Cryptography.X509Certificates.X509Certificate2]"
MISTAKES = [
    ("Send-MailMessage -From a@b.example -To c@d.example", "no SMTP server was specified"),
    ("Send-MailMessage -SmtpServer localhost -To c@d.example", "write the sender"),
    ("Send-MailMessage -SmtpServer localhost -From nobody -To c@d.example", "not in the form required"),
    ("Send-MailMessage -SmtpServer localhost -From a@b.example -To ''", "cannot be an empty string"),
    ("Send-MailMessage -SmtpServer localhost -From a@b.example", "A recipient must be specified."),
    ("(New-Object Net.Mail.MailMessage).To.Add('')", "The parameter 'addresses' cannot be an empty string."),
    ("(New-Object Net.Mail.SmtpClient('h', 99999))", "out of the range of valid values"),
    ("(New-Object Net.Mail.SmtpClient('h')).Foo = 1", "has no property that can be set Foo"),
    ("(New-Object Net.Mail.SmtpClient('h')).Send('x')", "Send takes a MailMessage"),
    ("(New-Object Net.Mail.SmtpClient('h')).ClientCertificates.Add('x')", "is an X509Certificate2"),
    ("(New-Object Net.Mail.MailMessage).DeliveryNotificationOptions = 'Sometimes'", "no delivery notification option"),
    (
        f"$b = Get-Content none.pfx -Encoding Byte -ea Ignore; {CERTIFICATE}::new().Import($b, 'x', 'Exportable')",
        "was its file read?",
    ),
    (
        f"{CERTIFICATE}::new('cert.pfx', 'wrong')",
        "The specified network password is not correct",
    ),
    (
        "[Net.ServicePointManager]::ServerCertificateValidationCallback = { $true }",
        "start the shell with --insecure",
    ),
]


@pytest.mark.parametrize(("script", "complaint"), MISTAKES)
def test_a_mistake_is_told_before_anything_is_sent(console: Screen, script: str, complaint: str) -> None:
    assert complaint in console.fail(script)


@pytest.mark.parametrize(
    "script", ["SEND -Verbose", "$VerbosePreference = 'Continue'; SEND", "$VerbosePreference = 'Continue'; NET"]
)
def test_the_whole_dialog_is_shown_where_it_is_asked_for(console: Screen, sink: Sink, script: str) -> None:
    net = TLS_SCRIPT.replace("PORT", str(sink.port))
    console.run(script.replace("SEND", send(sink.port)).replace("NET", net))
    assert all(line.startswith("VERBOSE: ") for line in console.complaints)
    assert any(" C MAIL FROM:<ada@contoso.com>" in line for line in console.complaints)
    assert "Accepted" in console.complaints[-1]


def test_a_message_is_quiet_unless_asked(console: Screen, sink: Sink) -> None:
    console.run(f"$VerbosePreference = 'Continue'; {send(sink.port)} -Verbose:$false")
    assert console.complaints == []


def test_what_net_never_had_is_a_parameter(console: Screen, sink: Sink) -> None:
    more = "-UseSsl -Certificate cert.pfx -CertificatePassword secret -SourceAddress 127.0.0.7 -HeloName me.contoso.com"
    console.run(send(sink.port, f"{more} -TimeoutSeconds 20 -Verbose"))
    assert only(sink).is_tls
    assert any("and we show ours" in line for line in console.complaints)
    assert any("C EHLO me.contoso.com" in line for line in console.complaints)


def test_nobody_listening_is_told_with_host_and_port(console: Screen, sink: Sink) -> None:
    port = sink.port
    sink.__exit__()
    assert f"Failure sending mail. localhost:{port}: " in console.fail(send(port))


@pytest.mark.parametrize(
    "given",
    [
        "-Certificate (Get-Content cert.pfx -Encoding Byte) -CertificatePassword secret",
        "-Certificate ([Security.Cryptography.X509Certificates.X509Certificate2]::new('cert.pfx', 'secret'))",
    ],
)
def test_a_certificate_goes_to_an_operation_as_octets_or_as_an_object(console: Screen, given: str) -> None:
    shown = console.run(f"(Test-InboundConnector Declared -SenderIPAddress 192.0.2.200 {given}).IsMatched")
    assert shown == "True"
    assert "There is no listener to talk to; everything is reckoned." in console.complaints[0]
