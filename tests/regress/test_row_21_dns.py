"""Row 21: who writes the DNS, forges it, or stands in its way, neither turns mail inwards nor loses it.

A DNS server on loopback that lies, hangs, cuts and is outrun; what counts is where a connection would go.
"""

import asyncio
import itertools
from collections.abc import Callable

import dns.message
import dns.name
import dns.rrset
import pytest

from staffetta.delivery.mx import Exchangers, MxFinder, NoExchanger
from staffetta.net.resolver import DnsResolver
from staffetta.settings.model import Dns
from staffetta.settings.roads import Transport
from tests.dns_server import DnsServer
from tests.regress.relay import INSIDER, OUTSIDER, relay, until

DOMAIN, HOST = "example.test", "mx.example.test"
PUBLIC, EVIL = "1.1.1.1", "9.9.9.9"
ZONE = {(DOMAIN, "MX"): [f"10 {HOST}."], (HOST, "A"): [PUBLIC]}
HANGING_SECONDS = 0.3


def exchangers(server: DnsServer, *, domain: str = DOMAIN, timeout_seconds: float = 10.0) -> Exchangers:
    async def main() -> Exchangers:
        async with server.listening():
            resolver = DnsResolver([server.address], timeout_seconds=timeout_seconds)
            return await MxFinder(resolver, frozenset(), is_ours=lambda address: address == EVIL).find(domain)

    return asyncio.run(main())


INWARDS = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", EVIL),
    *("::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::1", "2002:a00:1::1"),
]


@pytest.mark.parametrize("address", INWARDS)
def test_row_21_a_strangers_record_leads_nobody_inwards(address: str) -> None:
    zone = {(DOMAIN, "MX"): [f"10 {HOST}."], (HOST, "AAAA" if ":" in address else "A"): [address]}
    with pytest.raises(NoExchanger) as error:
        exchangers(DnsServer(zone))
    assert error.value.status in ("5.4.4", "5.4.6")


@pytest.mark.parametrize("address", INWARDS)
def test_row_21_a_strangers_literal_leads_nobody_inwards(address: str) -> None:
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    with pytest.raises(NoExchanger) as error:
        exchangers(DnsServer(), domain=literal)
    assert error.value.status == "5.4.4"


def test_row_21_what_was_looked_at_is_what_is_connected_to() -> None:
    """DNS rebinding: the second answer would lead inwards, and nobody asks for it."""

    class Rebinding(DnsServer):
        def answer(self, octets: bytes, how: str) -> bytes | None:
            if sum(name == HOST and kind == "A" for name, kind, _ in self.asked):
                self.zone[(HOST, "A")] = ["127.0.0.1"]
            return super().answer(octets, how)

    server = Rebinding(dict(ZONE), ttl=0)
    assert exchangers(server).hosts[0].addresses == (PUBLIC,)
    assert sum(name == HOST and kind == "A" for name, kind, _ in server.asked) == 1


def with_other_id(answer: bytes) -> list[bytes]:
    return [((int.from_bytes(answer[:2]) + at) % 65536).to_bytes(2) + evil(answer)[2:] for at in (1, 2, 3)]


def with_other_question(answer: bytes) -> list[bytes]:
    forged = dns.message.from_wire(evil(answer))
    forged.question = [
        dns.rrset.RRset(dns.name.from_text("other.test."), each.rdclass, each.rdtype) for each in forged.question
    ]
    return [forged.to_wire()]


def evil(answer: bytes) -> bytes:
    """The same answer, with the address of somebody else."""
    return answer.replace(bytes(map(int, PUBLIC.split("."))), bytes(map(int, ["8", "8", "8", "8"])))


FORGERIES: dict[str, Callable[[bytes], list[bytes]]] = {
    "another number": with_other_id,
    "another question": with_other_question,
    "a question itself": lambda answer: [answer[:2] + bytes([answer[2] & 0x7F]) + evil(answer)[3:]],
    "noise": lambda answer: [b"", b"\0", answer[:2], answer[:11], answer[:12] + b"\xff" * 50],
    "a name that points at itself": lambda answer: [answer[:12] + b"\xc0\x0c\x00\x01\x00\x01"],
}


@pytest.mark.parametrize("how", FORGERIES)
def test_row_21_a_forged_answer_that_is_faster_is_not_taken(how: str) -> None:
    """Kaminsky 2008 (CVE-2008-1447): only the answer to this question, by its number, is one."""
    found = exchangers(DnsServer(dict(ZONE), forged=FORGERIES[how]))
    assert found.hosts[0].addresses == (PUBLIC,)


