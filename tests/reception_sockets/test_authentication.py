"""Logging in over real sockets: who is let in, what the others hear and what we keep of it, and at what pace."""

import asyncio
import base64
import contextlib
import datetime
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from staffetta.mail.content import MemoryContent
from staffetta.net.tls import ServerContext, self_signed
from staffetta.policy.guessing import ACCOUNT, ADDRESS, DELAY_SECONDS_MAX
from staffetta.reception.authentication import Authenticator
from staffetta.settings.model import Limits
from staffetta.settings.objects import Account, InboundConnector, Organization, TokenIssuer
from staffetta.settings.passwords import hash_password
from tests.provider import ISSUER, Provider
from tests.provider import token as made_token
from tests.reception_sockets.dialog import Bench, Client, listening, run

PAIR = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))
HASHES = (hash_password("right horse"), hash_password("second device"))
ACCOUNTS = (
    Account(user_name="scanner@contoso.test", password_hashes=HASHES),
    Account(user_name="off@contoso.test", password_hashes=HASHES, enabled=False),
    Account(user_name="bare@contoso.test"),
    Account(user_name="tenant@fabrikam.test", password_hashes=HASHES, organization="fabrikam"),
)
SOH = chr(1)
UNSUCCESSFUL = "535 5.7.3 Authentication unsuccessful [relay.contoso.test "


