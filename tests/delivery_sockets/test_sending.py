"""One message by hand: what reaches the server, what is written down, and the sentence at the end."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from staffetta.delivery.sending import Letter, Login, Sent, Server, send
from staffetta.delivery.verdict import id_of, in_a_sentence
from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient, Ret
from staffetta.net.client_tls import Identity
from staffetta.settings.roads import TlsLevel
from staffetta.smtp.credentials import PasswordLogin, TokenLogin
from tests.certificates import SERVER, Made, make, pem
from tests.delivery_sockets.carrying import run
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop, Fault
from tests.delivery_sockets.test_trust import NAMED, ROOT, server_context

ADA, BOB, EVE = map(parse_mailbox, ("ada@contoso.test", "bob@example.org", "eve@example.org"))
CONTENT = b"Subject: hello\r\n\r\nA line.\r\n.A dot.\r\n"
LETTER = Letter(Envelope(ADA, (Recipient(BOB), Recipient(EVE))), CONTENT)
CLIENT = make("*.contoso.test", issuer=ROOT)


def to(hop: FakeHop, **how: object) -> Server:
    return Server(**({"host": "127.0.0.1", "port": hop.port, "hello": "tool.contoso.test"} | how))  # type: ignore[arg-type]


def sent(hop: FakeHop, letter: Letter = LETTER, **how: object) -> Sent:
    async def main() -> Sent:
        async with hop.listening():
            return await send(letter, to(hop, **how))

    return run(main())


def lines(result: Sent) -> list[str]:
    return [f"{entry.direction} {entry.line}" for entry in result.transcript.entries]


def in_tls(context: ssl.SSLContext, *more: str, **how: object) -> FakeHop:
    return FakeHop(capabilities=(*ALL_CAPABILITIES, *more, "STARTTLS"), tls=context, **how)  # type: ignore[arg-type]


def identity(made: Made) -> Identity:
    return Identity(made.certificate, made.key, made.chain)


def test_each_reply_stands_below_its_command():
    hop = FakeHop()
    result = sent(hop)
    assert result.is_accepted and result.taken == (BOB, EVE)
    shown = [line for line in lines(result) if not line.startswith(("* ", "S 250-"))]
    assert shown[1:-1] == [
        "C EHLO tool.contoso.test",
        "S 250 ENHANCEDSTATUSCODES",
        "C MAIL FROM:<ada@contoso.test> SIZE=36",
        "S 250 2.1.0 sender ok",
        "C RCPT TO:<bob@example.org>",
        "S 250 2.1.5 recipient ok",
        "C RCPT TO:<eve@example.org>",
        "S 250 2.1.5 recipient ok",
        "C DATA",
        "S 354 go ahead",
        "C (40 octets of content)",
        "S 250 2.0.0 queued as 42",
    ]
    assert hop.messages[0].content == CONTENT
    assert in_a_sentence(result) == ("Accepted as 42 for bob@example.org, eve@example.org: 250 2.0.0 queued as 42.")


def test_notifications_are_asked_for_with_all_their_parameters():
    hop = FakeHop()
    recipient = Recipient(BOB, Notify.SUCCESS | Notify.FAILURE, "rfc822;bob+40example.org")
    sent(hop, Letter(Envelope(ADA, (recipient,), ret=Ret.HEADERS, envelope_id="test+2B1"), CONTENT))
    assert hop.messages[0].mail.endswith("RET=HDRS ENVID=test+2B1")
    assert hop.messages[0].recipients == [
        "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+40example.org"
    ]


def test_only_asking_ends_with_rset_and_sends_nothing():
    hop = FakeHop()
    result = sent(hop, replace(LETTER, content=None))
    assert result.taken == (BOB, EVE) and hop.messages == []
    assert "C RSET" in lines(result) and not any("DATA" in line for line in lines(result))
    assert in_a_sentence(result, is_asked_only=True) == "It would be taken for bob@example.org, eve@example.org."


def test_one_bad_recipient_is_told_with_what_mends_it_and_the_other_gets_the_message():
    def script(step: str, line: str) -> bytes | None:
        return b"550 5.7.64 TenantAttribution; Relay Access Denied\r\n" if "eve" in line else None

    hop = FakeHop(script=script)
    result = sent(hop)
    assert result.taken == (BOB,) and len(hop.messages) == 1
    told = in_a_sentence(result)
    assert told.startswith("Accepted as 42 for bob@example.org")
    assert "Refused for eve@example.org: 550 5.7.64 TenantAttribution; Relay Access Denied." in told
    assert "To mend by " in told


@pytest.mark.parametrize("step", ["MAIL", "DATA", "CONTENT"])
def test_a_refusal_of_the_message_is_everybodys(step: str):
    result = sent(FakeHop(script=lambda at, line: b"554 5.7.1 no\r\n" if at == step else None))
    assert not result.is_accepted
    assert result.refused == ((BOB, "554 5.7.1 no"), (EVE, "554 5.7.1 no"))
    assert in_a_sentence(result).startswith("Refused for bob@example.org, eve@example.org: 554 5.7.1 no.")


TROUBLES = {
    "CONNECT": (b"554 5.3.2 not you\r\n", "Not sent: 554 5.3.2 not you."),
    "EHLO": (Fault.CLOSE, "Not sent: lost the connection while waiting for the answer to EHLO."),
    "RCPT": (b"421 4.3.2 going down\r\n", "Not sent: 421 4.3.2 going down."),
    "CONTENT": (Fault.CLOSE, "Unknown: the server has the whole message and did not answer"),
}


@pytest.mark.parametrize("step", TROUBLES)
def test_what_ends_the_session_is_told(step: str):
    answer, told = TROUBLES[step]
    result = sent(FakeHop(script=lambda at, line: answer if at == step else None))
    assert not result.is_accepted
    assert in_a_sentence(result).startswith(told)


def test_nobody_listening_is_in_the_transcript_too():
    hop = FakeHop()

    async def main() -> Sent:
        async with hop.listening():
            pass
        return await send(LETTER, to(hop))

    result = run(main())
    assert "Connection refused" in lines(result)[-1]
    assert "Check host, port and firewall" in in_a_sentence(result)


def test_the_server_s_chain_and_the_verdict_are_written_down(tmp_path: Path):
    (tmp_path / "root.pem").write_bytes(pem(ROOT.certificate))
    how = {"tls": TlsLevel.VERIFIED, "tls_names": ("mail.contoso.test",), "authorities": tmp_path / "root.pem"}
    result = sent(in_tls(server_context(NAMED.sending(ROOT), tmp_path)), **how)
    told = lines(result)
    assert any(
        "certificate 1 of 2: CN=mail.contoso.test; names mail.contoso.test; issued by CN=Root" in _ for _ in told
    )
    assert any("certificate 2 of 2: CN=Root" in line for line in told)
    assert "* verdict: verified" in told
    assert result.tls is not None and result.tls.startswith("TLSv1.3")


def test_a_wrong_certificate_ends_it_before_anything_is_said(tmp_path: Path):
    hop = in_tls(server_context(make("other.test", usages=(SERVER,)), tmp_path))
    result = sent(hop, tls=TlsLevel.VERIFIED)
    assert not any(line.startswith("MAIL") for line in hop.lines)
    assert "the certificate of CN=other.test" in in_a_sentence(result)


def test_a_doubtful_certificate_is_told_where_tls_is_all_that_was_asked(tmp_path: Path):
    result = sent(in_tls(server_context(make("other.test", usages=(SERVER,)), tmp_path)))
    assert result.is_accepted
    assert any("verdict: the certificate of CN=other.test" in line and "no more" in line for line in lines(result))


@pytest.mark.parametrize("is_asked", [True, False])
def test_whether_the_server_asks_for_our_certificate_is_told(tmp_path: Path, is_asked: bool):
    context = server_context(NAMED, tmp_path, clients=ROOT if is_asked else None)
    result = sent(in_tls(context), identity=identity(CLIENT))
    assert result.is_accepted and result.is_certificate_wanted is is_asked
    said = "asks for a client certificate, and we show ours" if is_asked else "asks for no client certificate, so"
    assert any(said in line for line in lines(result))


def test_tls_from_the_first_octet(tmp_path: Path):
    hop = FakeHop(tls=server_context(NAMED, tmp_path), is_tls_implicit=True)
    assert sent(hop, is_tls_implicit=True).is_accepted


LOGINS = [
    (("AUTH LOGIN PLAIN",), PasswordLogin("ada", b"secret"), "C AUTH LOGIN"),
    (("AUTH PLAIN",), PasswordLogin("ada", b"secret"), "C AUTH PLAIN (credentials)"),
    (("AUTH PLAIN XOAUTH2",), TokenLogin("ada", "secret"), "C AUTH XOAUTH2 (credentials)"),
]


@pytest.mark.parametrize(("offered", "credentials", "said"), LOGINS)
def test_a_login_takes_what_is_offered_and_stays_secret(tmp_path: Path, offered, credentials, said: str):
    def script(step: str, line: str) -> bytes | None:
        if step == "AUTH":
            return b"334 VXNlcm5hbWU6\r\n" if line == "AUTH LOGIN" else b"235 2.7.0 welcome\r\n"
        if step.startswith("YWRH"):
            return b"334 UGFzc3dvcmQ6\r\n"
        return b"235 2.7.0 welcome\r\n" if step.startswith("C2VJ") else None

    hop = in_tls(server_context(NAMED, tmp_path), *offered, script=script)
    result = sent(hop, login=Login(credentials))
    assert result.is_accepted and said in lines(result)
    assert "secret" not in str(result.transcript) and "c2VjcmV0" not in str(result.transcript)


def test_credentials_go_to_no_other_machine_in_clear():
    hop = FakeHop(capabilities=(*ALL_CAPABILITIES, "AUTH PLAIN"))
    result = sent(
        hop,
        host="mail.contoso.test",
        addresses=("127.0.0.1",),
        tls=TlsLevel.NONE,
        login=Login(PasswordLogin("a", b"b")),
    )
    assert not any(line.startswith("AUTH") for line in hop.lines)
    assert "credentials do not travel in clear" in in_a_sentence(result)


def test_an_optional_login_is_left_out_where_none_is_offered():
    assert sent(FakeHop(), login=Login(PasswordLogin("a", b"b"), is_optional=True)).is_accepted
    assert not sent(FakeHop(), login=Login(PasswordLogin("a", b"b"))).is_accepted


def test_the_connection_leaves_from_the_address_that_is_named():
    hop = FakeHop()
    assert sent(hop, source_address="127.0.0.9").is_accepted
    assert hop.writers[0].get_extra_info("peername")[0] == "127.0.0.9"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("250 2.6.0 <a@b> [InternalId=0ABC, Hostname=relay.example] Queued mail for delivery", "0ABC"),
        ("250 2.0.0 Ok: queued as 4XyZ12abc", "4XyZ12abc"),
        ("250 OK id=1tFabc-000000001Xy-2abc", "1tFabc-000000001Xy-2abc"),
        ("250 2.0.0 4AODxyz0123456 Message accepted for delivery", "4AODxyz0123456"),
        ("250 ok", None),
    ],
)
def test_ids_of_many_servers_are_found(reply: str, found: str | None):
    assert id_of(reply) == found
