"""What old devices get wrong is borne where a profile says so, until its end; it is counted, and told in the trace.

Never is a bare LF an end of the data or of a line, whatever is borne.
"""

import asyncio
import datetime
import re
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from staffetta.mail.tolerance import Tolerance
from staffetta.net.tls import ServerContext, self_signed
from staffetta.policy import tolerance
from staffetta.settings import model
from staffetta.settings.file import load
from staffetta.smtp.body import LINE_OCTETS_MAX
from tests.reception_sockets.dialog import Client, listening
from tests.regress.relay import INSIDE, INSIDER, OFFICE, OUTSIDER, STRANGER, Running, relay
from tests.regress.test_row_02_03_smuggling import PRETENDED_ENDS, SECOND

EVERYTHING = tuple(Tolerance)
NEVER_YET = datetime.date(2099, 12, 31)
ENDED = datetime.date(2020, 1, 1)
ENVELOPE = f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\n"
Trial = Callable[[Running, Client], Coroutine[Any, Any, str]]


def profile(*tolerates: Tolerance, until: datetime.date = NEVER_YET) -> model.ToleranceProfile:
    return model.ToleranceProfile(name="old", tolerates=tolerates, until=until)


def bearing(*tolerates: Tolerance, until: datetime.date = NEVER_YET) -> dict[str, Any]:
    """Settings in which the connector of this machine bears these."""
    connector = model.InboundConnector(name="Office", sender_ip_addresses=(OFFICE,), tolerance="old")
    return {"tolerances": (profile(*tolerates, until=until),), "inbound_connectors": (connector,)}


async def without_hello(running: Running, client: Client) -> str:
    return (await client.say(ENVELOPE + "DATA\n", 3))[0]


async def with_a_broken_hello(running: Running, client: Client) -> str:
    client.send("EHLO Büro Drucker 3\r\n".encode("latin-1"))
    (answer, *_) = [await client.reply()]
    if answer.startswith("250"):
        await client.say(ENVELOPE + "DATA\n", 3)
    return answer


async def early(running: Running, client: Client) -> str:
    await client.say("EHLO client.example\n")
    client.send((ENVELOPE + "DATA\nSubject: x\n").replace("\n", "\r\n").encode())
    return [await client.reply() for _ in range(3)][-1]


async def long_lines(running: Running, client: Client) -> str:
    await client.say("EHLO client.example\n")
    await client.say(ENVELOPE + "DATA\n", 3)
    client.send(b"Subject: x\r\n\r\n" + b"y" * (LINE_OCTETS_MAX + 1000))
    return ""


TRIALS: dict[Tolerance, tuple[Trial, str, str]] = {
    Tolerance.MISSING_HELO: (without_hello, "503 5.5.1", "250 2.1.0"),
    Tolerance.BROKEN_HELO: (with_a_broken_hello, "501 5.5.4", "250"),
    Tolerance.EARLY_CONTENT: (early, "421 4.5.0", "354"),
    Tolerance.LONG_LINES: (long_lines, "554 5.6.0", "250 2.6.0"),
}


def counted(what: Tolerance) -> float:
    return REGISTRY.get_sample_value("staffetta_tolerated_total", {"tolerance": what}) or 0.0


async def greeted(running: Running, source: str = OFFICE) -> Client:
    return await running.connect(source=source, hello="")


@pytest.mark.parametrize("what", TRIALS)
def test_what_is_borne_is_counted_and_in_the_trace(what: Tolerance) -> None:
    trial, _, answer = TRIALS[what]

    async def main() -> None:
        before = counted(what)
        async with relay(**bearing(what)) as running:
            client = await greeted(running)
            said = await trial(running, client)
            (last,) = await client.say("\nx\n.\n")
            assert (said or last).startswith(answer) and last.startswith("250 2.6.0")
            (kept,) = {each.message.number: each.message for each in running.spool.recipients.values()}.values()
            assert kept.events[0].detail["tolerated"] == what
            assert counted(what) == before + 1

    asyncio.run(main())


@pytest.mark.parametrize("what", TRIALS)
@pytest.mark.parametrize("why", ["off by default", "another is borne", "ended", "a stranger"])
def test_what_is_not_borne_is_refused(what: Tolerance, why: str) -> None:
    trial, refused, _ = TRIALS[what]
    others = [each for each in Tolerance if each is not what]
    changes = {
        "off by default": {},
        "another is borne": bearing(*others),
        "ended": bearing(what, until=ENDED),
        "a stranger": bearing(what),
    }[why]

    async def main() -> None:
        async with relay(**changes) as running:
            client = await greeted(running, STRANGER if why == "a stranger" else OFFICE)
            said = await trial(running, client)
            if not said:
                (said,) = await client.say("\n.\n")
            assert said.startswith(refused)
            assert not running.spool.recipients

    asyncio.run(main())


