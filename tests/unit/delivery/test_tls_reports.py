"""Reports on TLS: counted by session, kept on disk, and sent once a day to who asks for them."""

import base64
import email
import email.policy
import gzip
import json
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dkim
import httpx2
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from staffetta.delivery.tls_report import Reporter, document, mail, packed, read_rua
from staffetta.delivery.tls_reporter import KEPT_SECONDS, TlsReporter
from staffetta.delivery.tls_tally import TlsTally, day_of, finished_days, results
from staffetta.mail.address import Mailbox
from staffetta.net.resolver import DnsResolver
from staffetta.settings.model import Settings, TlsReports
from tests.delivery_sockets.carrying import run
from tests.dns_server import DnsServer
from tests.fakes.web import Answer, Web

DAY_SECONDS = 86_400.0
NOON = 1_795_521_600.0  # 2026-11-24T12:00:00Z
DOMAIN = "example.test"
NO_POLICY = {"policy-type": "no-policy-found", "policy-domain": DOMAIN}
REPORTER = Reporter("relay.contoso.test", "tls@contoso.test")


class Clock:
    now = NOON


def counted(folder: Path, clock: Clock) -> TlsTally:
    tally = TlsTally(now=lambda: clock.now)
    for _ in range(3):
        tally.count(DOMAIN, NO_POLICY)
    tally.count(DOMAIN, NO_POLICY, result="starttls-not-supported", host="mx.example.test", address="192.0.2.1")
    tally.flush(folder)
    return tally


@pytest.mark.parametrize(
    ("texts", "places"),
    [
        (("v=TLSRPTv1; rua=mailto:tls@example.test",), ["mailto:tls@example.test"]),
        (
            ("v=TLSRPTv1;rua=mailto:a@example.test , https://example.test/r;",),
            ["mailto:a@example.test", "https://example.test/r"],
        ),
        (("v=TLSRPTv1; rua=http://example.test/r",), []),
        (("v=TLSRPTv1;",), []),
        (("v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@b.test"), []),
        (("v=spf1 -all",), []),
        ((), []),
    ],
)
def test_a_domain_says_where_its_reports_go(texts: Sequence[str], places: list[str]) -> None:
    assert read_rua(texts) == places


def test_counts_of_a_day_are_added_up_on_disk(tmp_path: Path) -> None:
    clock = Clock()
    counted(tmp_path, clock)
    counted(tmp_path, clock)
    assert [n for _, n in results(tmp_path, "2026-11-24", DOMAIN)] == [6, 2]
    assert finished_days(tmp_path, "2026-11-24") == []
    assert finished_days(tmp_path, "2026-11-25") == [("2026-11-24", DOMAIN)]


def test_what_cannot_be_written_is_kept(tmp_path: Path) -> None:
    tally = TlsTally(now=lambda: NOON)
    tally.count(DOMAIN, NO_POLICY)
    (tmp_path / "file").touch()
    tally.flush(tmp_path / "file")
    tally.flush(tmp_path)
    assert [n for _, n in results(tmp_path, "2026-11-24", DOMAIN)] == [1]


def test_the_report_is_as_the_standard_has_it(tmp_path: Path) -> None:
    counted(tmp_path, Clock())
    report = document(REPORTER, DOMAIN, "2026-11-24", results(tmp_path, "2026-11-24", DOMAIN))
    assert report == {
        "organization-name": "contoso.test",
        "date-range": {"start-datetime": "2026-11-24T00:00:00Z", "end-datetime": "2026-11-24T23:59:59Z"},
        "contact-info": "tls@contoso.test",
        "report-id": "2026-11-24.example.test@relay.contoso.test",
        "policies": [
            {
                "policy": NO_POLICY,
                "summary": {"total-successful-session-count": 3, "total-failure-session-count": 1},
                "failure-details": [
                    {
                        "result-type": "starttls-not-supported",
                        "receiving-mx-hostname": "mx.example.test",
                        "receiving-ip": "192.0.2.1",
                        "failed-session-count": 1,
                    }
                ],
            }
        ],
    }


def test_the_mail_holds_the_report(tmp_path: Path) -> None:
    octets = packed({"report-id": "1"})
    content = mail(REPORTER, "tls@example.test", DOMAIN, "2026-11-24", octets, datetime.fromtimestamp(NOON, UTC))
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert (parsed["TLS-Report-Domain"], parsed["TLS-Report-Submitter"]) == (DOMAIN, "contoso.test")
    assert parsed["TLS-Required"] == "No"
    (_, attachment) = parsed.iter_parts()
    assert attachment.get_content_type() == "application/tlsrpt+gzip"
    assert attachment.get_filename() == "contoso.test!example.test!1795478400!1795564799.json.gz"
    assert json.loads(gzip.decompress(attachment.get_payload(decode=True))) == {"report-id": "1"}


