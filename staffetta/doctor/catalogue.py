"""All checks, in the order in which they are made and told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from staffetta.doctor.checks import (
    agreement,
    certificates,
    clock,
    disk,
    exchange,
    one_address,
    open_relay,
    permissions,
)
from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, NotChecked


@dataclass(frozen=True, slots=True)
class Check:
    """name: for people. kinds: everything that judge can find. is_online: it needs facts from the network."""

    name: str
    kinds: tuple[Kind, ...]
    judge: Callable[[Facts], Iterable[Finding | NotChecked]]
    is_online: bool = False


CHECKS = (
    Check("Settings and directory", agreement.KINDS, agreement.judge),
    Check("Open relay", open_relay.KINDS, open_relay.judge),
    Check("Certificates", certificates.KINDS, certificates.judge),
    Check("Exchange Online", exchange.KINDS, exchange.judge),
    Check("Disk", disk.KINDS, disk.judge),
    Check("Permissions", permissions.KINDS, permissions.judge),
    Check("Clock", clock.KINDS, clock.judge),
    Check("Addresses of clients", one_address.KINDS, one_address.judge),
)
