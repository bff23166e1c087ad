"""Checks of what chooses a road: references to routes, route rules, and outbound connectors; see checks.py."""

from collections.abc import Collection

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.settings.addresses import is_public
from staffetta.settings.found import Found, Where, domain_pattern, known_hint
from staffetta.settings.model import Settings
from staffetta.settings.objects import ConnectorType, OutboundConnector, OutboundTls, SmtpDaneMode
from staffetta.settings.outbound import may_lead_inside, smart_host
from staffetta.settings.roads import NO_ROUTE, RouteRule

_PATTERNS = "*, contoso.com or *.contoso.com"


def check_roads(settings: Settings) -> Found:
    """Yield what is wrong with references to routes, with rules and with outbound connectors."""
    routes = {route.name for route in settings.routes}
    yield from _references(settings, routes)
    outbound = {connector.name for connector in settings.outbound_connectors}
    inbound = {connector.name.casefold() for connector in settings.inbound_connectors}
    for index, rule in enumerate(settings.route_rules):
        yield from _rule(("route_rules", index), rule, routes | outbound, inbound)
    taken = {name.casefold() for name in routes}
    for index, connector in enumerate(settings.outbound_connectors):
        where = ("outbound_connectors", index)
        if connector.name.casefold() in taken:
            yield (*where, "name"), f"{connector.name!r} is the name of a route; mail is queued by both, so they differ"
        if connector.name == NO_ROUTE:
            yield (*where, "name"), f"{NO_ROUTE!r} means that there is no route; write another name"
        yield from _served(where, connector)
        yield from _carried(where, connector, routes, allows_private=may_lead_inside(connector.organization, settings))
        for text in connector.validation_recipients:
            try:
                parse_mailbox(text)
            except AddressError as error:
                yield (*where, "validation_recipients"), f"{text!r}: {error}; write somebody@contoso.com"


def _references(settings: Settings, routes: Collection[str]) -> Found:
    known = ", ".join(sorted(routes)) or "none is declared"
    for index, domain in enumerate(settings.accepted_domains):
        if domain.route not in routes:
            yield ("accepted_domains", index, "route"), f"there is no route {domain.route!r}; known: {known}"
    for index, organization in enumerate(settings.organizations):
        for name in organization.routes:
            if name != "*" and name not in routes:
                yield ("organizations", index, "routes"), f"there is no route {name!r}; known: {known}"
    if settings.default_route is not None and settings.default_route not in routes:
        yield ("default_route",), f"there is no route {settings.default_route!r}; known: {known}"


def _rule(where: Where, rule: RouteRule, roads: Collection[str], inbound: Collection[str]) -> Found:
    if rule.route not in roads:
        yield (
            (*where, "route"),
            f"there is no route or outbound connector {rule.route!r}; {known_hint(rule.route, roads)}",
        )
    for pattern in rule.recipient_domains:
        if pattern != "*":
            yield from domain_pattern((*where, "recipient_domains"), pattern, _PATTERNS)
    for pattern in rule.sender_domains:
        if pattern not in ("*", "<>"):
            yield from domain_pattern((*where, "sender_domains"), pattern, f"{_PATTERNS}, or <>")
    for name in rule.connectors:
        if name.casefold() not in inbound:
            yield (*where, "connectors"), f"there is no inbound connector {name!r}; {known_hint(name, inbound)}"
    if rule.octets_max is not None and rule.octets_max < rule.octets_min:
        yield (*where, "octets_max"), f"it is below octets_min, {rule.octets_min}, so that no message would do"


def _served(where: Where, connector: OutboundConnector) -> Found:
    """Whose mail it carries."""
    key = (*where, "recipient_domains")
    for pattern in connector.recipient_domains:
        if pattern != "*":
            yield from domain_pattern(key, pattern, _PATTERNS)
    if connector.connector_type is not ConnectorType.ON_PREMISES:
        for name in ("all_accepted_domains", "route_all_messages_via_on_premises"):
            if getattr(connector, name):
                yield (*where, name), "it is for connector_type OnPremises; switch it off, or change the type"
    serves = (
        connector.recipient_domains
        or connector.all_accepted_domains
        or connector.route_all_messages_via_on_premises
        or connector.is_transport_rule_scoped
    )
    if connector.enabled and not connector.test_mode and not serves:
        yield (
            key,
            "it is empty, so that no mail would take the connector; list domains, or * for all that are not accepted",
        )


def _carried(where: Where, connector: OutboundConnector, routes: Collection[str], *, allows_private: bool) -> Found:
    """How it carries mail."""
    if connector.route is not None:
        if connector.route not in routes:
            hint = known_hint(connector.route, routes)
            yield (*where, "route"), f"there is no route {connector.route!r}; {hint}"
        for name in ("smart_hosts", "tls_settings", "tls_domain"):
            if getattr(connector, name):
                yield (*where, name), "the route says how mail travels; leave one of them out"
        if connector.cloud_services_mail_enabled:
            yield (
                (*where, "cloud_services_mail_enabled"),
                "the route says what its mail keeps, by internal_fields; leave one of them out",
            )
        return
    if not connector.use_mx_record and not connector.smart_hosts:
        yield (*where, "smart_hosts"), "it is empty, and use_mx_record is false; name at least one smart host"
    if connector.use_mx_record and connector.smart_hosts:
        yield (*where, "use_mx_record"), "it is true, so that smart_hosts would do nothing; write false"
    for text in connector.smart_hosts:
        try:
            host = smart_host(text).host
        except ValueError as error:
            yield (*where, "smart_hosts"), f"{text!r} is no smart host: {error}"
        else:
            if not allows_private and not is_public(host):
                yield (
                    (*where, "smart_hosts"),
                    (
                        f"{host} is no public address; connectors of {connector.organization} lead to such where the "
                        "operator of the relay has allowed it, by allow_private_next_hops of the organisation"
                    ),
                )
    if connector.smtp_dane_mode is SmtpDaneMode.MANDATORY and not connector.use_mx_record:
        yield (*where, "smtp_dane_mode"), "Mandatory is for mail exchangers, and use_mx_record is false; write None"
    is_by_domain = connector.tls_settings is OutboundTls.DOMAIN_VALIDATION
    if is_by_domain and connector.tls_domain is None:
        yield (*where, "tls_domain"), "it is missing; with DomainValidation it is the name in the certificate"
    if not is_by_domain and connector.tls_domain is not None:
        yield (*where, "tls_domain"), "it is for tls_settings DomainValidation; leave it out, or write that"
    if connector.tls_domain is not None:
        yield from domain_pattern((*where, "tls_domain"), connector.tls_domain, "mail.contoso.com or *.contoso.com")
