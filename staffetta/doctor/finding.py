"""What a check says: findings, each of a kind that is declared beside the check and listed in docs/doctor.md.

Rule 1: a kind has one severity, one reason why it matters, and one thing to do, with names filled in.
Rule 2: what could not be looked at is said (NotChecked), and is no finding.
"""

from dataclasses import dataclass
from enum import StrEnum

from staffetta.mail.sentence import sentence


class Severity(StrEnum):
    """ERROR: mail stops, gets lost, or comes from strangers. WARNING: some suffers, or soon will."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. seen: what exactly. why: why it matters. action: what to do about it."""

    severity: Severity
    code: str
    seen: str
    why: str
    action: str


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A check, or a part of it, that could not be made. why: in words."""

    why: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. code: stable, for programs. action: with `{names}` that found() fills in."""

    code: str
    severity: Severity
    why: str
    action: str

    def found(self, seen: str, **words: object) -> Finding:
        """Return the finding. words: what stands for the names in action."""
        return Finding(self.severity, self.code, seen, sentence(self.why), sentence(self.action, **words))
