"""Row 25: an address has one meaning, however it is spelt (CVE-2021-29921 Python; mapped IPv6, zone ids, /0 typos)."""

import asyncio
from pathlib import Path

import pytest

from staffetta.net.proxy import plain_address
from staffetta.policy.connector import attribute
from staffetta.policy.decision import SessionFacts
from staffetta.settings.addresses import networks
from staffetta.settings.file import SettingsError, load
from staffetta.settings.objects import InboundConnector
from tests.reception_sockets.dialog import Client
from tests.regress.relay import INSIDER, OUTSIDER, Running, relay, settings

REFUSED = [
    "010.0.0.1",
    "10.0.0.01",
    "0x0a.0.0.1",
    "0xa000001",
    "10.1",
    "167772161",
    "10.0.0.256",
    "10.0.0.1/33",
    "10.0.0.0/08",
    "10.0.0.0/0.0.0.255",
    "0.0.0.0/0.0.0.0",
    "10.0.0.0/-1",
    "10.0.0.0/255.0.255.0",
    "fe80::1%eth0",
    "fe80::%1/64",
    "::ffff:010.0.0.1",
    "2001:db8::/129",
    "2001:db8:::1",
    "[2001:db8::1]",
    "10.0.0.9-10.0.0.1",
    "10.0.0.1-2001:db8::1",
    "10.0.0.1-",
    "-",
    "",
    "localhost",
    "\u0661\u0660.0.0.1",
    "10.0.0.1\n",
    "10.0.0.0/\u0668",
]
OPEN_TO_ALL = [
    ["0.0.0.0/0"],
    ["::/0"],
    ["0.0.0.0-255.255.255.255"],
    ["0.0.0.0/1", "128.0.0.0/1"],
    ["::ffff:0:0/96"],
    ["::/1", "8000::/1"],
    ["10.0.0.0/8", "0.0.0.0/0"],
]
FILE = """\
hostname = "relay.contoso.test"
data_dir = "var"
[[inbound_connectors]]
name = "Office"
sender_ip_addresses = [{}]
"""


def problems(tmp_path: Path, *entries: str) -> str:
    """Return what loading such a connector complains of; empty when nothing."""
    path = tmp_path / "staffetta.toml"
    written = ", ".join('"' + entry.replace("\n", "\\n") + '"' for entry in entries)
    path.write_text(FILE.format(written), encoding="utf-8")
    try:
        load(path)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("entry", REFUSED, ids=repr)
def test_row_25_a_doubtful_notation_is_a_settings_error(entry: str, tmp_path: Path) -> None:
    assert "sender_ip_addresses" in problems(tmp_path, entry)
    with pytest.raises(ValueError):
        networks(entry)


@pytest.mark.parametrize("entries", OPEN_TO_ALL, ids=repr)
def test_row_25_every_address_needs_an_explicit_yes(entries: list[str], tmp_path: Path) -> None:
    """A /0, whole or in parts, is most likely a typo, and an open relay."""
    assert "allow_any_address" in problems(tmp_path, *entries)


def is_matched(entry: str, peer: str) -> bool:
    given = settings(25, inbound_connectors=(InboundConnector(name="c", sender_ip_addresses=(entry,)),))
    return attribute(SessionFacts("0", "relay", plain_address(peer)), None, given, 0.0).connector is not None


@pytest.mark.parametrize(
    ("entry", "peer", "answer"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("192.0.2.7", "::ffff:c000:207", True),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.0/120", "192.0.2.99", True),
        ("::ffff:192.0.2.0/120", "192.0.3.1", False),
        ("192.0.2.7", "::192.0.2.7", False),  # IPv4-compatible, which is another thing
        ("192.0.2.7", "64:ff9b::192.0.2.7", False),  # NAT64
        ("192.0.2.7", "2002:c000:207::1", False),  # 6to4
        ("192.0.2.0/31", "192.0.2.2", False),
        ("192.0.2.9-192.0.2.17", "192.0.2.17", True),
        ("192.0.2.9-192.0.2.17", "192.0.2.18", False),
        ("192.0.2.9-192.0.2.17", "192.0.2.8", False),
        ("2001:db8::/33", "2001:db8:7fff:ffff::1", True),
        ("2001:db8::/33", "2001:db8:8000::1", False),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_row_25_a_session_matches_by_address_and_not_by_notation(entry: str, peer: str, answer: bool) -> None:
    assert is_matched(entry, peer) is answer


def test_row_25_a_numerical_prefix_does_not_cross_families() -> None:
    """1.2.3.0/24 has the number of ::102:300/120, and neither names the other."""
    assert not is_matched("1.2.3.0/24", "::102:304") and not is_matched("::102:300/120", "1.2.3.4")


async def over_ipv6(running: Running) -> Client:
    client = Client(*await asyncio.open_connection("::1", running.listener.port))
    assert (await client.reply()).startswith("220")
    return client


@pytest.mark.parametrize("entry", ["::1", "::1/128", "::0-::ff", "0:0:0:0:0:0:0:1"])
def test_row_25_a_session_over_ipv6_is_attributed_and_relays(entry: str) -> None:
    """Over a real ::1 socket, down to the Received field's address."""

    async def main() -> None:
        connector = InboundConnector(name="Six", sender_ip_addresses=(entry,))
        async with relay(address="[::1]:0", inbound_connectors=(connector,)) as running:
            client = await over_ipv6(running)
            await client.say("EHLO client.example\n")
            replies = await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            assert replies[2].startswith("354"), replies
            await client.say("Subject: x\n\nx\n.\n")
            await running.settled()
            assert b"(::1)" in running.left()[0].content.split(b"\r\n")[0]

    asyncio.run(main())


def test_row_25_a_stranger_over_ipv6_is_a_stranger() -> None:
    """A connector for 127.0.0.0/8 does not hold ::1."""

    async def main() -> None:
        connector = InboundConnector(name="Four", sender_ip_addresses=("127.0.0.0/8",))
        async with relay(address="[::1]:0", inbound_connectors=(connector,)) as running:
            client = await over_ipv6(running)
            await client.say("EHLO client.example\n")
            (_, answer) = await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\n", 2)
            assert answer.startswith("550 5.7.64")

    asyncio.run(main())
