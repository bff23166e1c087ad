"""The dictionary of codes: what a refusal means in plain words, what mends it, who can, and whether waiting helps."""

from dataclasses import dataclass
from enum import StrEnum


class Whose(StrEnum):
    """Who can mend it."""

    SENDER = "the sender"
    RELAY = "the administrator of this relay"
    TENANT = "the administrator of the mail service"
    RECIPIENT = "the recipient's side"
    NETWORK = "the network"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One entry. cause, fix: sentences. is_worth_waiting: whether it may go away by itself."""

    cause: str
    fix: str
    whose: Whose
    is_worth_waiting: bool = False


def explain(reply: str) -> Meaning | None:
    """Return what a reply, or our own diagnostic, means; None where it is not in the dictionary."""
    return None
