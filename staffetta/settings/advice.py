"""What is allowed, and likely not meant: things that change nothing, or let nobody in. Yields as checks.py does.

Exchange stores such things without a word; here they are stored with one.
"""

from staffetta.settings.addresses import host_bits
from staffetta.settings.found import Found, Where
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.objects import PUBLIC_TRUST, ConnectorType, DomainType, InboundConnector, SenderRewriting
from staffetta.settings.road_advice import road_warnings

_KEPT_FOR_EXCHANGE = (
    "trusted_organizations",
    "client_host_names",
    "ef_skip_last_ip",
    "ef_skip_ips",
    "ef_skip_mail_gateway",
    "ef_users",
    "ef_test_mode",
    "scan_and_drop_recipients",
)


def warnings(settings: Settings) -> Found:
    """Yield what an administrator should hear of settings that check() finds right."""
    for index, listener in enumerate(settings.listeners):
        if listener.kind is ListenerKind.SUBMISSION and not settings.accounts:
            yield ("listeners", index, "kind"), "nobody can log in to submit while there are no accounts"
    for index, domain in enumerate(settings.accepted_domains):
        if domain.type is DomainType.INTERNAL_RELAY and domain.recipients != ("*",):
            yield ("accepted_domains", index, "recipients"), "it changes nothing while type is InternalRelay"
        if domain.type is DomainType.AUTHORITATIVE and not domain.recipients:
            yield ("accepted_domains", index, "recipients"), "it is empty, so every recipient of the domain is refused"
    for index, account in enumerate(settings.accounts):
        if account.enabled and not account.password_hashes and not settings.token_issuers:
            yield ("accounts", index, "password_hashes"), "it is empty, so the account cannot log in"
    for index, connector in enumerate(settings.inbound_connectors):
        where = ("inbound_connectors", index)
        yield from _connector(where, connector)
        if connector.connector_type is ConnectorType.ON_PREMISES:
            yield from _on_premises(where, connector)
        else:
            yield from _partner(where, connector)
    yield from road_warnings(settings)


def _connector(where: Where, connector: InboundConnector) -> Found:
    for text in connector.sender_ip_addresses:
        if (network := host_bits(text)) is not None:
            yield (*where, "sender_ip_addresses"), f"{text} is read as the whole network {network}"
    if connector.trusted_authority != PUBLIC_TRUST and not connector.tls_sender_certificate_name:
        yield (*where, "trusted_authority"), "it changes nothing without tls_sender_certificate_name"
    yield from _rewriting(where, connector)
    for key in _KEPT_FOR_EXCHANGE:
        if getattr(connector, key):
            yield (*where, key), "it is kept for Exchange's sake, and changes nothing here"


def _rewriting(where: Where, connector: InboundConnector) -> Found:
    key = (*where, "sender_rewriting")
    if connector.sender_rewriting is SenderRewriting.KEEP:
        for other in ("rewritten_sender", "allowed_senders"):
            if getattr(connector, other):
                yield (*where, other), "it changes nothing while sender_rewriting is keep"
    elif connector.connector_type is ConnectorType.PARTNER:
        yield key, "it changes nothing for Partner: only what an OnPremises connector lets in is rewritten"
    else:
        yield key, "it breaks the DKIM signatures of its clients' mail, which cover From; let a later host sign"
        if connector.allowed_senders and connector.sender_rewriting is SenderRewriting.FORCE:
            yield (*where, "allowed_senders"), "it changes nothing for force; force-if-not-allowed looks at it"


def _on_premises(where: Where, connector: InboundConnector) -> Found:
    gates = {
        "restrict_domains_to_ip_addresses": "the addresses are the gate already",
        "restrict_domains_to_certificate": "the certificate is the gate already",
    }
    for key, reason in gates.items():
        if getattr(connector, key):
            yield (*where, key), f"it changes nothing for OnPremises: {reason}"


def _partner(where: Where, connector: InboundConnector) -> Found:
    restricts = (
        connector.require_tls
        or connector.restrict_domains_to_ip_addresses
        or connector.restrict_domains_to_certificate
        or connector.blocked
    )
    if connector.enabled and not restricts:
        yield (
            (*where, "connector_type"),
            (
                "a Partner connector only restricts, and this one restricts nothing; "
                "to relay to the outside it must be OnPremises"
            ),
        )
    if connector.sender_accounts:
        yield (*where, "sender_accounts"), "it changes nothing for Partner: who logs in needs an OnPremises connector"
