"""How fast an address may do things, and that counting it takes bounded memory."""

from ipaddress import ip_address

import pytest

from staffetta.reception import pace
from staffetta.reception.pace import Allowance, Deed, Paces, network_of

HERE = network_of(ip_address("203.0.113.9"))


def test_a_minute_s_worth_may_come_at_once_and_then_one_at_a_time() -> None:
    paces = Paces()
    for _ in range(60):
        assert not paces.is_above(HERE, Deed.CONNECTION, 60, 100.0)
        paces.note(HERE, Deed.CONNECTION, 60, 100.0)
    assert paces.is_above(HERE, Deed.CONNECTION, 60, 100.0)
    assert not paces.is_above(HERE, Deed.CONNECTION, 60, 101.0)
    assert not paces.is_above(HERE, Deed.ERROR, 60, 100.0)


def test_who_goes_on_too_fast_is_heard_again_a_second_later_and_not_an_hour() -> None:
    paces = Paces()
    for _ in range(10_000):
        paces.note(HERE, Deed.CONNECTION, 60, 100.0)
    assert not paces.is_above(HERE, Deed.CONNECTION, 60, 101.1)


def test_what_was_longest_untouched_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_ENTRIES_MAX", 3)
    paces = Paces()
    for network in (HERE, 1, 2, 3, 4):
        paces.note(network, Deed.ERROR, 1, 0.0)
    assert [paces.is_above(network, Deed.ERROR, 1, 0.0) for network in (HERE, 1, 2, 3, 4)] == [False] * 2 + [True] * 3


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("203.0.113.9", "203.0.113.10", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_of_ipv6_a_64_is_one_client(one: str, other: str, is_same: bool) -> None:
    assert (network_of(ip_address(one)) == network_of(ip_address(other))) is is_same


def test_an_allowance_comes_back_with_time_and_never_beyond_its_most() -> None:
    allowance = Allowance(per_second=2, most=3)
    taken = 0
    for now in (0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 1000.0, 1000.0, 1000.0, 1000.0):
        if allowance.has_one(now):
            allowance.take_one()
            taken += 1
    assert taken == 3 + 1 + 3
