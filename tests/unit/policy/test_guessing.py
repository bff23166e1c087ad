"""Who fails waits longer, and is in the end not heard; nobody else is."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from staffetta.policy.guessing import ACCOUNT, ADDRESS, DELAY_SECONDS_MAX, Bucket, Guesses, delay_seconds

OFFICE = ip_address("192.0.2.1")
STRANGER = ip_address("203.0.113.9")


def guess(guesses: Guesses, times: int, *, account: str, address: IPv4Address | IPv6Address, now: float = 0.0) -> float:
    """Guess differently each time, and return the last delay."""
    seconds = 0.0
    for number in range(times):
        seconds = guesses.began(account, address, f"{account} {number} {now}".encode(), now).wait_seconds
    return seconds


@pytest.mark.parametrize(("level", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (500, 15)])
def test_delay_doubles_up_to_a_limit(level: float, seconds: float) -> None:
    assert delay_seconds(level) == seconds


def test_bucket_empties_with_time() -> None:
    bucket = Bucket().filled(b"a", 0.0, ACCOUNT).filled(b"b", 0.0, ACCOUNT)
    assert bucket.level_at(0.0, ACCOUNT) == 2.0
    assert bucket.level_at(ACCOUNT.empty_seconds, ACCOUNT) == 1.0
    assert bucket.level_at(ACCOUNT.empty_seconds * 9, ACCOUNT) == 0.0


def test_account_is_shut_to_strangers_after_many_guesses_and_opens_again() -> None:
    guesses = Guesses()
    for number in range(int(ACCOUNT.level_max)):
        assert not guesses.is_shut("ada", STRANGER, 0.0)
        guesses.began("ada", ip_address(f"203.0.113.{number}"), bytes([number]), 0.0)
    assert guesses.is_shut("ada", ip_address("198.51.100.1"), 0.0)
    assert not guesses.is_shut("bob", ip_address("198.51.100.1"), 0.0)
    assert not guesses.is_shut("ada", ip_address("198.51.100.1"), ACCOUNT.empty_seconds * ACCOUNT.level_max * 2)


def test_address_is_shut_whatever_account_it_tries() -> None:
    guesses = Guesses()
    for number in range(int(ADDRESS.level_max)):
        guess(guesses, 1, account=f"user{number}", address=STRANGER)
    assert guesses.is_shut("another", STRANGER, 0.0)
    assert not guesses.is_shut("another", OFFICE, 0.0)


def test_ipv6_addresses_of_one_network_are_one() -> None:
    guesses = Guesses()
    for number in range(int(ADDRESS.level_max)):
        guess(guesses, 1, account=f"user{number}", address=ip_address(f"2001:db8::{number:x}"))
    assert guesses.is_shut("another", ip_address("2001:db8::ffff:1"), 0.0)
    assert not guesses.is_shut("another", ip_address("2001:db8:0:1::1"), 0.0)


def test_devices_with_old_passwords_shut_nobody_out() -> None:
    guesses = Guesses()
    for number in range(300):
        began = guesses.began("ada", OFFICE, (b"an old one", b"another", b"right")[number % 3], 0.0)
        assert began.wait_seconds <= 4
        if number % 3 == 2:
            guesses.take_back(began)
            guesses.succeeded("ada", OFFICE)
    assert not guesses.is_shut("ada", OFFICE, 0.0)


def test_nobody_can_shut_an_account_out_of_where_it_is_at_home() -> None:
    guesses = Guesses()
    guesses.succeeded("ada", OFFICE)
    guess(guesses, 100, account="ada", address=STRANGER)
    guess(guesses, 100, account="eve", address=OFFICE)
    assert guesses.is_shut("ada", STRANGER, 0.0)
    assert guesses.is_shut("eve", OFFICE, 0.0)
    assert not guesses.is_shut("ada", OFFICE, 0.0)


def test_guessing_at_an_account_where_it_is_at_home_is_limited_too() -> None:
    guesses = Guesses()
    guesses.succeeded("ada", OFFICE)
    assert guess(guesses, 100, account="ada", address=OFFICE) == DELAY_SECONDS_MAX
    assert guesses.is_shut("ada", OFFICE, 0.0)


def test_right_password_leaves_the_buckets_as_they_were() -> None:
    guesses = Guesses()
    guess(guesses, 3, account="ada", address=STRANGER)
    for _ in range(100):
        guesses.take_back(guesses.began("ada", STRANGER, b"right", 0.0))
    assert guesses.began("ada", STRANGER, b"wrong", 0.0).wait_seconds == 8


def test_a_thousand_guesses_at_a_time_are_no_more_than_one_after_the_other() -> None:
    guesses = Guesses()
    begun = 0
    while not guesses.is_shut("ada", STRANGER, 0.0) and begun < 1000:
        guesses.began("ada", STRANGER, str(begun).encode(), 0.0)  # and none has been answered yet
        begun += 1
    assert begun == ACCOUNT.level_max


def test_workers_that_count_apart_allow_no_more_guesses_in_sum_and_none_faster() -> None:
    several = [Guesses(4) for _ in range(4)]
    taken = 0
    while open_to := [guesses for guesses in several if not guesses.is_shut("ada", STRANGER, 0.0)]:
        taken += 1
        delay = guess(open_to[0], 1, account="ada", address=STRANGER, now=taken * 1e-6)
        assert delay >= delay_seconds(1)
    assert taken <= ACCOUNT.level_max
