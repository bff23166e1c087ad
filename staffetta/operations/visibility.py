"""Which mail a caller may know of: an organisation's own, by domain of sender or recipient, or by connector."""

from collections.abc import Callable

from staffetta.operations.registry import Context
from staffetta.trace.query import Only


def own_mail(context: Context) -> Only | None:
    """Return what tells the caller's own mail; None where all of it may be seen."""
    if context.caller.organization is None:
        return None
    is_own_domain = _own_domain(context)
    connectors = {
        connector.name
        for connector in context.settings.inbound_connectors
        if connector.organization == context.caller.organization
    }

    def is_own(sender: str, recipient: str, connector: str | None, peer: str, subject: str | None) -> bool:
        return connector in connectors or is_own_domain(sender) or is_own_domain(recipient)

    return is_own


def _own_domain(context: Context) -> Callable[[str], bool]:
    own = [each for each in context.settings.accepted_domains if each.organization == context.caller.organization]
    names = {each.name for each in own}
    above = tuple(f".{each.name}" for each in own if each.include_subdomains)

    def is_own(address: str) -> bool:
        domain = address.rpartition("@")[2].lower()
        return domain in names or domain.endswith(above)

    return is_own
