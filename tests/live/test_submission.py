"""Logging in, with real clients and a provider of tokens: who is let in, who is not, and that guessing stops nobody."""

import asyncio
import base64
import json
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from staffetta.settings.passwords import hash_password
from tests.live import clients, postfix
from tests.live.arrived import assert_traced_delivered, assert_unchanged, copies
from tests.live.conftest import need
from tests.live.logging_in import CLIENTS, MECHANISMS, XOAUTH2, Login, LoginFailed
from tests.live.mail import Mail
from tests.live.postfix import Postfix
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import Sink
from tests.ports import free_port
from tests.provider import ISSUER, serving, tls_of_an_authority, token

pytestmark = pytest.mark.live

USER, PASSWORD = "scanner@contoso.test", "right horse"
DATE = "Tue, 24 Nov 2026 10:00:00 +0000"
OLD_TOKEN = token(time.time() - 86_400)
MORE = """
[[listeners]]
name = "submission"
kind = "submission"
address = "127.0.0.1:{submission}"

[[listeners]]
name = "submissions"
kind = "submission"
implicit_tls = true
address = "127.0.0.1:{submissions}"

[[accounts]]
user_name = "{user}"
password_hashes = ["{hashed}"]

[[accounts]]
user_name = "victim@contoso.test"
password_hashes = ["{hashed}"]

[[token_issuers]]
issuer = "{issuer}"
audience = ["relay"]
keys = "{keys}"
"""

POSTFIX_SASL = f"""
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = inline:{{{{ {{{{ [127.0.0.1]:{{port}} = {USER}:{PASSWORD} }}}} }}}}
smtp_tls_security_level = encrypt
smtp_tls_wrappermode = {{wrapper}}
"""


@dataclass
class Submission:
    relay: Relay
    port: int
    implicit_port: int

    def login(self, mechanism: str, secret: str, *, is_implicit: bool) -> Login:
        return Login(self.implicit_port if is_implicit else self.port, is_implicit, mechanism, USER, secret)

    def refusals(self) -> list[dict[str, object]]:
        """What `staffetta refusals --json` prints; rows are written with the next batch."""
        words = [sys.executable, "-m", "staffetta", "refusals", "--config", str(self.relay.config), "--json"]
        rows: list[dict[str, object]] = json.loads(
            subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True).stdout
        )
        return rows


@pytest.fixture(scope="module")
def submission(folder: Path, sink: Sink) -> Iterator[Submission]:
    """A relay that nobody may use without logging in, and a provider whose authority it trusts."""
    tls = tls_of_an_authority(folder / "authority.pem")
    port, implicit_port = free_port(), free_port()
    with serving(tls) as provider, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        more = MORE.format(
            submission=port,
            submissions=implicit_port,
            user=USER,
            hashed=hash_password(PASSWORD),
            issuer=ISSUER,
            keys=provider.url,
        )
        with Relay(folder, sink.port, more=more, connectors="") as relay:
            yield Submission(relay, port, implicit_port)


def mail_of(name: str) -> Mail:
    content = f"From: {USER}\r\nMessage-ID: <{name}@contoso.test>\r\nDate: {DATE}\r\nSubject: scan\r\n\r\nIt works.\r\n"
    return Mail(f"{name}@contoso.test", content.encode(), sender=USER)


def secret_for(mechanism: str) -> str:
    return token(time.time()) if mechanism == XOAUTH2 else PASSWORD


CELLS = [
    pytest.param(client, mechanism, is_implicit, id=f"{client}-{mechanism}-{'tls' if is_implicit else 'starttls'}")
    for client, mechanisms in MECHANISMS.items()
    for mechanism in mechanisms
    for is_implicit in (False, True)
]


@pytest.mark.parametrize(("client", "mechanism", "is_implicit"), CELLS)
def test_client_logs_in_and_its_message_arrives(
    client: str, mechanism: str, is_implicit: bool, submission: Submission, sink: Sink
) -> None:
    need(clients.missing(client))
    mail = mail_of(f"{client}-{mechanism}-{is_implicit}")
    CLIENTS[client](mail, submission.login(mechanism, secret_for(mechanism), is_implicit=is_implicit))
    for arrival in copies(sink, mail):
        assert_unchanged(arrival.content, mail)
        assert b" with ESMTPSA" in arrival.content
    (row,) = assert_traced_delivered(submission.relay, mail)
    assert f"'account': '{USER}'" in str(row["events"])


@pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "tls"])
def test_postfix_logs_in_and_its_message_arrives(is_implicit: bool, submission: Submission, sink: Sink) -> None:
    need(postfix.missing())
    mail = mail_of(f"postfix-{is_implicit}")
    port = submission.implicit_port if is_implicit else submission.port
    with Postfix(port, POSTFIX_SASL.format(port=port, wrapper="yes" if is_implicit else "no")) as before_us:
        clients.send_with_smtplib(mail, before_us.port)
        for arrival in copies(sink, mail):
            assert_unchanged(arrival.content, mail)
            assert b" with ESMTPSA" in arrival.content


@pytest.mark.parametrize("client", MECHANISMS)
def test_client_with_a_wrong_password_hears_535_and_sends_nothing(client: str, submission: Submission) -> None:
    need(clients.missing(client))
    mail = mail_of(f"{client}-wrong")
    with pytest.raises(LoginFailed, match=r"535|denied"):
        CLIENTS[client](mail, submission.login("PLAIN", "wrong horse", is_implicit=True))
    assert submission.relay.trace("--message-id", mail.message_id) == []


@pytest.mark.parametrize("client", [client for client, known in MECHANISMS.items() if XOAUTH2 in known])
def test_client_with_a_token_of_yesterday_hears_535(client: str, submission: Submission) -> None:
    need(clients.missing(client))
    with pytest.raises(LoginFailed, match=r"535|denied"):
        CLIENTS[client](mail_of(f"{client}-old"), submission.login(XOAUTH2, OLD_TOKEN, is_implicit=False))


def test_refusal_tells_what_was_wrong_and_no_secret_is_anywhere(submission: Submission) -> None:
    wrong = "very-secret-horse"
    with pytest.raises(LoginFailed) as failed:
        CLIENTS["smtplib"](mail_of("told"), submission.login("LOGIN", wrong, is_implicit=False))
    session = str(failed.value).partition("]")[0].split()[-1]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (rows := [row for row in submission.refusals() if row["session_id"] == session]):
        assert time.monotonic() < deadline
    assert rows[0]["reason"] == "authentication failed"
    evidence = rows[0]["evidence"]
    assert evidence == {"user_name": USER, "mechanism": "LOGIN", "cause": "the password is wrong"}
    for secret in (wrong, PASSWORD):
        shown = (secret.encode(), base64.b64encode(secret.encode()))
        for path in submission.relay.folder.rglob("*"):
            if path.is_file() and path.name != "relay.toml":
                assert not any(each in path.read_bytes() for each in shown), path


def test_password_is_not_asked_for_in_clear(submission: Submission) -> None:
    with smtplib.SMTP("127.0.0.1", submission.port, timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        assert not client.has_extn("auth") and client.has_extn("starttls")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] == 538
        code, text = client.mail(USER)
        assert (code, text.split()[0]) == (530, b"5.7.57")


def test_relay_port_knows_no_login(submission: Submission) -> None:
    with smtplib.SMTP("127.0.0.1", submission.relay.port, timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=clients.trusting())
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] == 502


async def guess(port: int, number: int, context: ssl.SSLContext) -> tuple[bytes, float]:
    """Guess once in a session of its own; return the reply's code and how long it took, in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="")
    await reader.readline()
    message = base64.b64encode(f"\0victim@contoso.test\0guess {number}".encode())
    began = time.monotonic()
    writer.write(b"EHLO x\r\nAUTH PLAIN " + message + b"\r\n")
    while not (line := await reader.readline()).startswith((b"535", b"454", b"421")):
        assert line
    writer.close()
    return line[:3], time.monotonic() - began


def test_guesser_waits_and_who_was_here_before_does_not(submission: Submission, sink: Sink) -> None:
    """Sixty guesses at once; meanwhile the scanner, which logs in from the same address, sends as ever."""
    first = mail_of("before")
    CLIENTS["smtplib"](first, submission.login("PLAIN", PASSWORD, is_implicit=True))
    meanwhile = mail_of("meanwhile")

    async def main() -> tuple[list[tuple[bytes, float]], float]:
        context = clients.trusting()
        guessing = [asyncio.create_task(guess(submission.implicit_port, number, context)) for number in range(60)]
        began = time.monotonic()
        login = submission.login("PLAIN", PASSWORD, is_implicit=True)
        await asyncio.to_thread(CLIENTS["smtplib"], meanwhile, login)
        seconds = time.monotonic() - began
        return await asyncio.gather(*guessing), seconds

    guesses, seconds = asyncio.run(main())
    codes = [code for code, _ in guesses]
    assert set(codes) <= {b"535", b"454"}
    assert sorted(waited for _, waited in guesses)[len(guesses) // 2] > 10
    assert seconds < 10
    copies(sink, meanwhile)
    again, _ = asyncio.run(guess(submission.implicit_port, 61, clients.trusting()))
    assert again == b"454"
    third = mail_of("after")
    CLIENTS["smtplib"](third, submission.login("PLAIN", PASSWORD, is_implicit=True))
