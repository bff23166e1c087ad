"""Which hosts take a domain's mail, in which order, and what is said where there are none."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from staffetta.delivery.mx import ADDRESSES_MAX, HOSTS_MAX, Exchangers, MxFinder, NoExchanger
from staffetta.net.own_addresses import is_own_address, problem_of_address
from staffetta.net.resolver import DnsResolver
from tests.dns_server import DnsServer


def find(
    zone: Mapping[tuple[str, str], Sequence[str]],
    domain: str = "example.test",
    *,
    broken: dict[str, int | None] | None = None,
    authenticated: Sequence[str] = (),
    allows_private: bool = False,
    draw: float = 0.0,
) -> Exchangers:
    server = DnsServer(
        {key: list(records) for key, records in zone.items()},
        broken=broken or {},
        authenticated=set(authenticated),
    )

    async def main() -> Exchangers:
        async with server.listening():
            resolver = DnsResolver([server.address], timeout_seconds=server.patience_seconds)
            finder = MxFinder(
                resolver, frozenset({"relay.test"}), is_ours=lambda address: address == "9.9.9.9", draw=lambda: draw
            )
            return await finder.find(domain, allows_private=allows_private)

    return asyncio.run(main())


def hosts(found: Exchangers) -> list[str]:
    return [exchanger.host for exchanger in found.hosts]


def addressed(*names: str, address: str = "1.1.1.1") -> dict[tuple[str, str], list[str]]:
    return {(f"{name}.example.test", "A"): [address] for name in names}


def mx(*records: str) -> dict[tuple[str, str], list[str]]:
    return {("example.test", "MX"): [f"{record}.example.test." for record in records]}


def test_by_preference_whatever_the_order_in_the_dns() -> None:
    found = find(mx("30 c", "10 a", "20 b") | addressed("a", "b", "c"))
    assert hosts(found) == ["a.example.test", "b.example.test", "c.example.test"]


def test_equals_are_in_the_order_that_chance_gives_them() -> None:
    """Whatever the order of the answer: what is drawn rising is the reverse of what is drawn falling."""

    def drawn(*draws: float) -> list[list[str]]:
        ahead = iter(draws)

        async def main() -> list[Exchangers]:
            async with DnsServer(mx("10 a", "10 b", "10 c") | addressed("a", "b", "c")).listening() as server:
                resolver = DnsResolver([server.address])
                await resolver.mx("example.test")  # kept, so that both finders see the same order
                rising = MxFinder(resolver, frozenset(), draw=lambda: next(ahead))
                return [await rising.find("example.test", allows_private=True) for _ in range(2)]

        return [hosts(found) for found in asyncio.run(main())]

    one_address_each = (0.0, 0.0, 0.0)
    rising, falling = drawn(0.1, 0.2, 0.3, *one_address_each, 0.3, 0.2, 0.1, *one_address_each)
    assert sorted(rising) == ["a.example.test", "b.example.test", "c.example.test"]
    assert falling == rising[::-1]


def test_a_domain_without_exchangers_is_its_own() -> None:
    found = find({("example.test", "A"): ["1.1.1.1"]})
    assert [(each.host, each.addresses) for each in found.hosts] == [("example.test", ("1.1.1.1",))]


def test_an_alias_without_exchangers_is_the_host_it_leads_to() -> None:
    assert hosts(find({("example.test", "CNAME"): ["real.test."], ("real.test", "A"): ["1.1.1.1"]})) == ["real.test"]


def test_an_exchanger_may_be_an_alias() -> None:
    found = find(mx("10 a") | {("a.example.test", "CNAME"): ["b.example.test."], ("b.example.test", "A"): ["1.1.1.1"]})
    assert [(each.host, each.canonical) for each in found.hosts] == [("a.example.test", "b.example.test")]


@pytest.mark.parametrize(
    ("zone", "broken", "status", "told"),
    [
        ({}, {}, "5.1.2", "there is no domain example.test"),
        ({("example.test", "MX"): ["0 ."]}, {}, "5.1.10", "example.test takes no mail: it says so by a null MX"),
        ({("example.test", "TXT"): ["x"]}, {}, "5.1.2", "example.test has no address"),
        (mx("10 a"), {}, "5.1.2", "a.example.test has no address"),
        ({}, {"example.test": 2}, "4.4.3", "the DNS does not answer: MX of example.test: SERVFAIL"),
        ({}, {"example.test": None}, "4.4.3", "the DNS does not answer: MX of example.test: no answer"),
        (mx("10 a", "20 b"), {"b.example.test": 2}, "4.4.3", "the DNS does not answer: A+ of b.example.test: SERVFAIL"),
        (mx("10 a") | addressed("a", address="127.0.0.1"), {}, "5.4.4", r"allows no other: 127.0.0.1 \(loopback\)"),
        (mx("10 a") | addressed("a", address="9.9.9.9"), {}, "5.4.6", "is a.example.test, which is this relay"),
        ({("example.test", "MX"): ["10 relay.test."]}, {}, "5.4.6", "is relay.test, which is this relay"),
    ],
)
def test_where_there_is_no_exchanger_it_is_said_why(
    zone: dict[tuple[str, str], list[str]], broken: dict[str, int | None], status: str, told: str
) -> None:
    with pytest.raises(NoExchanger, match=told) as error:
        find(zone, broken=broken)
    assert error.value.status == status


@pytest.mark.parametrize("us", ["relay.test.", "ours.example.test."])
def test_only_exchangers_better_than_ourselves_are_tried(us: str) -> None:
    zone = mx("10 a", "20 b", "30 c") | addressed("a", "b", "c")
    zone[("example.test", "MX")].append(f"20 {us}")
    found = find(zone | addressed("ours", address="9.9.9.9"))
    assert hosts(found) == ["a.example.test"]


def test_a_host_of_which_nothing_is_known_does_not_stand_in_the_way_of_others() -> None:
    zone = mx("10 a", "20 b", "30 c") | addressed("c")
    assert hosts(find(zone, broken={"a.example.test": 2})) == ["c.example.test"]


def test_addresses_that_are_not_public_are_passed_over_unless_the_route_allows_them() -> None:
    zone = mx("10 a") | {("a.example.test", "A"): ["10.0.0.1", "1.1.1.1"]}
    assert find(zone).hosts[0].addresses == ("1.1.1.1",)
    assert set(find(zone, allows_private=True).hosts[0].addresses) == {"10.0.0.1", "1.1.1.1"}


def test_the_families_are_tried_in_turn_and_so_many_at_most() -> None:
    zone = mx("10 a") | {
        ("a.example.test", "A"): [f"1.1.1.{number}" for number in range(1, 9)],
        ("a.example.test", "AAAA"): [f"2606:4700::{number}" for number in range(1, 9)],
    }
    addresses = find(zone).hosts[0].addresses
    assert [":" in address for address in addresses] == [True, False] * (ADDRESSES_MAX // 2)


def test_so_many_hosts_are_tried_at_most() -> None:
    names = [f"h{number}" for number in range(HOSTS_MAX + 5)]
    found = find(mx(*(f"{number} {name}" for number, name in enumerate(names))) | addressed(*names))
    assert hosts(found) == [f"{name}.example.test" for name in names[:HOSTS_MAX]]


@pytest.mark.parametrize(
    ("literal", "address"), [("[1.1.1.1]", "1.1.1.1"), ("[IPv6:2606:4700::1111]", "2606:4700::1111")]
)
def test_an_address_literal_is_its_own_host(literal: str, address: str) -> None:
    assert find({}, literal).hosts[0].addresses == (address,)


def test_an_address_literal_leads_no_stranger_inside() -> None:
    with pytest.raises(NoExchanger, match=r"169\.254\.169\.254 is link-local"):
        find({}, "[169.254.169.254]")


@pytest.mark.parametrize(
    ("authenticated", "of_list", "of_host"),
    [
        (["example.test", "a.example.test"], True, True),
        (["example.test"], True, False),
        ([], False, False),
    ],
)
def test_what_dnssec_vouches_for_is_told_apart(authenticated: list[str], of_list: bool, of_host: bool) -> None:
    found = find(mx("10 a") | addressed("a"), authenticated=authenticated)
    assert (found.is_authenticated, found.hosts[0].is_authenticated) == (of_list, of_host)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("1.1.1.1", None),
        ("2606:4700::1111", None),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("10.1.2.3", "private"),
        ("192.168.1.1", "private"),
        ("172.16.0.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("100.64.0.1", "not a public address"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::1.1.1.1", None),
        ("2002:7f00:1::", "loopback"),
        ("9.9.9.9", "ours"),
    ],
)
def test_addresses_of_every_kind(address: str, problem: str | None) -> None:
    assert problem_of_address(address, lambda text: text == "9.9.9.9") == problem


def test_an_address_of_this_machine_is_known_as_such() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address("192.0.2.1")