def test_row_21_numbers_and_ports_of_questions_cannot_be_foreseen() -> None:
    numbers: list[int] = []

    class Listening(DnsServer):
        def answer(self, octets: bytes, how: str) -> bytes | None:
            numbers.append(int.from_bytes(octets[:2]))
            return super().answer(octets, how)

    async def main() -> Listening:
        async with Listening({(f"h{n}.test", "A"): [PUBLIC] for n in range(40)}).listening() as server:
            resolver = DnsResolver([server.address])
            for number in range(40):
                await resolver.a(f"h{number}.test")
            assert isinstance(server, Listening)
            return server

    ports = asyncio.run(main()).clients
    for drawn in (numbers, ports):
        steps = {second - first for first, second in itertools.pairwise(drawn)}
        assert len(set(drawn)) > 30 and len(steps) > 30


def cut_in_the_middle(answer: bytes) -> bytes:
    return answer[: len(answer) // 2]


def with_foreign_records(answer: bytes) -> bytes:
    """What belongs to the question, and beside it an address for a name that nobody asked for."""
    message = dns.message.from_wire(answer)
    message.additional.append(dns.rrset.from_text("bank.test.", 300, "IN", "A", EVIL))
    return message.to_wire()


def test_row_21_records_nobody_asked_for_are_not_kept() -> None:
    """Cache poisoning by additional records (1997)."""

    async def main() -> None:
        async with DnsServer({**ZONE, ("bank.test", "A"): [PUBLIC]}, lied=with_foreign_records).listening() as server:
            resolver = DnsResolver([server.address])
            await resolver.a(HOST)
            server.lied = lambda answer: answer
            assert (await resolver.a("bank.test")).records == (PUBLIC,)
            assert ("bank.test", "A", "udp") in server.asked

    asyncio.run(main())


def test_row_21_a_cut_answer_is_asked_for_again_by_tcp() -> None:
    server = DnsServer({**ZONE, (DOMAIN, "MX"): [f"{n} mx{n}.example.test." for n in range(40)] + [f"0 {HOST}."]})
    server.is_truncated = True
    assert exchangers(server).hosts[0].host == HOST
    assert {how for _, _, how in server.asked} == {"udp", "tcp"}


LIES: dict[str, DnsServer] = {
    "hangs": DnsServer(dict(ZONE), broken={DOMAIN: None}),
    "hangs at the address": DnsServer(dict(ZONE), broken={HOST: None}),
    "fails": DnsServer(dict(ZONE), broken={DOMAIN: 2}),
    "refuses": DnsServer(dict(ZONE), broken={DOMAIN: 5}),
    "cuts in the middle": DnsServer(dict(ZONE), lied=cut_in_the_middle),
    "cuts, and cuts by TCP in the middle": DnsServer(dict(ZONE), lied=cut_in_the_middle, is_truncated=True),
    "turns in a circle": DnsServer(
        {(DOMAIN, "CNAME"): ["b.example.test."], ("b.example.test", "CNAME"): [f"{DOMAIN}."]}
    ),
}


@pytest.mark.parametrize("how", LIES)
def test_row_21_a_dns_that_does_not_answer_is_asked_again_later(how: str) -> None:
    """Never a refusal: class 4, whoever stands in the way."""
    with pytest.raises(NoExchanger) as error:
        exchangers(LIES[how], timeout_seconds=HANGING_SECONDS)
    assert error.value.status == "4.4.3"


def test_row_21_mail_waits_while_the_dns_hangs_and_nobody_else_does() -> None:
    """Through the whole relay: the message is acknowledged, stays, and no connection goes anywhere."""

    async def main() -> None:
        async with DnsServer(dict(ZONE), broken={"outside.example": None}).listening() as server:
            settings = Dns(servers=(server.address,), timeout_seconds=HANGING_SECONDS)
            async with relay(road={"transport": Transport.MX, "next_hops": ()}, dns=settings) as running:
                client = await running.connect()
                await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
                assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250 2.6.0")
                assert (await client.say("NOOP\n"))[0].startswith("250")
                await until(lambda: all(kept.state.value == "deferred" for kept in running.spool.recipients.values()))
                assert len(running.spool.recipients) == 1 and running.outside.connections == 0

    asyncio.run(main())
