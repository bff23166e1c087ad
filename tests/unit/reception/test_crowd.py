"""Who may come in when it gets tight: a share for the known, an end to any one address, and strangers kept short."""

from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from staffetta.policy.decision import Reason
from staffetta.reception.crowd import Crowd
from staffetta.reception.pace import Deed
from staffetta.settings.model import InboundConnector, Limits, Settings

DEVICE = ip_address("192.0.2.1")


def stranger(number: int) -> IPv4Address:
    return IPv4Address("203.0.113.0") + number


def settings(*connectors: InboundConnector, **limits: Any) -> Settings:
    office = InboundConnector(name="Office", sender_ip_addresses=("192.0.2.0/24",))
    return Settings(
        hostname="relay.contoso.test",
        data_dir=Path("unused"),
        inbound_connectors=connectors or (office,),
        limits=Limits(**limits),
    )


def crowd() -> Crowd:
    return Crowd(get_descriptors=lambda: 1_000_000)


def come(here: Crowd, address: IPv4Address, where: Settings, now: float = 0.0) -> bool:
    """Come in, and say whether there was room."""
    assert isinstance(address, IPv4Address)
    if here.refusal(address, where, now) is not None:
        return False
    here.enter(address, where, now)
    return True


def test_strangers_leave_a_share_to_the_known() -> None:
    here, where = crowd(), settings(connections_max=100, connections_for_known_percent=25)
    assert sum(come(here, stranger(number), where) for number in range(200)) == 75
    assert sum(come(here, IPv4Address("192.0.2.0") + number, where) for number in range(200)) == 25


def test_the_known_may_take_what_strangers_leave_but_no_address_takes_more_than_half() -> None:
    here, where = crowd(), settings(connections_max=100)
    assert sum(come(here, DEVICE, where) for _ in range(200)) == 50
    assert sum(come(here, IPv4Address("192.0.2.2"), where) for _ in range(200)) == 50


def test_one_stranger_s_address_is_bounded_and_others_are_not_hindered() -> None:
    here, where = crowd(), settings(connections_per_address_max=10)
    assert sum(come(here, stranger(1), where) for _ in range(50)) == 10
    assert come(here, stranger(2), where)
    here.leave(stranger(1), is_known=False)
    assert come(here, stranger(1), where)


def test_who_comes_too_often_waits_even_where_it_leaves_each_time() -> None:
    here, where = crowd(), settings(connections_per_minute_max=30)
    came = 0
    for _ in range(100):
        if come(here, stranger(1), where):
            came += 1
            here.leave(stranger(1), is_known=False)
    assert came == 30
    refusal = here.refusal(stranger(1), where, 0.0)
    assert refusal is not None and refusal.reason is Reason.TOO_FAST and refusal.reply.code == 421
    assert come(here, stranger(1), where, now=3.0)


def test_places_are_no_more_than_descriptors_allow() -> None:
    here, where = Crowd(get_descriptors=lambda: 1024), settings()
    came = sum(
        come(here, IPv4Address("198.51.100.0") + number % 200, where, now=float(number)) for number in range(2000)
    )
    assert came == 432  # (1024 - 256) * 0.75 places, of which a quarter is for the known


def test_a_connector_for_every_address_makes_nobody_known() -> None:
    anyone = InboundConnector(name="Any", sender_ip_addresses=("0.0.0.0/0",), allow_any_address=True)
    assert not crowd().is_known(stranger(1), settings(anyone))
    assert crowd().is_known(DEVICE, settings())
    off = InboundConnector(name="Off", sender_ip_addresses=("192.0.2.0/24",), enabled=False)
    assert not crowd().is_known(DEVICE, settings(off))


def test_who_has_proved_itself_is_known_when_it_comes_again() -> None:
    here, where = crowd(), settings(connections_per_address_max=1)
    assert come(here, stranger(1), where)
    here.proved(stranger(1), was_known=False)
    assert (here.strangers, here.known) == (0, 1)
    assert come(here, stranger(1), where)
    here.leave(stranger(1), is_known=True)
    here.leave(stranger(1), is_known=True)
    assert (here.strangers, here.known, dict(here.per_network)) == (0, 0, {})


@pytest.mark.parametrize("cause", ["places", "memory", "lateness"])
def test_stress_lets_few_strangers_in_and_the_known_as_ever(cause: str) -> None:
    here, where = crowd(), settings(connections_max=1000)
    assert not here.is_stressed(where.limits, 0.0)
    if cause == "places":
        here.strangers = 600
    elif cause == "memory":
        here.octets_held = where.limits.octets_held_max
    else:
        here.note_lateness(0.5, 0.0)
    assert here.is_stressed(where.limits, 0.0)
    assert sum(come(here, stranger(number), where) for number in range(100)) == 50
    assert sum(come(here, DEVICE, where) for _ in range(100)) == 100
    assert sum(come(here, stranger(number), where, now=1.0) for number in range(100, 200)) == 50


def test_strangers_come_in_no_faster_than_they_can_be_looked_at() -> None:
    here, where = crowd(), settings()
    assert sum(come(here, IPv4Address("198.51.0.0") + number, where) for number in range(2000)) == 500
    assert come(here, DEVICE, where)


def test_lateness_is_forgotten() -> None:
    here = crowd()
    here.note_lateness(0.5, 0.0)
    here.note_lateness(0.0, 5.0)
    assert here.is_stressed(Limits(), 9.0) and not here.is_stressed(Limits(), 10.1)


def test_memory_is_short_for_strangers_first() -> None:
    here, limits = crowd(), Limits(octets_held_max=2_000_000)
    here.octets_held = 2_000_001
    assert here.is_memory_short(limits, is_known=False) and not here.is_memory_short(limits, is_known=True)
    here.octets_held = 4_000_001
    assert here.is_memory_short(limits, is_known=True)


@pytest.mark.parametrize(
    ("deed", "limit", "code", "detail"),
    [
        (Deed.MESSAGE, "messages_per_minute_max", 421, "4.4.2"),
        (Deed.RECIPIENT, "recipients_per_minute_max", 452, "4.5.3"),
        (Deed.UNKNOWN_RECIPIENT, "unknown_recipients_per_minute_max", 421, "4.7.0"),
    ],
)
def test_a_stranger_s_deeds_have_a_pace_and_a_reply(deed: Deed, limit: str, code: int, detail: str) -> None:
    here, limits = crowd(), Limits(**{limit: 5})
    assert [here.hastiness(stranger(1), deed, limits, 0.0) for _ in range(5)] == [None] * 5
    refusal = here.hastiness(stranger(1), deed, limits, 0.0)
    assert refusal is not None and (refusal.reply.code, refusal.reply.enhanced_code) == (code, detail)
    assert here.hastiness(stranger(2), deed, limits, 0.0) is None


def test_a_flood_of_refusals_is_counted_and_not_told_one_by_one() -> None:
    here = crowd()
    assert sum(here.may_tell(0.0) for _ in range(5000)) == 1000
    assert here.told() == 4000 and here.told() == 0
    assert sum(here.may_tell(1.0) for _ in range(5000)) == 50
