"""What an organisation's own administrators may not do, since another organisation's mail hangs on it.

Rule 1: a domain above or below one of another organisation is not theirs to take mail for: what the one accepts, or
proves by a certificate's name, the other would answer for.
Rule 2: a trusted authority on which another organisation's connectors rely is not theirs to change or remove.
Both hold for whoever writes objects of one organisation only, the default one's too.
"""

from collections.abc import Iterable

from staffetta.directory.objects import Stored
from staffetta.directory.problems import ChangeRefused
from staffetta.settings.objects import AcceptedDomain, InboundConnector, Section, TrustedAuthority


def check_neighbours(
    organization: str | None, value: Section, present: Iterable[Stored], *, is_new: bool = False
) -> None:
    """Raise ChangeRefused where adding, changing or removing an object concerns another organisation.

    organization: the author's only one; None: all are his. present: domains and inbound connectors as they are.
    """
    if organization is None:
        return
    others = [each.value for each in present if each.organization.casefold() != organization.casefold()]
    if isinstance(value, AcceptedDomain) and is_new:
        domains = {each.name for each in others if isinstance(each, AcceptedDomain)}
        if any(_is_below(value.name, each) or _is_below(each, value.name) for each in domains):
            raise ChangeRefused(
                f"The domain {value.name!r} is above or below one of another organization. "
                "An administrator of the whole relay may add it; ask one."
            )
    elif isinstance(value, TrustedAuthority):
        names = {each.trusted_authority.casefold() for each in others if isinstance(each, InboundConnector)}
        if value.name.casefold() in names:
            raise ChangeRefused(
                f"Connectors of other organizations rely on the trusted authority {value.name!r}. "
                "An administrator of the whole relay may change it; ask one, or make another authority."
            )


def _is_below(domain: str, other: str) -> bool:
    return domain.endswith(f".{other}")
