"""The directory: objects that the console may change, in one SQLite database beside the spool.

Rule 1: a change and its audit row are one transaction; there is no way to change without the audit.
Rule 2: every change raises the generation, so that the running relay sees it within a second.
Rule 3: any process may open it at any time; calls block for milliseconds, so an event loop makes them in a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from staffetta.settings.model import Settings
from staffetta.settings.objects import Section


class Kind(StrEnum):
    """What an object is; the value is the name of its list in Settings."""

    ORGANIZATION = "organizations"
    ACCEPTED_DOMAIN = "accepted_domains"
    INBOUND_CONNECTOR = "inbound_connectors"
    TRUSTED_AUTHORITY = "trusted_authorities"
    ACCOUNT = "accounts"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object and what is known about it. guid: lower case with dashes. created_at, changed_at: seconds since 1970.

    is_declared: it stands in the settings file, and can be changed there alone; its guid comes of kind and name.
    """

    kind: Kind
    guid: str
    organization: str
    value: Section
    created_at: float
    changed_at: float
    is_declared: bool = False


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change: who did what to which object, from where, and what it was before and after (None: not there)."""

    at: float
    actor: str
    source: str
    address: str | None
    operation: str
    organization: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Changing:
    """A transaction under way: several changes, all or none."""

    def put(self, kind: Kind, value: Section, *, guid: str | None = None) -> Stored:
        """Add an object, or with guid replace one. Raises AlreadyNamed where the name is taken."""
        raise NotImplementedError

    def remove(self, stored: Stored) -> None:
        """Remove an object."""
        raise NotImplementedError


class Directory:
    """See the head of this file."""

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Open `<data_dir>/directory.sqlite`, made and brought up to date if need be. Raises DirectoryUnavailable."""
        raise NotImplementedError

    def generation(self) -> int:
        """A number that is another one after every change, by whichever process; cheap enough to ask often."""
        raise NotImplementedError

    def merged(self, declared: Settings) -> Settings:
        """Return the file's settings with the directory's objects after its own in each list."""
        raise NotImplementedError

    def objects(self, kind: Kind, declared: Settings, organization: str | None = None) -> Sequence[Stored]:
        """Return the objects of a kind: those of the file first, then ours by age."""
        raise NotImplementedError
