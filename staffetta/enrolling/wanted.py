"""What is ordered, and that it was not issued."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from staffetta.settings.acme import Acme

Put = Callable[[str, str, str], None]
"""Takes name, token and key authorization of a challenge that is about to be asked."""


class NotIssued(Exception):
    """There is no certificate now. The text says who refused what, and why."""


@dataclass(frozen=True, slots=True)
class Order:
    """account: file of the account's key, which is made where there is none."""

    acme: Acme
    names: tuple[str, ...]
    account: Path
