"""Exchange Server: receive connectors, send connectors and accepted domains, as exported, as settings of ours.

Get-ReceiveConnector does not say whether anonymous clients may relay: that is a right in Active Directory. Where its
export is not given either, and a connector is not externally secured, what would relay is made switched off.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from staffetta.importing.doors import accept_senders, close_to_strangers
from staffetta.importing.draft import CannotImport, Draft, Imported, finished, said, unused_name
from staffetta.importing.exchange_out import import_send_connectors
from staffetta.importing.exported import Row, rows
from staffetta.importing.networks import covers_everybody, first_wins
from staffetta.settings.addresses import Network, networks
from staffetta.settings.model import Listener, ListenerKind
from staffetta.settings.objects import AcceptedDomain, ConnectorSource, DomainType, InboundConnector
from staffetta.settings.outbound import smart_host
from staffetta.settings.roads import Route

RECEIVE, SEND = "Get-ReceiveConnector", "Get-SendConnector"
PERMISSIONS = "Get-ReceiveConnector | Get-ADPermission -User 'NT AUTHORITY\\ANONYMOUS LOGON'"
_GROUPS = {1: "AnonymousUsers", 2: "ExchangeUsers", 4: "ExchangeServers", 8: "ExchangeLegacyServers", 16: "Partners"}
_MECHANISMS = {
    2: "Integrated",
    4: "BasicAuth",
    8: "BasicAuthRequireTLS",
    16: "ExchangeServer",
    32: "ExternalAuthoritative",
}
_RELAY_RIGHT = "accept-any-recipient"
_RELAY_PORT, _SUBMISSION_PORT = 25, 587
_BINDING = re.compile(r"\[?([0-9A-Fa-f.:]+?)\]?:(\d+)")
_MASKED = re.compile(r"([\d.]+)\(([\d.]+)\)")


@dataclass(frozen=True, slots=True)
class ExchangeFiles:
    """Texts of exports; None: not given. mailboxes: the host that has them. own: domains of our senders."""

    name: str
    receive: str
    hostname: str
    send: str | None = None
    accepted: str | None = None
    permissions: str | None = None
    mailboxes: str | None = None
    own: tuple[str, ...] = ()


@dataclass(slots=True)
class _Door:
    """A receive connector. relays: None where the export does not tell."""

    row: Row
    name: str
    ranges: list[Network]
    groups: set[str]
    relays: bool | None
    ports: set[int] = field(default_factory=set)


def import_exchange(files: ExchangeFiles) -> Imported:
    """Return what the connectors are here. Raises CannotImport."""
    doors = [_door(row, _rights(files)) for row in rows(files.receive, RECEIVE)]
    if not any("RemoteIPRanges" in door.row for door in doors):
        raise CannotImport(f"these are no receive connectors; write them by: {RECEIVE} | ConvertTo-Json -Depth 4")
    fqdns = [door.row.text("Fqdn") for door in doors if _RELAY_PORT in door.ports]
    draft = Draft(files.name, (next(filter(None, fqdns), "") or files.hostname).lower())
    draft.note("Fqdn", f"hostname {draft.hostname!r}")
    route = _mailboxes(files, draft)
    enabled = [door for door in doors if not ("Enabled" in door.row and not door.row.is_on("Enabled"))]
    for door in doors:
        if door not in enabled:
            draft.note(door.name, "nothing: it is switched off")
    _listeners(enabled, draft)
    for door in enabled:
        _connector(door, enabled, draft)
    _sizes(enabled, draft)
    if files.accepted is not None:
        _accepted(rows(files.accepted, "Get-AcceptedDomain"), route, draft)
    if files.send is not None:
        import_send_connectors(rows(files.send, SEND), draft)
    else:
        instead = f"import again with --send, a file of: {SEND} | ConvertTo-Json -Depth 4"
        draft.leave("send connectors", "none were given, so that mail to other domains has no road", instead)
    if not any(_is_open(door) for door in enabled):
        close_to_strangers(draft)
    accept_senders(files.own, draft, route=route)
    return finished(draft)


def _rights(files: ExchangeFiles) -> set[str] | None:
    """Names of connectors by which anonymous clients may relay; None where nothing tells."""
    if files.permissions is None:
        return None
    found = set()
    for row in rows(files.permissions, PERMISSIONS):
        is_anonymous = "anonymous" in row.text("User").lower() or "User" not in row
        if is_anonymous and not row.is_on("Deny") and _RELAY_RIGHT in " ".join(row.list("ExtendedRights")).lower():
            found.add(_short(row.text("Identity")).lower())
    return found


def _door(row: Row, rights: set[str] | None) -> _Door:
    name = _short(row.text("Name") or row.text("Identity"))
    groups, mechanisms = _flags(row, "PermissionGroups", _GROUPS), _flags(row, "AuthMechanism", _MECHANISMS)
    relays: bool | None = False
    if "ExternalAuthoritative" in mechanisms and "ExchangeServers" in groups:
        relays = True
    elif "AnonymousUsers" in groups:
        relays = None if rights is None else name.lower() in rights
    ranges = [network for text in row.list("RemoteIPRanges") for network in _range(name, text)]
    return _Door(row, name, ranges, groups, relays, {port for _, port in _bindings(row)})


def _short(identity: str) -> str:
    """`MBX01\\Relay` is `Relay`."""
    return identity.rpartition("\\")[2].strip()


def _flags(row: Row, name: str, known: dict[int, str]) -> set[str]:
    number = row.number(name)
    return {each for bit, each in known.items() if number & bit} if number is not None else set(row.list(name))


def _range(name: str, text: str) -> tuple[Network, ...]:
    if masked := _MASKED.fullmatch(text):
        text = f"{masked[1]}/{_length(masked[2])}"
    try:
        return networks(text)
    except ValueError as error:
        raise CannotImport(f"{name}, RemoteIPRanges: {text!r} is no range: {error}") from None


def _length(mask: str) -> int:
    return sum(bin(int(octet)).count("1") for octet in mask.split("."))


def _bindings(row: Row) -> Iterator[tuple[str, int]]:
    for text in row.list("Bindings"):
        if match := _BINDING.fullmatch(text):
            yield match[1], int(match[2])


def _is_everybodys(door: _Door) -> bool:
    return covers_everybody(map(str, door.ranges))


def _is_open(door: _Door) -> bool:
    """Whether strangers come in by it."""
    return "AnonymousUsers" in door.groups and _is_everybodys(door) and _RELAY_PORT in door.ports


def _listeners(doors: Iterable[_Door], draft: Draft) -> None:
    seen: dict[tuple[str, int], str] = {}
    for door in doors:
        for address, port in _bindings(door.row):
            if port not in (_RELAY_PORT, _SUBMISSION_PORT):
                draft.note(f"{door.name}, port {port}", "nothing: Exchange's servers use it among themselves")
            elif (address, port) not in seen:
                seen[address, port] = door.name
    for address, port in seen:
        shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        base = "smtp" if port == _RELAY_PORT else "submission"
        wanted = f"{base} IPv6" if ":" in address else base
        name = unused_name(wanted, [each.name for each in draft.listeners])
        kind = ListenerKind.SUBMISSION if port == _SUBMISSION_PORT else None
        draft.listeners.append(said(Listener, name=name, address=shown, kind=kind))
        draft.note(f"binding {shown}", f"listener {name!r}")


def _connector(door: _Door, doors: Iterable[_Door], draft: Draft) -> None:
    if "ExchangeUsers" in door.groups and _SUBMISSION_PORT in door.ports:
        why = "people log in with their Windows accounts and passwords, which stay there"
        draft.leave(door.name, why, "give each device an account: staffetta account new-password, and [[accounts]]")
    if door.row.list("TlsDomainCapabilities"):
        why = "it tells partners by their certificates"
        draft.leave(f"{door.name}, TlsDomainCapabilities", why, "a connector with tls_sender_certificate_name for each")
    if door.relays is False:
        if "AnonymousUsers" in door.groups:
            draft.note(door.name, "strangers may send to accepted domains" if _is_everybodys(door) else "no connector")
        return
    # Exchange takes the connector with the closest range; whom one without the right to relay takes, relays nowhere.
    closer = [
        (inner, False)
        for other in doors
        if other.relays is False and other.ports & door.ports
        for inner in other.ranges
        if any(_is_inside(inner, outer) for outer in door.ranges)
    ]
    addresses = first_wins([*closer, *((network, True) for network in door.ranges)])
    if covers_everybody(addresses):
        if door.relays:
            why = "every address may relay by it, which is an open door; no connector was made"
            draft.leave(door.name, why, "list the addresses of your own clients in a connector")
        else:
            draft.note(door.name, "strangers may send to accepted domains")
        return
    connector = said(
        InboundConnector,
        name=unused_name(door.name, [each.name for each in draft.inbound_connectors]),
        enabled=None if door.relays else False,
        comment=door.row.text("Comment") or "From a receive connector of Exchange",
        sender_ip_addresses=tuple(addresses),
        require_tls=door.row.is_on("RequireTLS") or None,
        connector_source=ConnectorSource.MIGRATED,
    )
    draft.inbound_connectors.append(connector)
    draft.note(door.name, f"inbound connector {connector.name!r}, of {len(addresses)} address entries")
    if door.relays is None:
        why = "its export does not say whether its clients may relay, so that the connector is off"
        instead = f"import again with --permissions, a file of: {PERMISSIONS} | ConvertTo-Json; or switch it on"
        draft.leave(door.name, why, instead)


def _is_inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.prefixlen > outer.prefixlen and inner.overlaps(outer)


def _sizes(doors: Iterable[_Door], draft: Draft) -> None:
    sizes = [size for door in doors if _RELAY_PORT in door.ports and (size := door.row.number("MaxMessageSize"))]
    if sizes:
        draft.limits["message_octets_max"] = max(sizes)
        draft.note("MaxMessageSize", f"limits.message_octets_max = {max(sizes)}, the largest of port 25")


def _mailboxes(files: ExchangeFiles, draft: Draft) -> str | None:
    if files.mailboxes is None:
        if files.accepted is not None:
            raise CannotImport("accepted domains need a road: say who has the mailboxes, by --mailboxes HOST")
        return None
    try:
        hop = smart_host(files.mailboxes)
    except ValueError as error:
        raise CannotImport(f"{files.mailboxes!r} is no host: {error}") from None
    draft.routes.append(Route(name="mailboxes", next_hops=(hop,)))
    draft.note(files.mailboxes, "route 'mailboxes'")
    return "mailboxes"


def _accepted(found: Iterable[Row], route: str | None, draft: Draft) -> None:
    for row in found:
        written = row.text("DomainName") or row.text("Name")
        name = written.lower().removeprefix("*.")
        domain = said(
            AcceptedDomain,
            name=name,
            type=None if row.text("DomainType") in ("Authoritative", "0") else DomainType.INTERNAL_RELAY,
            include_subdomains=written.startswith("*.") or row.is_on("MatchSubDomains") or None,
            route=route,
        )
        draft.accepted_domains.append(domain)
        draft.note(written, f"accepted domain, {domain.type.value}, by route {route!r}")
