"""What the DNS says and what it does not say are told apart; what it said is kept for as long as it allows."""

import asyncio
from pathlib import Path

import pytest

from staffetta.net.resolver import Answer, DnsResolver, LookupFailed, Mx, Tlsa, server_address
from tests.dns_server import DnsServer

ZONE = {
    ("example.test", "MX"): ["10 MX1.example.test.", "20 mx2.example.test."],
    ("null.test", "MX"): ["0 ."],
    ("mx1.example.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("mx1.example.test", "AAAA"): ["2001:db8::1"],
    ("alias.example.test", "CNAME"): ["mx1.example.test."],
    ("_25._tcp.mx1.example.test", "TLSA"): ["3 1 1 " + "ab" * 32],
    ("_mta-sts.example.test", "TXT"): ['"v=STSv1; " "id=1;"'],
}


def ask(kind: str, name: str, server: DnsServer | None = None, times: int = 1, **how: object) -> list[Answer]:
    server = server or DnsServer(ZONE)

    async def main() -> list[Answer]:
        async with server.listening():
            resolver = DnsResolver([server.address], timeout_seconds=server.patience_seconds, **how)
            return [await getattr(resolver, kind)(name) for _ in range(times)]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "name", "records"),
    [
        ("mx", "example.test", {Mx(10, "mx1.example.test"), Mx(20, "mx2.example.test")}),
        ("mx", "null.test", {Mx(0, "")}),
        ("a", "mx1.example.test", {"192.0.2.1", "192.0.2.2"}),
        ("aaaa", "mx1.example.test", {"2001:db8::1"}),
        ("tlsa", "_25._tcp.mx1.example.test", {Tlsa(3, 1, 1, b"\xab" * 32)}),
        ("txt", "_mta-sts.example.test", {"v=STSv1; id=1;"}),
    ],
)
def test_records_are_read(kind: str, name: str, records: set[object]) -> None:
    (answer,) = ask(kind, name)
    assert set(answer.records) == records
    assert answer.exists


def test_no_such_name_is_not_the_same_as_none_of_this_type() -> None:
    (none,), (no_name,) = ask("tlsa", "mx1.example.test"), ask("tlsa", "nowhere.test")
    assert (none.records, none.exists) == ((), True)
    assert (no_name.records, no_name.exists) == ((), False)


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "a..test", ".".join(["a" * 60] * 5)])
def test_what_can_be_no_name_does_not_exist(name: str) -> None:
    assert not ask("mx", name)[0].exists


def test_an_alias_tells_where_it_leads() -> None:
    (answer,) = ask("a", "alias.example.test")
    assert answer.canonical == "mx1.example.test"
    assert set(answer.records) == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize(
    ("rcode", "told"),
    [(2, "SERVFAIL from"), (5, "REFUSED from"), (None, "no answer from")],
)
def test_a_failure_is_no_answer_and_says_which_server_said_what(rcode: int | None, told: str) -> None:
    with pytest.raises(LookupFailed, match=f"the DNS does not answer: MX of broken.test: {told} Do53:127.0.0.1"):
        ask("mx", "broken.test", DnsServer(broken={"broken.test": rcode}))


def test_what_is_cut_comes_by_tcp() -> None:
    server = DnsServer(ZONE, is_truncated=True)
    (answer,) = ask("mx", "example.test", server)
    assert len(answer.records) == 2
    assert [how for _, _, how in server.asked] == ["udp", "tcp"]


@pytest.mark.parametrize("name", ["example.test", "nowhere.test", "mx1.example.test"])
def test_answers_are_kept_negative_ones_too(name: str) -> None:
    server = DnsServer(ZONE)
    first, second = ask("mx", name, server, times=2)
    assert set(first.records) == set(second.records) and first.exists == second.exists
    assert len(server.asked) == 1


def test_what_may_be_kept_for_no_time_is_asked_again() -> None:
    server = DnsServer(ZONE, ttl=0)
    ask("mx", "example.test", server, times=2)
    assert len(server.asked) == 2


def test_a_resolver_on_loopback_is_believed_that_dnssec_vouches() -> None:
    server = DnsServer(ZONE, authenticated={"example.test"})
    assert [answer.is_authenticated for answer in ask("mx", "example.test", server, times=2)] == [True, True]
    assert not ask("a", "mx1.example.test", server)[0].is_authenticated


@pytest.mark.parametrize(
    ("server", "trusts", "is_believed"),
    [("127.0.0.53", False, True), ("::1", False, True), ("192.0.2.53", False, False), ("192.0.2.53", True, True)],
)
def test_from_elsewhere_the_bit_counts_where_the_settings_say_so(server: str, trusts: bool, is_believed: bool) -> None:
    assert DnsResolver(trusts_authenticated_data=trusts)._is_believed(server) is is_believed


def test_the_systems_servers_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# none yet\n")

    async def main() -> None:
        resolver = DnsResolver(system_servers=file, timeout_seconds=0.3)
        with pytest.raises(LookupFailed, match="no server is configured"):
            await resolver.mx("example.test")
        file.write_text("nameserver 192.0.2.53\n")
        assert resolver._resolver().nameservers == ["192.0.2.53"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_a_server_is_an_address_with_or_without_a_port(text: str, address: tuple[str, int]) -> None:
    assert server_address(text) == address
