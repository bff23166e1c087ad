"""Send connectors of Exchange Server, as outbound connectors, and as routes where those cannot say it."""

import re
from collections.abc import Iterable

from staffetta.importing.draft import Draft, said, unused_name
from staffetta.importing.exported import Row
from staffetta.settings.objects import ConnectorSource, OutboundConnector, OutboundTls
from staffetta.settings.outbound import smart_host
from staffetta.settings.roads import Authentication, NextHop, Route, TlsLevel

_NUMBERED_TLS = {"1": "EncryptionOnly", "2": "CertificateValidation", "3": "DomainValidation"}
_BASIC = ("basicauth", "basicauthrequiretls", "1", "2")
_ROUTE_TLS = {
    None: TlsLevel.REQUIRED,
    OutboundTls.ENCRYPTION_ONLY: TlsLevel.REQUIRED,
    OutboundTls.CERTIFICATE_VALIDATION: TlsLevel.VERIFIED,
    OutboundTls.DOMAIN_VALIDATION: TlsLevel.VERIFIED,
}
_USUAL_PORT = 25


def import_send_connectors(rows: Iterable[Row], draft: Draft) -> None:
    """Make an outbound connector of each."""
    for row in rows:
        name = unused_name(row.text("Name") or row.text("Identity"), [each.name for each in draft.outbound_connectors])
        domains = _domains(name, row, draft)
        hosts = _hosts(name, row, draft)
        by_mx = not hosts
        tls = _tls(row)
        tls_domain = row.text("TlsDomain").lower() or None
        binds = row.text("SourceIPAddress") not in ("", "0.0.0.0")
        needs_route = bool(hosts) and (_logs_in(row) or row.is_on("IgnoreSTARTTLS") or binds)
        route = _route(name, row, hosts, tls, tls_domain, draft) if needs_route else None
        connector = said(
            OutboundConnector,
            name=name,
            enabled=None if "Enabled" not in row or row.is_on("Enabled") else False,
            comment=row.text("Comment") or "From a send connector of Exchange",
            connector_source=ConnectorSource.MIGRATED,
            recipient_domains=tuple(domains),
            use_mx_record=None if by_mx else False,
            smart_hosts=None if by_mx or route else tuple(_shown(hop) for hop in hosts),
            tls_settings=None if route else tls,
            tls_domain=tls_domain if tls is OutboundTls.DOMAIN_VALIDATION and route is None else None,
            route=route,
            cloud_services_mail_enabled=(row.is_on("CloudServicesMailEnabled") and route is None) or None,
        )
        if not domains:
            continue
        draft.outbound_connectors.append(connector)
        draft.note(name, f"outbound connector for {', '.join(domains)}, by {'MX' if by_mx else 'its smart hosts'}")


def _domains(name: str, row: Row, draft: Draft) -> list[str]:
    found = []
    for text in row.list("AddressSpaces"):
        kind, colon, space = text.partition(":")
        space, _, cost = (space if colon else kind).strip().lower().partition(";")
        if space.isdigit():  # where the cost was torn from its space
            space, cost = "", space
        if cost not in ("", "1"):
            draft.leave(f"{name}, cost {cost}", "connectors here have no cost", "the closest domain wins")
        if not space:
            continue
        if colon and kind.lower() != "smtp":
            draft.leave(f"{name}, {text}", "it is no address space of SMTP", "nothing, if nobody writes there any more")
            continue
        if space == "--":
            draft.leave(f"{name}, {text}", "it means all domains of the organisation", "all_accepted_domains")
            continue
        found.append(space)
    return found


def _hosts(name: str, row: Row, draft: Draft) -> list[NextHop]:
    port, found = row.number("Port"), []
    for text in row.list("SmartHosts"):
        try:
            hop = smart_host(text)
        except ValueError as error:
            draft.leave(f"{name}, SmartHosts", f"{text!r}: {error}", "write smart_hosts of that connector")
            continue
        found.append(said(NextHop, host=hop.host, port=port if port not in (None, _USUAL_PORT) else None))
    return found


def _tls(row: Row) -> OutboundTls | None:
    level = row.text("TlsAuthLevel")
    level = _NUMBERED_TLS.get(level, level)
    if level in {each.value for each in OutboundTls}:
        return OutboundTls(level)
    return OutboundTls.ENCRYPTION_ONLY if row.is_on("RequireTLS") else None


def _route(
    name: str, row: Row, hosts: list[NextHop], tls: OutboundTls | None, tls_domain: str | None, draft: Draft
) -> str:
    """A route, for a login, no TLS at all, or an address of ours to connect from."""
    login = None
    if _logs_in(row):
        file = f"/etc/staffetta/secrets/{re.sub(r'[^A-Za-z0-9.-]', '_', hosts[0].host)}"
        user = row.text("AuthenticationCredential.UserName") or _user(row)
        login = Authentication(user_name=user or "fill-in", password=f"file:{file}")
        why = "a password is not in the export, and never stands in the settings"
        what = f"user_name{'' if user else ' (fill-in)'}"
        draft.leave(f"{name}, AuthenticationCredential", why, f"look at {what} of its route; the password into {file}")
    source = row.text("SourceIPAddress")
    level = (
        TlsLevel.NONE if row.is_on("IgnoreSTARTTLS") and login is None else _ROUTE_TLS[tls] if tls or login else None
    )
    route = said(
        Route,
        name=unused_name(f"{name} route", [each.name for each in draft.routes]),
        next_hops=tuple(hosts),
        tls=level,
        tls_names=(tls_domain,) if tls is OutboundTls.DOMAIN_VALIDATION and tls_domain else None,
        authentication=login,
        source_addresses=(source,) if source not in ("", "0.0.0.0") else None,
    )
    draft.routes.append(route)
    return route.name


def _logs_in(row: Row) -> bool:
    return row.text("SmartHostAuthMechanism").lower() in _BASIC


def _user(row: Row) -> str:
    value = row.value("AuthenticationCredential")
    found = {str(key).lower(): each for key, each in value.items()} if isinstance(value, dict) else {}
    return str(found.get("username", ""))


def _shown(hop: NextHop) -> str:
    host = f"[{hop.host}]" if ":" in hop.host else hop.host
    return f"{host}:{hop.port}" if hop.port != _USUAL_PORT else host
