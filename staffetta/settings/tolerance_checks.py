"""Checks of tolerances: what a profile bears, and that whoever names one names one that there is."""

from staffetta.settings.found import Found, known_hint
from staffetta.settings.model import Settings


def check_tolerances(settings: Settings) -> Found:
    """Yield everything that is wrong."""
    for index, profile in enumerate(settings.tolerances):
        if not profile.tolerates:
            yield ("tolerances", index, "tolerates"), 'it is empty; write what is borne, such as ["old-tls"]'
    known = {profile.name for profile in settings.tolerances}
    for section in ("listeners", "inbound_connectors"):
        for index, entry in enumerate(getattr(settings, section)):
            if (name := entry.tolerance) is not None and name not in known:
                yield (section, index, "tolerance"), f"there is no tolerance {name!r}; {known_hint(name, known)}"
