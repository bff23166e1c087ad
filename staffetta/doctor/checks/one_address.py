"""Whether all clients appear from one address, which containers and balancers without the PROXY protocol do."""

import ipaddress
from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity
from staffetta.settings.addresses import networks
from staffetta.settings.model import Settings
from staffetta.settings.objects import ConnectorType

SESSIONS_MIN = 20
_HELOS_MIN = 3

_ACTION = (
    "Let the relay see its clients: run the container with host networking or without Docker's userland proxy, or let "
    "the balancer send the PROXY protocol and name it in proxy_protocol_from."
)
TRUSTED = Kind(
    "clients-are-one-trusted-address",
    Severity.ERROR,
    "A connector trusts the address that everybody comes from, so that everybody may relay.",
    f"Take {{address}} out of connector {{connector}} now. {_ACTION}",
)
ONE = Kind(
    "clients-are-one-address",
    Severity.WARNING,
    "The relay cannot tell its clients apart: a connector by address lets in all of them or none.",
    _ACTION,
)
KINDS = (TRUSTED, ONE)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    sessions = sum(count for _, count in facts.clients.peers)
    if sessions < SESSIONS_MIN:
        yield NotChecked(f"fewer than {SESSIONS_MIN} messages and refusals are in the trace")
        return
    address, count = facts.clients.peers[0]
    is_gateway = address == facts.clients.gateway
    if count < sessions or not _is_private(address) or not (is_gateway or len(facts.clients.helos) >= _HELOS_MIN):
        return
    helos = ", ".join(facts.clients.helos[:_HELOS_MIN])
    seen = f"all of the last {sessions} messages and refusals came from {address}"
    seen += ", this machine's gateway" if is_gateway else f", by clients with different names: {helos}"
    if connector := _trusting(address, facts.settings):
        yield TRUSTED.found(seen, address=address, connector=repr(connector))
    else:
        yield ONE.found(seen)


def _is_private(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return address.is_private and not address.is_loopback


def _trusting(text: str, settings: Settings) -> str | None:
    address = ipaddress.ip_address(text)
    for each in settings.inbound_connectors:
        if each.enabled and each.connector_type is ConnectorType.ON_PREMISES:
            found = [network for entry in each.sender_ip_addresses for network in networks(entry)]
            if any(address in network for network in found):
                return each.name
    return None
