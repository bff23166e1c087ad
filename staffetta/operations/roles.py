"""Role groups, and who calls."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Exchange's role groups, as far as a relay has work for them."""

    ORGANIZATION_MANAGEMENT = "Organization Management"
    VIEW_ONLY = "View-Only Organization Management"
    HELP_DESK = "Help Desk"
    COMPLIANCE = "Compliance Management"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    organization: the only one that the caller sees; None sees all. source: "console", "api", "cli" or "shell".
    address: where the caller's request came from; None on this machine itself.
    """

    name: str
    roles: frozenset[Role]
    source: str
    organization: str | None = None
    address: str | None = None
