"""What Exchange's fields tell of the road: by which connector a message came, or past all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from staffetta.analyzer.exchange import Exchange
from staffetta.analyzer.fields import Section
from staffetta.analyzer.finding import Finding, Severity
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.words import sending_host
from staffetta.mail.address_list import read_address_list

_LEARN_CONNECTORS = "Microsoft Learn: Configure mail flow using connectors"
_LEARN_FIREWALL = "Microsoft Learn: Header firewall"
_LEARN_DIRECT_SEND = "Microsoft Learn: Set up a multifunction device or application to send email"
_FRONT_DOOR = ".mail.protection.outlook.com"
_LENGTH_MAX = 8192
_CONNECTING_CLIENT = "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp"
_ORIGIN = "X-MS-Exchange-CrossTenant-FromEntityHeader"


@dataclass(frozen=True, slots=True)
class Parties:
    """Domains of who sent it and who gets it, lower case. authors: of From. recipients: of To, Cc and the hops."""

    authors: frozenset[str]
    recipients: frozenset[str]


def parties_of(section: Section, authors: Sequence[str], hops: Sequence[Hop]) -> Parties:
    """Return who takes part. authors: the domains of From."""
    addressed = [
        entry.mailbox.domain.lower()
        for name in ("to", "cc")
        for field in section.every(name)
        for entry in read_address_list(field.written[:_LENGTH_MAX]).entries
    ]
    handed = [(hop.received.for_address or "").rpartition("@")[2].lower() for hop in hops]
    return Parties(frozenset(authors), frozenset(filter(None, (*addressed, *handed))))


def of_exchange(exchange: Exchange, hops: Sequence[Hop], parties: Parties) -> Iterator[Finding]:
    """Yield what the fields of Exchange tell."""
    yield from _of_road(exchange, hops)
    yield from _of_connector(exchange, hops)
    yield from _of_direct_send(exchange, parties)
    if (exchange.auth_as or "").lower() == "internal":
        yield Finding(
            Severity.INFO,
            "Exchange took the sender for one of its own (AuthAs Internal): spam checks were skipped.",
            exchange.auth_as_field or "",
            _LEARN_FIREWALL,
        )
    if exchange.promoted_by:
        yield Finding(
            Severity.INFO,
            f"{exchange.promoted_by} took over the fields of the organisation's own servers: the connector retains "
            "internal Exchange headers.",
            "X-CrossPremisesHeadersPromoted",
            _LEARN_FIREWALL,
        )
    if exchange.filtered_by:
        yield Finding(
            Severity.INFO,
            f"{exchange.filtered_by} took away the fields of the organisation's own servers: no connector lets them "
            "in, so the message counts as one from outside.",
            "X-CrossPremisesHeadersFiltered",
            _LEARN_FIREWALL,
        )


def _of_road(exchange: Exchange, hops: Sequence[Hop]) -> Iterator[Finding]:
    """The relay on premises, then the front door."""
    if not exchange.came_by_connector:
        return
    for before, hop in pairwise(hops):
        if _is_front_door(hop):
            text = (
                f"The chain shows {before.received.by_name or 'a relay'}, then the front door {hop.received.by_name}, "
                "and a connector let it in: relayed as intended."
            )
            yield Finding(Severity.GOOD, text, "Received", _LEARN_CONNECTORS)
            return


def _of_connector(exchange: Exchange, hops: Sequence[Hop]) -> Iterator[Finding]:
    if exchange.came_by_connector and exchange.attributed_address:
        yield Finding(
            Severity.GOOD,
            f"A connector of the organisation let in {exchange.attributed_name or 'a client'} "
            f"({exchange.attributed_address}).",
            _CONNECTING_CLIENT,
            _LEARN_CONNECTORS,
        )
    elif exchange.came_by_connector is False and (exchange.origin or "").lower() == "internet":
        front = next(filter(_is_front_door, hops), None)
        whence = f" It came from {sending_host(front.received)}." if front else ""
        yield Finding(
            Severity.WARNING,
            f"This message did not pass through the connector: Exchange took it for mail from the Internet.{whence}",
            _ORIGIN,
            _LEARN_CONNECTORS,
        )


def _of_direct_send(exchange: Exchange, parties: Parties) -> Iterator[Finding]:
    """Mail in the name of the recipient's own domain, from who has not logged in, past all connectors."""
    if (exchange.auth_as or "").lower() != "anonymous" or exchange.came_by_connector:
        return
    owned = parties.recipients | {(exchange.originator_domain or "").lower()}
    if domain := next(iter(sorted(parties.authors & owned)), None):
        yield Finding(
            Severity.WARNING,
            f"It has the marks of Direct Send: From names {domain}, the recipient's own domain, but the sender had not "
            "logged in (AuthAs Anonymous), and no connector is named.",
            exchange.auth_as_field or "",
            _LEARN_DIRECT_SEND,
        )


def _is_front_door(hop: Hop) -> bool:
    return (hop.received.by_name or "").lower().endswith(_FRONT_DOOR)
