"""Test-SenderIdentification: what an address or a certificate name would mean in a connector, before it is in one.

Rule: every value gets at least one line; what is wrong says what to write instead.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from ipaddress import IPv4Network, ip_network
from typing import Annotated

from pydantic import Field

from staffetta.mail.sentence import sentence
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadParameter
from staffetta.operations.inputs import Input, MultiValued, Output, Said
from staffetta.operations.ledger import Folder
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_folder
from staffetta.policy.certificate import names_match
from staffetta.policy.domain import domain_of_certificate
from staffetta.settings.addresses import Network, host_bits, is_public, networks
from staffetta.settings.found import address_entry, domain_pattern
from staffetta.settings.objects import InboundConnector
from staffetta.trace.refusals import RefusalQuery, RefusalRow, refusals
from staffetta.trace.search import TraceUnavailable

_LARGE = {4: 16, 6: 48}
"""Prefixes shorter than this are whole sites, and hold machines that nobody thinks of."""
_REFUSALS_READ = 500
_SHARED = IPv4Network("100.64.0.0/10")


class Level(StrEnum):
    """How a finding is meant."""

    GOOD = "Good"
    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


class TestSenderIdentification(Input):
    sender_ip_addresses: Annotated[MultiValued | None, Field(description="Addresses, networks, or ranges `a-b`.")] = (
        None
    )
    tls_sender_certificate_name: Annotated[MultiValued | None, Field(description="Names in a certificate.")] = None
    identity: Annotated[
        str | None, Field(description="The connector that they are for, which is not compared with itself.")
    ] = None


class IdentificationFinding(Output):
    value: Annotated[str, Field(description="The address or name.")]
    level: Annotated[Level, Field(description="How it is meant.")]
    finding: Annotated[Said, Field(description="What it would mean, in a sentence.")]


_Found = Iterator[tuple[Level, str]]


def run(context: Context, given: TestSenderIdentification) -> Iterable[Output]:
    addresses = given.sender_ip_addresses.applied_to(()) if given.sender_ip_addresses else ()
    names = given.tls_sender_certificate_name.applied_to(()) if given.tls_sender_certificate_name else ()
    if not addresses and not names:
        raise BadParameter("Give -SenderIPAddresses or -TlsSenderCertificateName.", parameter="SenderIPAddresses")
    own = context.caller.organization
    others = [
        each
        for each in context.settings.inbound_connectors
        if own in (None, each.organization) and each.name.casefold() != (given.identity or "").casefold()
    ]
    refused = _refusals(context)
    for value in addresses:
        yield from _rows(value, _of_address(value, others, refused))
    for value in names:
        yield from _rows(value, _of_name(context, value.lower(), others, refused))


def _rows(value: str, found: _Found) -> Iterator[IdentificationFinding]:
    for level, text in found:
        yield IdentificationFinding(value=value, level=level, finding=text)


def _of_address(text: str, others: Sequence[InboundConnector], refused: Sequence[RefusalRow]) -> _Found:
    problems = [problem for _, problem in address_entry((), text)]
    if problems:
        yield Level.ERROR, sentence("{problem}.", problem=problems[0])
        return
    named = networks(text)
    first = named[0]
    if any(each.prefixlen == 0 for each in named):
        yield (
            Level.ERROR,
            sentence("This is every address there is, an open door. List the addresses of your own senders."),
        )
        return
    if (whole := host_bits(text)) is not None:
        yield (
            Level.WARNING,
            sentence(
                "It is read as the whole network {network}. For the one host, write it without the prefix.",
                network=whole,
            ),
        )
    if first.is_loopback:
        yield (
            Level.WARNING,
            sentence("This is the relay's own machine: every program and every user on it may then send."),
        )
    elif any(each.prefixlen < _LARGE[each.version] for each in named):
        count = sum(each.num_addresses for each in named)
        yield (
            Level.WARNING,
            sentence("These are {count:,} addresses. Whoever has one may send: name as few as you can.", count=count),
        )
    if isinstance(first, IPv4Network) and first.subnet_of(_SHARED):
        yield Level.WARNING, sentence("A provider shares this address among its customers; it tells nobody apart.")
    elif not first.is_loopback and not is_public(str(first.network_address)):
        yield (
            Level.INFO,
            sentence("It is private: right for clients of your own network, and never seen from behind a router."),
        )
    yield from _overlaps(named, others)
    seen = [row.peer for row in refused if any(_holds(network, row.peer) for network in named)]
    if seen:
        yield (
            Level.INFO,
            sentence(
                "{count} of the last refusals came from there, the newest from {address}.",
                count=len(seen),
                address=seen[0],
            ),
        )
    yield Level.GOOD, sentence("One address.") if first.num_addresses == 1 and len(named) == 1 else _span(named)


def _alike(connector: InboundConnector) -> str:
    return sentence("Connector '{name}' has the same; of two alike the older is taken.", name=connector.name)


def _span(named: tuple[Network, ...]) -> str:
    count = sum(each.num_addresses for each in named)
    first, last = named[0][0], named[-1][-1]
    return sentence("From {first} to {last}: {count:,} addresses.", first=first, last=last, count=count)


def _overlaps(named: tuple[Network, ...], others: Sequence[InboundConnector]) -> _Found:
    for connector in others:
        for text in connector.sender_ip_addresses:
            if not any(_overlap(one, other) for one in named for other in networks(text)):
                continue
            if named == networks(text):
                yield Level.WARNING, _alike(connector)
            else:
                yield (
                    Level.INFO,
                    sentence(
                        "It overlaps with {value} of connector '{name}'; of two the narrower is taken.",
                        value=text,
                        name=connector.name,
                    ),
                )
            break


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _holds(network: Network, address: str) -> bool:
    try:
        return _overlap(network, ip_network(address))
    except ValueError:
        return False


def _of_name(context: Context, name: str, others: Sequence[InboundConnector], refused: Sequence[RefusalRow]) -> _Found:
    problems = [problem for _, problem in domain_pattern((), name, "mail.contoso.com or *.contoso.com")]
    if problems:
        yield Level.ERROR, sentence("{problem}.", problem=problems[0])
        return
    domain, own = domain_of_certificate(name, context.settings), context.caller.organization
    if domain is not None and own in (None, domain.organization):
        yield (
            Level.GOOD,
            sentence(
                "It belongs to the accepted domain {name}: any sender may use it, the null one too.", name=domain.name
            ),
        )
    else:
        yield (
            Level.WARNING,
            sentence(
                "It belongs to no accepted domain, so only senders in accepted domains may use it; with one of your "
                "domains in the certificate all may."
            ),
        )
    for connector in others:
        for other in connector.tls_sender_certificate_name:
            if other == name:
                yield Level.WARNING, _alike(connector)
            elif names_match(name, other) or names_match(other, name):
                yield (
                    Level.INFO,
                    sentence(
                        "It overlaps with {value} of connector '{name}'; where both match, the closer is taken.",
                        value=other,
                        name=connector.name,
                    ),
                )
    if context.caller.organization is None and (issued := _issued(context, name)):
        yield (
            Level.INFO,
            sentence(
                "The built-in authority issued one for {names}; it is trusted where TrustedAuthority is own.",
                names=issued,
            ),
        )
    shown = [each for row in refused for each in _names_in(row) if names_match(name, each)]
    if shown:
        yield (
            Level.GOOD,
            sentence(
                "A client that showed a certificate for {name} was refused lately; this would know it.", name=shown[0]
            ),
        )


def _issued(context: Context, name: str) -> str | None:
    folder = Folder.of(context.settings)
    if not folder.is_there():
        return None
    for entry in folder.read_ledger().entries:
        if entry.revoked_at is None and any(names_match(name, each.lower()) for each in entry.names):
            return ", ".join(entry.names)
    return None


def _names_in(row: RefusalRow) -> list[str]:
    text = str(row.evidence.get("certificate_names") or "")
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _refusals(context: Context) -> Sequence[RefusalRow]:
    """The newest first. Those of all organisations are for the relay's own administrators to know."""
    if context.caller.organization is not None:
        return []
    try:
        return refusals(spool_folder(context.settings), RefusalQuery(limit=_REFUSALS_READ)).rows
    except TraceUnavailable:  # nothing has come yet
        return []


OPERATIONS = (
    Operation(
        "Test",
        "SenderIdentification",
        "Say what addresses or certificate names would mean in an inbound connector, before they are in one.",
        TestSenderIdentification,
        IdentificationFinding,
        LOOK_INTO,
        run,
        columns=("value", "level", "finding"),
        example="-SenderIPAddresses 10.0.0.0/8",
    ),
)
