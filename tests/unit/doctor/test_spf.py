"""SPF: what a receiver gets for an address, and what a record costs (RFC 7208 §4.6, §5, §6.1)."""

import asyncio
import ipaddress

import pytest

from staffetta.doctor.gathering.spf import SpfReader
from staffetta.doctor.spf import Result, SpfRecord, lookups, problem_of, result
from staffetta.net.resolver import DnsResolver
from tests.dns_server import DnsServer

ZONE = {
    ("contoso.test", "A"): ["192.0.2.1"],
    ("contoso.test", "AAAA"): ["2001:db8::1"],
    ("contoso.test", "MX"): ["10 mx.contoso.test."],
    ("mx.contoso.test", "A"): ["198.51.100.9"],
    ("only.test", "TXT"): ['"v=spf1 ip4:192.0.2.0/28 -all"'],
    ("soft.test", "TXT"): ['"v=spf1 ?ip4:192.0.2.1 ~all"'],
    ("loop.test", "TXT"): ['"v=spf1 include:contoso.test -all"'],
}


def read(record: str) -> SpfRecord:
    async def scene() -> SpfRecord:
        async with DnsServer({**ZONE, ("contoso.test", "TXT"): ['"other"', f'"{record}"']}).listening() as server:
            return await SpfReader(DnsResolver([server.address])).read("contoso.test")

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("record", "address", "expected", "cost"),
    [
        ("v=spf1 -all", "192.0.2.1", Result.FAIL, 0),
        ("v=spf1", "192.0.2.1", Result.NEUTRAL, 0),
        ("V=SPF1 IP4:192.0.2.1 -ALL", "192.0.2.1", Result.PASS, 0),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.99", Result.PASS, 0),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::7", Result.PASS, 0),
        ("v=spf1 ip4:192.0.2.0/24 -all", "2001:db8::7", Result.FAIL, 0),
        ("v=spf1 a -all", "192.0.2.1", Result.PASS, 1),
        ("v=spf1 a -all", "2001:db8::1", Result.PASS, 1),
        ("v=spf1 a/24 -all", "192.0.2.200", Result.PASS, 1),
        ("v=spf1 a/24//64 -all", "2001:db8::99", Result.PASS, 1),
        ("v=spf1 a:mx.contoso.test/24 -all", "198.51.100.1", Result.PASS, 1),
        ("v=spf1 mx ~all", "198.51.100.9", Result.PASS, 1),
        ("v=spf1 mx ~all", "192.0.2.1", Result.SOFTFAIL, 1),
        ("v=spf1 -ip4:192.0.2.1 +all", "192.0.2.1", Result.FAIL, 0),
        ("v=spf1 include:only.test ~all", "192.0.2.1", Result.PASS, 1),
        ("v=spf1 include:only.test ~all", "198.51.100.1", Result.SOFTFAIL, 1),
        ("v=spf1 include:soft.test -all", "192.0.2.1", Result.FAIL, 1),
        ("v=spf1 redirect=only.test", "198.51.100.1", Result.FAIL, 1),
        ("v=spf1 redirect=only.test ?all", "198.51.100.1", Result.NEUTRAL, 0),
        ("v=spf1 exists:%{i}.list.test -all", "192.0.2.1", Result.UNKNOWN, 1),
        ("v=spf1 ip4:192.0.2.1 ptr -all", "192.0.2.1", Result.PASS, 1),
        ("v=spf1 ip4:192.0.2.1 exp=why.test unknown=x -all", "192.0.2.1", Result.PASS, 0),
        ("v=spf1 include:gone.test -all", "192.0.2.1", Result.PERMERROR, 1),
        ("v=spf1 include:loop.test -all", "192.0.2.1", Result.PERMERROR, 2),
        ("v=spf1 ip4:192.0.2.1 nonsense -all", "192.0.2.1", Result.PERMERROR, 0),
    ],
)
def test_the_result_for_an_address(record: str, address: str, expected: Result, cost: int) -> None:
    found = read(record)
    assert result(found, ipaddress.ip_address(address)) is expected
    assert lookups(found) == cost


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("v=spf1 ip4:2001:db8::1 -all", "of the other kind"),
        ("v=spf1 ip4:192.0.2.256 -all", "names no address"),
        ("v=spf1 all:contoso.test/8x -all", "no term"),
        ("v=spf1 include:gone.test -all", "gone.test: it has no SPF record"),
        ("v=spf1 include:loop.test -all", "contoso.test: it includes itself"),
    ],
)
def test_what_is_wrong_is_told(record: str, problem: str) -> None:
    assert problem in (problem_of(read(record)) or "")


def test_a_record_of_many_includes_is_read_within_bounds() -> None:
    async def scene() -> tuple[SpfRecord, int]:
        zone = {
            (f"{name}.test", "TXT"): [
                '"v=spf1 ' + " ".join(f"include:{name}{each}.test" for each in "abcdef") + ' -all"'
            ]
            for name in (
                "x",
                *(f"x{a}{b}{c}"[: 1 + n] for n in (1, 2, 3) for a in "abcdef" for b in "abcdef" for c in "abcdef"),
            )
        }
        async with DnsServer(zone).listening() as server:
            return await SpfReader(DnsResolver([server.address])).read("x.test"), len(server.asked)

    record, asked = asyncio.run(scene())
    assert lookups(record) > 10
    assert asked < 100
