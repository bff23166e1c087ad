"""Row 24: who says that it is another is not believed: PROXY from the unnamed, none from the named, XCLIENT, XFORWARD.

CVE-2023-42117 (Exim read a PROXY header beyond its end).
"""

import asyncio
import struct

import pytest

from tests.reception_sockets.dialog import Client
from tests.regress.relay import INSIDER, OFFICE, OUTSIDER, STRANGER, Running, relay, until

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINE = f"PROXY TCP4 {OFFICE} 127.0.0.1 40000 25\r\n".encode()
BINARY = SIGNATURE + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, bytes((127, 0, 0, 1)), bytes((127, 0, 0, 1)), 40000, 25)
RELAYING = f"EHLO client.example\r\nMAIL FROM:<{INSIDER}>\r\nRCPT TO:<{OUTSIDER}>\r\n".encode()


async def opened(running: Running, source: str) -> Client:
    streams = await asyncio.open_connection("127.0.0.1", running.listener.port, local_addr=(source, 0))
    return Client(*streams)


@pytest.mark.parametrize("proxies", [(), (OFFICE,), ("192.0.2.0/24",)], ids=["none", "another", "a network"])
@pytest.mark.parametrize("header", [LINE, BINARY], ids=["line", "binary"])
def test_row_24_a_header_from_whom_no_listener_names_is_no_header(header: bytes, proxies: tuple[str, ...]) -> None:
    """It is read as commands, which it is not; the address that counts stays the connection's."""

    async def main() -> None:
        async with relay(proxies=proxies) as running:
            client = await opened(running, STRANGER)
            client.send(header + RELAYING + b"QUIT\r\n")
            answers = await client.rest()
            assert answers.startswith("220 ")
            assert not running.spool.recipients and running.left() == []
            assert "\r\n250 2.1.5 " not in answers
            assert {refusal.peer_address for refusal in running.spool.refusals} <= {STRANGER}

    asyncio.run(main())


MALFORMED = {
    "no header": b"EHLO client.example\r\n",
    "a line too long": b"PROXY TCP4 " + b"1" * 200,
    "a line cut by LF": LINE.replace(b"\r\n", b"\n") + b"x" * 107,
    "a family that is none": LINE.replace(b"TCP4", b"UDP4"),
    "an address of the other family": LINE.replace(b"TCP4", b"TCP6"),
    "an address with zeros before": LINE.replace(b"127.0.0.1", b"127.000.000.001", 1),
    "a port too high": LINE.replace(b"40000", b"70000"),
    "a port in other digits": LINE.replace(b"40000", "٤".encode()),
    "two spaces": LINE.replace(b" 40000", b"  40000"),
    "lower case": LINE.lower(),
    "another version": SIGNATURE + b"\x11" + BINARY[13:],
    "a command that is none": SIGNATURE + b"\x2f" + BINARY[13:],
    "addresses cut short": SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 4) + b"\x7f\0\0\1",
    "CVE-2023-42117: a length beyond the header": SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65535) + b"\0" * 100,
    "a socket of the file system": SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 216) + b"/" * 216,
}


@pytest.mark.parametrize("which", MALFORMED)
def test_row_24_from_a_named_proxy_anything_but_a_header_ends_the_connection(which: str) -> None:
    async def main() -> None:
        async with relay(proxies=(OFFICE,)) as running:
            client = await opened(running, OFFICE)
            client.send(MALFORMED[which] + RELAYING)
            assert await client.rest() == ""
            assert not running.spool.recipients

    asyncio.run(main())


@pytest.mark.parametrize("header", [LINE, BINARY], ids=["line", "binary"])
def test_row_24_a_header_that_does_not_come_is_not_waited_for_long(header: bytes) -> None:
    """Not even octet by octet: an octet is no progress."""

    async def main() -> None:
        async with relay(proxies=(OFFICE,)) as running:
            client = await opened(running, OFFICE)
            client.send(header[:-1])
            desk = running.listener.desk
            await until(lambda: any(visitor._preface for visitor in desk.visitors))  # type: ignore[attr-defined]
            desk.sweep(asyncio.get_running_loop().time() + 11)
            assert await client.rest() == ""

    asyncio.run(main())


def test_row_24_a_second_header_is_no_header() -> None:
    """A stranger behind the proxy sends one of its own; the proxy's came first and stands."""

    async def main() -> None:
        async with relay(proxies=(OFFICE,), inbound_connectors=()) as running:
            client = await opened(running, OFFICE)
            client.send(LINE.replace(OFFICE.encode(), b"203.0.113.9", 1) + LINE + RELAYING + b"QUIT\r\n")
            await client.rest()
            assert not running.spool.recipients
            assert {refusal.peer_address for refusal in running.spool.refusals} == {"203.0.113.9"}

    asyncio.run(main())


@pytest.mark.parametrize(
    "command",
    [
        f"XCLIENT ADDR={OFFICE} NAME=localhost",
        f"XCLIENT LOGIN={INSIDER}",
        f"XFORWARD ADDR={OFFICE} HELO=localhost",
        f"XOORG {OFFICE}",
        f"XPROXY ADDR={OFFICE}",
        f"XPROXYFROM SID=1 IP={OFFICE} PORT=1",
    ],
)
def test_row_24_nobody_is_another_by_a_command(command: str) -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect(source=STRANGER)
            assert (await client.say(f"{command}\n"))[0][:3] in ("500", "502")
            answers = await client.say(f"EHLO x\nMAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\n", 3)
            assert answers[-1].startswith("550 5.7.64 ")

    asyncio.run(main())
