"""What an organisation's own administrators may have their mail reach: what the relay's operator gave them.

Rule 1: a route may be named that the organisation was given, or that an object of it takes already.
Rule 2: what was given is not theirs to change.
Both hold for whoever writes objects of that organisation only; decision 081 says why.
"""

from collections.abc import Iterable

from staffetta.directory.objects import Stored
from staffetta.directory.problems import ChangeRefused
from staffetta.settings.objects import DEFAULT_ORGANIZATION, AcceptedDomain, Organization, OutboundConnector, Section

_GIVEN = ("allow_private_next_hops", "routes")


def check_reach(organization: str | None, value: Section, old: Section | None, present: Iterable[Stored]) -> None:
    """Raise ChangeRefused where an object leads further than its author may.

    organization: the author's only one; None: the whole relay is his, as it is for the default organisation's.
    old: what the object is so far. present: organisations, domains and outbound connectors as they are.
    """
    if organization is None or organization == DEFAULT_ORGANIZATION:
        return
    if isinstance(value, Organization):
        before = old or Organization(name=value.name)
        if any(getattr(value, key) != getattr(before, key) for key in _GIVEN):
            raise ChangeRefused("What an organization may reach, an administrator of the whole relay says; ask one.")
    elif isinstance(value, AcceptedDomain | OutboundConnector) and value.route is not None:
        allowed = set(_routes_of(organization, present))
        if value.route not in allowed and "*" not in allowed:
            yours = f"yours are: {', '.join(sorted(allowed))}" if allowed else "you have none"
            raise ChangeRefused(
                f"The route {value.route!r} is not one that the organization {organization!r} was given; {yours}. "
                "An administrator of the whole relay gives more: Set-OrganizationConfig -Routes."
            )


def _routes_of(organization: str, present: Iterable[Stored]) -> Iterable[str]:
    for stored in present:
        if stored.organization == organization:
            if isinstance(stored.value, Organization):
                yield from stored.value.routes
            elif isinstance(stored.value, AcceptedDomain | OutboundConnector) and stored.value.route is not None:
                yield stored.value.route