class Pauses:
    """Waits no time, and tells for how long it should have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@contextlib.asynccontextmanager
async def submission(authenticator: Authenticator | None = None, **changed: Any) -> AsyncIterator[Bench]:
    """A listener with TLS from the first octet."""
    async with listening(
        tls=ServerContext.load(*PAIR),
        declared={"kind": "submission", "implicit_tls": True, "name": "submissions"},
        changed={"accounts": ACCOUNTS} | changed,
        authenticator=authenticator or Authenticator(pause=Pauses()),
    ) as bench:
        yield bench


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def secured(bench: Bench, context: ssl.SSLContext | None = None) -> Client:
    """A client that has shaken hands and said EHLO."""
    context = context or client_context()
    client = Client(*await asyncio.open_connection("127.0.0.1", bench.listener.port, ssl=context, server_hostname=""))
    assert (await client.reply()).startswith("220 ")
    await client.say("EHLO client.example\n")
    return client


def plain(user_name: str, password: str | bytes) -> str:
    octets = password.encode() if isinstance(password, str) else password
    message = b"\0" + user_name.encode() + b"\0" + octets
    return f"AUTH PLAIN {base64.b64encode(message).decode()}\n"


@pytest.mark.parametrize("user_name", ["scanner@contoso.test", "Scanner@Contoso.Test"])
@pytest.mark.parametrize("password", ["right horse", "second device"])
def test_every_device_s_password_lets_the_account_in(user_name: str, password: str) -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            assert await client.say(plain(user_name, password)) == ["235 2.7.0 Authentication successful"]
            assert bench.spool.refusals == []

    run(main)


@pytest.mark.parametrize(
    ("user_name", "password", "cause"),
    [
        ("scanner@contoso.test", "Right horse", "the password is wrong"),
        ("scanner@contoso.test", "", "the password is wrong"),
        ("scanner@contoso.test", b"right\xff", "the password is wrong"),
        pytest.param("scanner@contoso.test", HASHES[0], "the password is wrong", id="the hash itself"),
        ("nobody@contoso.test", "right horse", "there is no such account"),
        ("bare@contoso.test", "", "the account has no password"),
        ("off@contoso.test", "left horse", "the password is wrong"),
    ],
)
def test_client_hears_nothing_of_what_the_trace_tells(user_name: str, password: str | bytes, cause: str) -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            (answer,) = await client.say(plain(user_name, password))
            assert answer.startswith(UNSUCCESSFUL)
            (refusal,) = bench.spool.refusals
            assert (refusal.reason, refusal.helo) == ("authentication failed", "client.example")
            assert refusal.evidence == {"user_name": user_name, "mechanism": "PLAIN", "cause": cause}
            secret = password if isinstance(password, str) else "right"
            assert not secret or secret not in repr(refusal)

    run(main)


@pytest.mark.parametrize(
    ("user_name", "changed", "where"),
    [
        ("off@contoso.test", {}, "Mailbox"),
        ("scanner@contoso.test", {"smtp_client_authentication_disabled": True}, "Tenant"),
        (
            "tenant@fabrikam.test",
            {"organizations": (Organization(name="fabrikam", smtp_client_authentication_disabled=True),)},
            "Tenant",
        ),
    ],
)
def test_who_is_switched_off_hears_it_with_the_right_password(
    user_name: str, changed: dict[str, Any], where: str
) -> None:
    async def main() -> None:
        async with submission(**changed) as bench:
            client = await secured(bench)
            (answer,) = await client.say(plain(user_name, "right horse"))
            assert answer.startswith(
                f"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {where} ["
            )
            assert bench.spool.refusals[0].reason == "authentication disabled"

    run(main)


def test_who_logged_in_stands_in_trace_and_the_received_field_says_so() -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            await client.say(plain("SCANNER@contoso.test", "right horse"))
            await client.say("MAIL FROM:<scanner@contoso.test>\nRCPT TO:<b@contoso.test>\nDATA\n", 3)
            assert (await client.say("From: scanner@contoso.test\n\nx\n.\n"))[0].startswith("250 2.6.0 ")
            (message,) = bench.messages
            assert isinstance(message.content, MemoryContent)
            assert b" with ESMTPSA\r\n (version=TLS1_3, " in message.content.octets
            assert message.events[0].detail["account"] == "scanner@contoso.test"

    run(main)


def test_what_is_pipelined_behind_the_password_waits_for_its_check() -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            answers = await client.say(plain("scanner@contoso.test", "right horse") + "NOOP\nAUTH PLAIN\nQUIT\n", 4)
            assert [answer[:3] for answer in answers] == ["235", "250", "503", "221"]

    run(main)


def test_client_that_goes_while_it_is_checked_harms_nobody() -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            client.send(plain("scanner@contoso.test", "wrong").replace("\n", "\r\n").encode())
            client.writer.transport.abort()
            other = await secured(bench)
            assert (await other.say(plain("scanner@contoso.test", "right horse")))[0].startswith("235")

    run(main)


def test_answers_to_wrong_guesses_come_later_each_time_and_then_nothing_is_heard() -> None:
    async def main() -> None:
        pauses = Pauses()
        async with submission(Authenticator(pause=pauses, clock=lambda: 0.0)) as bench:
            for number in range(int(ACCOUNT.level_max)):
                client = await secured(bench)
                (answer,) = await client.say(plain("scanner@contoso.test", f"guess {number}"))
                assert answer.startswith(UNSUCCESSFUL)
            assert pauses.seconds[:6] == [1, 2, 4, 8, 15, 15]
            client = await secured(bench)
            (answer,) = await client.say(plain("scanner@contoso.test", "right horse"))
            assert answer.startswith("454 4.7.0 Temporary authentication failure [")
            assert pauses.seconds[-1] == DELAY_SECONDS_MAX
            assert bench.spool.refusals[-1].reason == "too many guesses"
            (answer,) = await (await secured(bench)).say(plain("off@contoso.test", "right horse"))
            assert answer.startswith("535 5.7.139 ")

    run(main)


def test_one_password_tried_at_every_account_is_guessing_too() -> None:
    async def main() -> None:
        async with submission(Authenticator(pause=Pauses(), clock=lambda: 0.0)) as bench:
            codes = []
            for number in range(int(ADDRESS.level_max) + 1):
                client = await secured(bench)
                codes.append((await client.say(plain(f"user{number}@contoso.test", "summer2026")))[0][:3])
            assert codes == ["535"] * int(ADDRESS.level_max) + ["454"]

    run(main)


def test_device_with_an_old_password_shuts_nobody_out() -> None:
    async def main() -> None:
        pauses = Pauses()
        async with submission(Authenticator(pause=pauses, clock=lambda: 0.0)) as bench:
            for _ in range(int(ACCOUNT.level_max) + 2):
                client = await secured(bench)
                await client.say(plain("scanner@contoso.test", "the old one"))
            assert set(pauses.seconds) == {1}
            client = await secured(bench)
            assert (await client.say(plain("scanner@contoso.test", "right horse")))[0].startswith("235")

    run(main)


def test_password_that_was_right_is_known_again_and_another_is_not() -> None:
    async def main() -> None:
        authenticator = Authenticator(pause=Pauses())
        async with submission(authenticator) as bench:
            assert (await (await secured(bench)).say(plain("scanner@contoso.test", "right horse")))[0][:3] == "235"
            authenticator.close()  # no check is possible any more
            assert (await (await secured(bench)).say(plain("scanner@contoso.test", "right horse")))[0][:3] == "235"
            assert (await (await secured(bench)).say(plain("scanner@contoso.test", "second device")))[0][:3] == "421"

    run(main)


def test_greeting_of_implicit_tls_comes_inside_it() -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await bench.connect()  # says nothing, and hears nothing
            client.send(b"EHLO client.example\r\n")
            assert not (await client.rest()).startswith(("220", "250"))
            await secured(bench)

    run(main)


def test_old_device_may_log_in_in_clear_where_a_connector_says_so() -> None:
    tolerant = InboundConnector(name="Old", sender_ip_addresses=("127.0.0.1",), allow_authentication_without_tls=True)

    async def main() -> None:
        async with listening(changed={"accounts": ACCOUNTS, "inbound_connectors": (tolerant,)}) as bench:
            client = await bench.greeted()
            assert (await client.say(plain("scanner@contoso.test", "right horse")))[0].startswith("235")
        async with listening(changed={"accounts": ACCOUNTS}) as bench:
            client = await bench.greeted()
            assert (await client.say(plain("scanner@contoso.test", "right horse")))[0].startswith("502")

    run(main)


def test_mail_of_whom_we_do_not_know_is_refused_on_a_submission_listener() -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            (answer,) = await client.say("MAIL FROM:<scanner@contoso.test>\n")
            assert answer.startswith(
                "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM ["
            )
            await client.say(plain("scanner@contoso.test", "right horse"))
            assert (await client.say("MAIL FROM:<scanner@contoso.test>\n"))[0].startswith("250 2.1.0 ")

    run(main)


@pytest.mark.parametrize(
    ("sender", "author", "code"),
    [
        ("scanner@contoso.test", "scanner@contoso.test", "250"),
        ("scanner@contoso.test", "boss@contoso.test", "554 5.2.252 SendAsDenied; scanner@contoso.test "),
        ("boss@contoso.test", "scanner@contoso.test", "554 5.2.252 SendAsDenied; scanner@contoso.test "),
    ],
)
def test_device_sends_as_itself_alone(sender: str, author: str, code: str) -> None:
    async def main() -> None:
        async with submission(inbound_connectors=()) as bench:
            client = await secured(bench)
            await client.say(plain("scanner@contoso.test", "right horse"))
            await client.say(f"MAIL FROM:<{sender}>\nRCPT TO:<eve@outside.example>\nDATA\n", 3)
            assert (await client.say(f"From: {author}\n\nx\n.\n"))[0].startswith(code)
            assert len(bench.messages) == (code == "250")

    run(main)


def test_certificate_is_asked_for_from_the_moment_on_that_a_connector_needs_it() -> None:
    authority = trustme.CA()
    by_certificate = InboundConnector(name="Hybrid", tls_sender_certificate_name=("mail.contoso.test",))

    async def shown(bench: Bench) -> bool:
        context = client_context()
        authority.issue_cert("mail.contoso.test").configure_cert(context)
        client = Client(
            *await asyncio.open_connection("127.0.0.1", bench.listener.port, ssl=context, server_hostname="")
        )
        await client.reply()
        await client.say("EHLO client.example\n")
        await client.say("MAIL FROM:<a@contoso.test>\nRCPT TO:<eve@outside.example>\n", 2)
        return "certificate_names" in bench.spool.refusals[-1].evidence

    async def main() -> None:
        declared = {"implicit_tls": True}
        async with listening(
            tls=ServerContext.load(*PAIR), declared=declared, changed={"inbound_connectors": ()}
        ) as bench:
            without = bench.listener.desk.get_settings()
            needing = without.model_copy(update={"inbound_connectors": (by_certificate,)})
            for settings, is_shown in ((without, False), (needing, True), (without, False)):
                bench.listener.desk.get_settings = lambda settings=settings: settings
                assert await shown(bench) is is_shown

    run(main)


def test_who_is_one_too_many_is_sent_away_before_the_handshake() -> None:
    async def main() -> None:
        async with submission(limits=Limits(connections_per_known_address_max=1)) as bench:
            first = await secured(bench)
            second = await bench.connect()
            assert await second.rest() == ""
            assert (await first.say("NOOP\n"))[0].startswith("250")
            assert bench.spool.refusals[-1].reason == "too many connections"

    run(main)


def test_proxy_s_header_comes_before_the_handshake_and_tells_whom_we_slow_down() -> None:
    async def main() -> None:
        declared = {"implicit_tls": True, "kind": "submission", "proxy_protocol_from": ("127.0.0.1",)}
        async with listening(
            tls=ServerContext.load(*PAIR),
            declared=declared,
            changed={"accounts": ACCOUNTS},
            authenticator=Authenticator(pause=Pauses()),
        ) as bench:
            client = await bench.connect()
            client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 465\r\n")
            await client.writer.start_tls(client_context(), server_hostname="")
            assert (await client.reply()).startswith("220 ")
            await client.say("EHLO client.example\n")
            assert (await client.say(plain("scanner@contoso.test", "wrong")))[0].startswith(UNSUCCESSFUL)
            assert bench.spool.refusals[-1].peer_address == "203.0.113.9"

    run(main)


def xoauth2(user_name: str, token: str) -> str:
    return f"AUTH XOAUTH2 {base64.b64encode(f'user={user_name}{SOH}auth=Bearer {token}{SOH}{SOH}'.encode()).decode()}\n"


@pytest.mark.parametrize(
    ("user_name", "claims", "code", "cause"),
    [
        ("scanner@contoso.test", {}, "235", None),
        ("SCANNER@contoso.test", {}, "235", None),
        ("off@contoso.test", {}, "334", "the token is scanner@contoso.test's"),
        ("nobody@contoso.test", {"preferred_username": "nobody@contoso.test"}, "334", "there is no such account"),
        ("off@contoso.test", {"preferred_username": "off@contoso.test"}, "334", None),
        ("scanner@contoso.test", {"aud": "another"}, "334", "the token: "),
    ],
)
def test_token_lets_in_its_own_user_where_there_is_such_an_account(
    user_name: str, claims: dict[str, str], code: str, cause: str | None, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(Provider().document())
    issuer = TokenIssuer(issuer=ISSUER, audience=("relay",), keys=str(keys))

    async def main() -> None:
        async with submission(token_issuers=(issuer,)) as bench:
            client = await secured(bench)
            (answer,) = await client.say(xoauth2(user_name, made_token(time.time(), **claims)))
            assert answer[:3] == code
            if code == "334":
                assert (await client.say("\n"))[0].startswith("535 5.7.")
            if cause is not None:
                assert str(bench.spool.refusals[-1].evidence["cause"]).startswith(cause)

    run(main)


def test_issuer_whose_keys_cannot_be_read_is_no_fault_of_the_client() -> None:
    issuer = TokenIssuer(issuer=ISSUER, audience=("relay",), keys="/nowhere/keys.json")

    async def main() -> None:
        async with submission(token_issuers=(issuer,)) as bench:
            client = await secured(bench)
            (answer,) = await client.say(xoauth2("scanner@contoso.test", made_token(time.time())))
            assert answer.startswith("454 4.7.0 Temporary authentication failure [")
            assert bench.spool.refusals[0].reason == "authentication unavailable"
            assert "/nowhere/keys.json" in str(bench.spool.refusals[0].evidence["cause"])

    run(main)
