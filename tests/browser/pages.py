"""Every page that is looked at: by axe, by the scales, and by whoever looks at the screenshots.

What stands in the menu is here by itself; what a page opens, and pages beside the menu, are added to MORE.
"""

from collections.abc import Sequence

from staffetta.admin.web.menu import entries

MORE: tuple[tuple[str, str], ...] = (
    ("connector-details", "/connectors?show=Printers of the third floor"),
    ("connector-odd", "/connectors?q=Invoices"),
    ("connector-new", "/connectors/do/New-InboundConnector"),
    ("connector-wizard", "/connectors/add"),
    ("connector-wizard-name", "/connectors/add?Need=server"),
    ("connector-edit", "/connectors/edit?id=Printers of the third floor&step=identify"),
    ("outbound-details", "/outbound-connectors?show=To the partner"),
    ("outbound-edit", "/outbound-connectors/edit?id=To the partner&step=routing"),
    ("outbound-switch", "/outbound-connectors/switch?id=To the partner&to=off"),
    ("outbound-mailbox", "/connectors/add?Need=mailbox&Name=Through the mailbox"),
    ("connector-card", "/connectors/created?id=Printers of the third floor&test=1"),
    ("domain-dns", "/accepted-domains/dns?id=tailspin.test"),
    ("exchange-commands", "/outbound-connectors/exchange"),
    ("connector-validate", "/outbound-connectors/do/Validate-OutboundConnector?id=To the partner"),
    ("rule-order", "/route-rules/order"),
    ("account-card", "/accounts/card?id=scanner@contoso.test"),
    ("connector-switch", "/connectors/switch?id=Printers of the third floor&to=off"),
    ("domain-edit", "/accepted-domains/do/Set-AcceptedDomain?id=tailspin.test"),
    ("domain-remove", "/accepted-domains/do/Remove-AcceptedDomain?id=tailspin.test"),
    ("queue-details", "/queues?show=To the partner\\To the partner"),
    ("queue-suspend", "/queues/do/Suspend-Queue?id=To the partner"),
    ("simulator-refused", "/simulator?IP=192.0.2.9&From=printer@contoso.test&To=eve@outside.test"),
    ("simulator-accepted", "/simulator?IP=127.0.0.1&From=printer@contoso.test&To=eva@partner.test"),
    ("messages-all", "/messages/do/Suspend-Message?Domain=partner.test"),
    ("settings-details", "/settings?q=octets&show=limits.message_octets_max"),
    ("person-details", "/people?show=hel"),
    ("person-new", "/people/invite"),
    ("person-switch", "/people/switch?id=vic&to=off"),
    ("token-new", "/tokens/do/New-ApiToken"),
    ("audit-found", "/audit?Cmdlets=New-AcceptedDomain"),
    ("role-group-details", "/role-groups?show=Help Desk"),
    ("trace-words", "/trace?Search=to:eva@partner.test after:2h&span=7d"),
    ("trace-live", "/trace?live=1"),
    ("queues-live", "/queues?live=1"),
    ("home-live", "/?live=1"),
    ("refused-proposals", "/refused/proposals"),
    ("account", "/account"),
    ("search", "/search?q=tailspin"),
    ("nowhere", "/nowhere"),
)


def shown_pages() -> Sequence[tuple[str, str]]:
    """Return name and path of each."""
    menu = [(entry.path.strip("/") or "home", entry.path) for entry in entries() if entry.operation]
    return [*menu, *MORE]
