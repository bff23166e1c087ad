"""Where other servers and we differ about who may send: whose senders relay, and what strangers may send to.

Postfix and IIS let a client that may relay use any sender; here, as in Exchange, the sender's domain must be accepted.
An accepted domain takes mail from everybody; where the old server took none from strangers, a Partner connector for all
sender domains keeps them out, as Exchange's own documents have it (docs/decisions/126).
"""

from staffetta.importing.draft import Draft, said, unused_name
from staffetta.settings.objects import AcceptedDomain, ConnectorType, DomainType, InboundConnector

_LOOPBACK = ("127.0.0.1", "::1")
ALL_SENDERS = ("*",)


def close_to_strangers(draft: Draft) -> None:
    """Let nobody send to accepted domains but those whom another connector or an account lets in."""
    listed = tuple(
        dict.fromkeys(text for each in draft.inbound_connectors if each.enabled for text in each.sender_ip_addresses)
    )
    connector = said(
        InboundConnector,
        name=unused_name("No strangers", [each.name for each in draft.inbound_connectors]),
        connector_type=ConnectorType.PARTNER,
        comment="The old server took no mail from strangers; remove this, and everybody may send to accepted domains",
        sender_domains=ALL_SENDERS,
        sender_ip_addresses=listed or _LOOPBACK,
        restrict_domains_to_ip_addresses=True,
    )
    draft.inbound_connectors.append(connector)
    draft.note("strangers", f"they may send nothing, by inbound connector {connector.name!r}")


def accept_senders(own: tuple[str, ...], draft: Draft, *, route: str | None = None) -> None:
    """Accept the domains of our senders, and say that no others relay.

    own: as found, or as an operator says. route: what their recipients take; None: the default route.
    """
    road = route or draft.default_route
    is_closed = any(each.connector_type is ConnectorType.PARTNER for each in draft.inbound_connectors)
    for name in own:
        if any(
            name == each.name or (each.include_subdomains and name.endswith(f".{each.name}"))
            for each in draft.accepted_domains
        ):
            continue
        if road is None:
            draft.leave(f"senders of {name}", "the domain has no road", "name it as an accepted domain, with a route")
            continue
        domain = said(
            AcceptedDomain,
            name=name,
            type=DomainType.INTERNAL_RELAY,
            include_subdomains=True,
            route=road,
        )
        draft.accepted_domains.append(domain)
        draft.note(f"senders of {name}", f"accepted domain, because its senders relay; by route {domain.route!r}")
        if not is_closed:
            why = f"mail from strangers to {name} is taken now, and handed to {domain.route!r}"
            draft.leave(
                f"mail to {name}", why, f"if it shall not be, leave {name} out, or keep strangers from the port"
            )
    names = ", ".join(each.name for each in draft.accepted_domains) or "none yet"
    why = f"the old server lets its clients use any; here a connector's clients relay for accepted domains: {names}"
    draft.leave(
        "senders of other domains", why, "import again with --domain for each, or let the connector rewrite them"
    )