@pytest.mark.parametrize("pretended", PRETENDED_ENDS)
def test_a_pretended_end_of_data_is_none_whatever_is_borne(pretended: bytes) -> None:
    async def main() -> None:
        async with relay(**bearing(*EVERYTHING)) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            client.send(b"Subject: x\r\n\r\nx" + pretended + SECOND + b"NOOP\r\n")
            first, second = await client.reply(), await client.reply()
            assert first[:3] in ("250", "550", "554") and second.startswith("250 2.0.0")
            await running.settled()
            assert not any("ceo@contoso.test" in message.mail for message in running.left())

    asyncio.run(main())


def test_a_command_that_ends_with_a_bare_lf_is_none_whatever_is_borne() -> None:
    async def main() -> None:
        async with relay(**bearing(*EVERYTHING)) as running:
            client = await running.connect()
            client.send(b"NOOP\nNOOP\r\n")
            assert (await client.reply()).startswith("500 5.5.2")

    asyncio.run(main())


def old_client(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("is_borne", [True, False])
def test_old_tls_is_spoken_where_it_is_borne_and_nowhere_else(version: ssl.TLSVersion, is_borne: bool) -> None:
    pair = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))

    async def main() -> None:
        before = counted(Tolerance.OLD_TLS)
        changes = bearing(Tolerance.OLD_TLS) if is_borne else bearing(Tolerance.MISSING_HELO)
        async with relay(tls=ServerContext.load(*pair), **changes) as running:
            client = await running.connect()
            await client.say("STARTTLS\n")
            if not is_borne:
                with pytest.raises(OSError):
                    await client.writer.start_tls(old_client(version))
                return
            await client.writer.start_tls(old_client(version))
            await client.say("EHLO client.example\n")
            await client.say(ENVELOPE + "DATA\n", 3)
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250")
            (kept,) = {each.message.number: each.message for each in running.spool.recipients.values()}.values()
            assert kept.events[0].detail["tolerated"] == "old-tls"
            assert str(kept.events[0].detail["tls"]).startswith("TLSv1")
            assert counted(Tolerance.OLD_TLS) == before + 1

    asyncio.run(main())


def test_who_speaks_new_tls_is_not_spoken_to_in_the_old_one_by_a_tolerance() -> None:
    pair = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))

    async def main() -> None:
        async with relay(tls=ServerContext.load(*pair), **bearing(Tolerance.OLD_TLS)) as running:
            client = await running.connect()
            await client.say("STARTTLS\n")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await client.writer.start_tls(context)
            assert client.writer.get_extra_info("ssl_object").version() == "TLSv1.3"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("written", "added"),
    [
        ("Subject: x\n\nx\n", ["Date", "Message-ID"]),
        ("Date: Mon, 1 Jan 2024 00:00:00 +0000\n\nx\n", ["Message-ID"]),
        ("message-id: <a@b>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nx\n", []),
        ("\nx\n", ["Date", "Message-ID"]),
    ],
)
def test_missing_fields_are_added_where_that_is_borne(written: str, added: list[str]) -> None:
    async def main() -> None:
        for is_borne in (True, False):
            async with relay(**(bearing(Tolerance.MISSING_FIELDS) if is_borne else {})) as running:
                client = await running.connect()
                await client.say(ENVELOPE + "DATA\n", 3)
                assert (await client.say(written + ".\n"))[0].startswith("250")
                (content,) = running.stored()
                given = written.replace("\n", "\r\n").encode()
                assert content.endswith(given)
                names = re.findall(rb"^(Date|Message-ID): ", content.removesuffix(given), re.MULTILINE)
                assert [name.decode() for name in names] == (added if is_borne else [])
                (kept,) = {each.message.number: each.message for each in running.spool.recipients.values()}.values()
                assert ("tolerated" in kept.events[0].detail) is (is_borne and bool(added))
                if is_borne:
                    assert kept.message_id and kept.message_id.startswith("<")

    asyncio.run(main())


def test_a_listener_bears_what_its_profile_names_of_everybody() -> None:
    async def main() -> None:
        changed = {"tolerances": (profile(Tolerance.MISSING_HELO),)}
        async with listening(declared={"tolerance": "old"}, changed=changed) as bench:
            client = await bench.connect()
            await client.reply()
            assert (await client.say("MAIL FROM:<a@contoso.test>\n"))[0].startswith("250")

    asyncio.run(main())


def test_what_the_page_shows_is_what_the_settings_take(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hostile.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "relay.toml"
    file.write_text(f'hostname = "relay.contoso.test"\ndata_dir = "var"\n{shown}', encoding="utf-8")
    assert load(file).inbound_connectors[0].tolerance == "old scanners"


def test_a_profile_holds_on_its_last_day_and_not_on_the_next() -> None:
    settings = model.Settings(
        hostname="relay.contoso.test",
        data_dir="unused",  # type: ignore[arg-type]
        tolerances=(profile(Tolerance.OLD_TLS, until=datetime.date(2027, 6, 30)),),
    )
    connector = model.InboundConnector(name="Office", tolerance="old")
    end = datetime.datetime(2027, 7, 1, tzinfo=datetime.UTC).timestamp()
    assert tolerance.of_connector(connector, settings, end - 1) == {Tolerance.OLD_TLS}
    assert tolerance.of_connector(connector, settings, end) == frozenset()
