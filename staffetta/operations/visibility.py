"""Which mail a caller may know of: an organisation's own, by domain of sender or recipient, or by connector."""

from staffetta.operations.registry import Context
from staffetta.trace.own_mail import OwnMail


def own_mail(context: Context) -> OwnMail | None:
    """Return what tells the caller's own mail; None where all of it may be seen."""
    organization = context.caller.organization
    if organization is None:
        return None
    connectors = [each for each in context.settings.inbound_connectors if each.organization == organization]
    domains = [each for each in context.settings.accepted_domains if each.organization == organization]
    return OwnMail(
        connectors=frozenset(each.name for each in connectors),
        domains=frozenset(each.name for each in domains),
        parents=frozenset(each.name for each in domains if each.include_subdomains),
    )
