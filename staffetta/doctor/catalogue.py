"""All checks, in the order in which they are made and told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from staffetta.doctor.checks import (
    acme,
    agreement,
    certificates,
    clock,
    disk,
    dkim,
    dmarc,
    endpoints,
    exchange,
    listeners,
    mta_sts,
    one_address,
    open_relay,
    permissions,
    port_25,
    public_address,
    resolver,
    spf,
    tls_rpt,
)
from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, NotChecked


class Needs(StrEnum):
    """What must have been gathered for a check to be made."""

    NOTHING = "nothing"
    NETWORK = "the network"
    DNS = "a resolver that answers"


@dataclass(frozen=True, slots=True)
class Check:
    """name: for people. kinds: everything that judge can find."""

    name: str
    kinds: tuple[Kind, ...]
    judge: Callable[[Facts], Iterable[Finding | NotChecked]]
    needs: Needs = Needs.NOTHING


CHECKS = (
    Check("Settings and directory", agreement.KINDS, agreement.judge),
    Check("Open relay", open_relay.KINDS, open_relay.judge),
    Check("Certificates", certificates.KINDS, certificates.judge),
    Check("Certificate by ACME", acme.KINDS, acme.judge),
    Check("Exchange Online", exchange.KINDS, exchange.judge),
    Check("Disk", disk.KINDS, disk.judge),
    Check("Permissions", permissions.KINDS, permissions.judge),
    Check("Clock", clock.KINDS, clock.judge),
    Check("Addresses of clients", one_address.KINDS, one_address.judge),
    Check("Listeners", listeners.KINDS, listeners.judge, Needs.NETWORK),
    Check("Port 25", port_25.KINDS, port_25.judge, Needs.NETWORK),
    Check("Resolver", resolver.KINDS, resolver.judge, Needs.NETWORK),
    Check("Hosts of mail", endpoints.KINDS, endpoints.judge, Needs.DNS),
    Check("Public address", public_address.KINDS, public_address.judge, Needs.DNS),
    Check("SPF", spf.KINDS, spf.judge, Needs.DNS),
    Check("DKIM", dkim.KINDS, dkim.judge, Needs.DNS),
    Check("DMARC", dmarc.KINDS, dmarc.judge, Needs.DNS),
    Check("MTA-STS", mta_sts.KINDS, mta_sts.judge, Needs.DNS),
    Check("TLS-RPT", tls_rpt.KINDS, tls_rpt.judge, Needs.DNS),
)
