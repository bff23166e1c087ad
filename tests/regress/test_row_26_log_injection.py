"""Row 26: what a client, a device or a next hop says forges no log line, hides none, and fills no disk (CWE-117).

"Trojan Source" (CVE-2021-42574): signs that turn the direction of writing show another line than there is.
"""

import asyncio
import json
from collections.abc import Iterator

import pytest
import structlog

from staffetta import logs
from tests.regress.relay import INSIDE, INSIDER, OUTSIDER, relay, until

SIGNS = "\x00\x07\x08\x1b\x7f\x85\x9b\u061c\u200e\u200f\u2028\u2029" + "".join(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
FORGED = "Nov 24 00:00:00 relay staffetta/smtp[1]: 0123456789ABC: to=<x@y>, status=sent (forged)"
LINE_OCTETS_MAX = 16 * 1024  # what a syslog daemon takes at the most
SECRET_BODY = "the body of a message, which nobody finds in a log"


@pytest.fixture(params=["staffetta", None], ids=["as Postfix", "JSON"])
def written(request: pytest.FixtureRequest) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    logs.configure(postfix=request.param, level="debug", hostname="relay", write=lines.append)
    structlog.configure(cache_logger_on_first_use=False)  # or the rooms' loggers would keep this one
    yield lines
    structlog.reset_defaults()


def assert_harmless(written: list[bytes]) -> None:
    """In every line each sign stands for itself; none is too long, and none was made by somebody else."""
    assert written
    for octets in b"".join(written).removesuffix(b"\n").split(b"\n"):
        line = octets.decode()
        assert not any(sign in line for sign in SIGNS), ascii(line)
        assert len(line.splitlines()) == 1 and len(octets) <= LINE_OCTETS_MAX
        assert " relay staffetta" in line[:50] if not line.startswith("{") else json.loads(line)
        assert not line.startswith(FORGED[:15])
    assert SECRET_BODY.encode() not in b"".join(written)


@pytest.mark.parametrize("sign", ["", *SIGNS], ids=ascii)
def test_row_26_what_is_logged_of_a_peer_is_one_line_of_plain_signs(sign: str, written: list[bytes]) -> None:
    hostile = f"x{sign}\r\n{sign}{FORGED}"
    said = {"helo": hostile, "peer": "192.0.2.1", "sender": hostile, "recipient": hostile, "reply": hostile}
    log = structlog.get_logger()
    log.info("refused", listener="relay", reason=hostile, session=hostile, **said)
    log.info("connection broken", reason=hostile, peer=hostile)
    log.error("delivery stopped", route=hostile, error=hostile)
    assert_harmless(written)


@pytest.mark.parametrize(
    "helo",
    ["\u202egpj.exe", f"x\u2028{FORGED}", "x" * 2000, "[\x1b[2J]"],
    ids=["turned", "two lines", "long", "escape"],
)
def test_row_26_a_client_writes_nothing_of_its_own_into_the_log(helo: str, written: list[bytes]) -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect(hello="")
            await client.say(f"EHLO {helo}\n")
            await client.say(f"HELO {helo}\nEHLO client.example\n", 2)
            await client.say(f'MAIL FROM:<"\u202e"@contoso.test> SMTPUTF8\nRCPT TO:<{INSIDE}>\nDATA\n', 3)
            await client.say(f"Message-ID: <\u202e{FORGED}@x>\nSubject: \u202e\x1b\n\n{SECRET_BODY}\n.\n")
            await client.say(f"{FORGED}\nRCPT TO:<\u202e@x>\n", 2)
            await running.settled()

    asyncio.run(main())
    assert_harmless(written)


def test_row_26_a_next_hop_writes_nothing_of_its_own_into_the_log(written: list[bytes]) -> None:
    """Sixty lines of a thousand octets, with signs of every kind."""
    lines = [f"550-5.1.1 {SIGNS}{FORGED}" + "y" * 800] * 60
    answer = "\r\n".join([*lines, "550 5.1.1 no", ""]).encode()

    async def main() -> None:
        async with relay(script=lambda step, line: answer if step == "RCPT" and OUTSIDER in line else None) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            await client.say(f"Subject: x\n\n{SECRET_BODY}\n.\n")
            await until(lambda: any("failed" in line or "bounced" in line for line in map(bytes.decode, written)))

    asyncio.run(main())
    assert_harmless(written)
