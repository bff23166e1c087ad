"""One entry of the dictionary of codes."""

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
class Entry:
    """One meaning.

    codes: enhanced codes (`5.7.64`), or an error's own (`AADSTS7000215`); none: it is known by its words alone.
    words: must be in the text too, whatever their case; empty: any text.
    cause, fix: sentences. is_worth_waiting: whether it may go away by itself.
    """

    codes: tuple[str, ...]
    words: str
    cause: str
    fix: str
    whose: Whose
    is_worth_waiting: bool = False


def several(first: int, last: int, prefix: str) -> tuple[str, ...]:
    """Return codes that differ in their last number: several(606, 649, "5.7.")."""
    return tuple(f"{prefix}{number}" for number in range(first, last + 1))
