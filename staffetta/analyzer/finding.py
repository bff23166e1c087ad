"""One sentence of what the fields mean, and how much it weighs."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """text: a sentence. field: the name of the field that it rests on. reference: an RFC or a document."""

    severity: Severity
    text: str
    field: str
    reference: str
