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
    ("connector-card", "/connectors/created?id=Printers of the third floor&test=1"),
    ("connector-switch", "/connectors/switch?id=Printers of the third floor&to=off"),
    ("domain-edit", "/accepted-domains/do/Set-AcceptedDomain?id=tailspin.test"),
    ("domain-remove", "/accepted-domains/do/Remove-AcceptedDomain?id=tailspin.test"),
    ("account", "/account"),
    ("search", "/search?q=tailspin"),
    ("nowhere", "/nowhere"),
)


def shown_pages() -> Sequence[tuple[str, str]]:
    """Return name and path of each."""
    menu = [(entry.path.strip("/") or "home", entry.path) for entry in entries() if entry.operation]
    return [*menu, *MORE]