def report(
    folder: Path,
    rua: str | None,
    *,
    later: float = DAY_SECONDS,
    status: int = 201,
    times: int = 1,
    **keys: str,
) -> tuple[list[tuple[str, str, bytes]], Web]:
    """Count, wait, and look for what is to be reported. Returns the mails (from, to, content), and the web server.

    keys: of the settings of reports.
    """
    clock, mails = Clock(), []
    tally = counted(folder, clock)
    clock.now += later
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("reports.example.test").configure_cert(server_tls)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    async def handler(request: object) -> Answer:
        return Answer(status)

    async def send_mail(author: Mailbox, to: Mailbox, content: bytes) -> None:
        mails.append((str(author), str(to), content))

    web = Web(handler, server_tls)

    async def main() -> None:
        zone: dict[tuple[str, str], list[str]] = {("reports.example.test", "A"): ["127.0.0.1"]}
        async with web.listening(), DnsServer(zone).listening() as dns:
            if rua is not None:
                zone[f"_smtp._tls.{DOMAIN}", "TXT"] = [f'"v=TLSRPTv1; rua={rua.format(port=web.port)}"']
            settings = Settings(
                hostname="relay.contoso.test",
                data_dir=folder,
                tls_reports=TlsReports(enabled=True, contact="tls@contoso.test", **keys),
            )
            reporter = TlsReporter(
                lambda: settings,
                tally,
                lambda _: DnsResolver([dns.address], timeout_seconds=dns.patience_seconds),
                send_mail,
                now=lambda: clock.now,
                make_client=lambda: httpx2.AsyncClient(verify=trust, trust_env=False, timeout=5),
                allows_private=True,
            )
            for _ in range(times):
                await reporter.report()

    run(main())
    return mails, web


BY_WEB = "https://reports.example.test:{port}/tls"


def counts(octets: bytes) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(gzip.decompress(octets))["policies"][0]["summary"]
    return summary


def test_a_report_goes_by_mail_once(tmp_path: Path) -> None:
    mails, _ = report(tmp_path, "mailto:tls@example.test", times=2)
    ((author, to, content),) = mails
    assert (author, to) == ("tls@contoso.test", "tls@example.test")
    attachment = list(email.message_from_bytes(content, policy=email.policy.default).iter_parts())[1]
    assert counts(attachment.get_payload(decode=True))["total-successful-session-count"] == 3


def test_a_report_goes_by_https_once(tmp_path: Path) -> None:
    _, web = report(tmp_path, BY_WEB, times=2)
    (request,) = web.requests
    assert (request.method, request.path) == ("POST", "/tls")
    assert request.headers["content-type"] == "application/tlsrpt+gzip"
    assert counts(request.body)["total-failure-session-count"] == 1


def test_where_one_place_does_not_take_it_the_next_one_is_tried(tmp_path: Path) -> None:
    mails, web = report(tmp_path, f"{BY_WEB},mailto:tls@example.test", status=503)
    assert (len(web.requests), len(mails)) == (1, 1)


def test_what_nobody_takes_is_tried_again_and_forgotten_after_two_days(tmp_path: Path) -> None:
    _, web = report(tmp_path, BY_WEB, status=503, times=2)
    assert len(web.requests) == 2
    assert finished_days(tmp_path, day_of(NOON + DAY_SECONDS)) != []
    report(tmp_path, BY_WEB, status=503, later=KEPT_SECONDS + DAY_SECONDS)
    assert finished_days(tmp_path, day_of(NOON + 9 * DAY_SECONDS)) == []


def test_who_asks_for_no_report_gets_none(tmp_path: Path) -> None:
    mails, web = report(tmp_path, None)
    assert (mails, web.requests) == ([], [])
    assert finished_days(tmp_path, day_of(NOON + DAY_SECONDS)) == []


def test_a_day_is_reported_when_it_is_over(tmp_path: Path) -> None:
    mails, _ = report(tmp_path, "mailto:tls@example.test", later=60)
    assert mails == []


def public_record(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    """What the domain publishes for a key (RFC 6376 §3.6.1, RFC 8463 §4)."""
    public = key.public_key()
    if isinstance(public, Ed25519PublicKey):
        return b"v=DKIM1; k=ed25519; s=tlsrpt; p=" + base64.b64encode(public.public_bytes_raw())
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; s=tlsrpt; p=" + base64.b64encode(der)


KEYS: dict[str, RSAPrivateKey | Ed25519PrivateKey] = {
    "rsa": generate_private_key(65537, 2048),
    "ed25519": Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_mailed_report_is_signed_for_the_contacts_domain(tmp_path: Path, kind: str) -> None:
    pem = KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "dkim.pem").write_bytes(pem)
    mails, _ = report(
        tmp_path, "mailto:tls@example.test", dkim_selector="reports", dkim_key=f"file:{tmp_path}/dkim.pem"
    )
    ((_, _, content),) = mails
    asked: list[bytes] = []

    def txt(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return public_record(KEYS[kind])

    assert dkim.verify(content, dnsfunc=txt, tlsrpt="strict")
    assert asked == [b"reports._domainkey.contoso.test."]
    signature = email.message_from_bytes(content, policy=email.policy.default)["DKIM-Signature"]
    assert "l=" not in signature.replace(" ", "").split(";")
    assert not dkim.verify(content.replace(b"tls@example.test", b"tls@example.best"), dnsfunc=txt)


@pytest.mark.parametrize("key", ["nothing", "rubbish", "an elliptic curve"])
def test_a_report_that_cannot_be_signed_is_not_mailed_and_no_key_is_told(
    tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made: dict[str, bytes] = {
        "rubbish": b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        "an elliptic curve": ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    }
    if key in made:
        (tmp_path / "dkim.pem").write_bytes(made[key])
    mails, _ = report(
        tmp_path, "mailto:tls@example.test", dkim_selector="reports", dkim_key=f"file:{tmp_path}/dkim.pem"
    )
    assert mails == []
    assert finished_days(tmp_path, day_of(NOON + DAY_SECONDS)) != []
    said = capsys.readouterr()
    assert "TLS report not taken" in said.out + said.err
    assert "c2VjcmV0" not in said.out + said.err
