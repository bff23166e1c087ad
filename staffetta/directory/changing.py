"""A change of the directory under way: several objects in one transaction, each with its audit row."""

import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from staffetta.directory import audit
from staffetta.directory.audit import AuditRow, Author
from staffetta.directory.database import DirectoryUnavailable
from staffetta.directory.neighbours import check_neighbours
from staffetta.directory.objects import MODELS, Kind, Stored, declared_objects, name_of, organization_of, outside
from staffetta.directory.problems import AlreadyNamed, ChangeRefused, Declared, ForeignOrganization, NotThere
from staffetta.directory.reach import check_reach
from staffetta.settings.model import Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION, Section

_OF_ORGANIZATIONS = {"administrator": "administrator", "token": "API token"}
"""Tables whose rows belong to an organisation by its name, and what a row is called."""
_REACHING = (Kind.ORGANIZATION, Kind.ACCEPTED_DOMAIN, Kind.OUTBOUND_CONNECTOR)


class Changing:
    """A transaction under way: several changes, all or none. What it reads is what it has written so far.

    connection: for the other modules of this room, which keep their own tables; at: now, seconds since 1970.
    """

    def __init__(self, connection: sqlite3.Connection, settings: Settings, author: Author, at: float) -> None:
        self.connection = connection
        self.author = author
        self.at = at
        self.has_changed_objects = False
        self._settings = settings
        self._declared = {
            kind: {each.name.casefold(): each for each in declared_objects(kind, settings)} for kind in Kind
        }

    def objects(self, kind: Kind) -> Sequence[Stored]:
        """Return the objects of a kind as they are now: those of the file first, then ours by age."""
        return (*self._declared[kind].values(), *read_objects(self.connection, kind))

    def put(self, kind: Kind, value: Section, *, guid: str | None = None) -> Stored:
        """Add an object, or with guid replace one. Nothing is written where nothing changes.

        Raises AlreadyNamed, NotThere, Declared, ForeignOrganization; ChangeRefused where it leads too far.
        """
        if not isinstance(value, MODELS[kind]):
            raise TypeError(f"{kind} holds {MODELS[kind].__name__}, not {type(value).__name__}")
        old = None if guid is None else self._own(kind, guid)
        self.check_organization(organization_of(value), kind.words, name_of(value))
        if old is not None and old.value == value:
            return old
        present = (each for reaching in _REACHING for each in self.objects(reaching))
        check_reach(self.author.organization, value, old.value if old else None, present)
        check_neighbours(self.author.organization, old.value if old else value, self._neighbours(), is_new=old is None)
        name_key = name_of(value).casefold()
        taken = self.connection.execute("SELECT guid FROM object WHERE (kind, name_key) = (?, ?)", (kind, name_key))
        if name_key in self._declared[kind] or any(other != guid for (other,) in taken):
            raise AlreadyNamed(kind.words, name_of(value))
        guid = guid or str(uuid.uuid4())
        stored = Stored(kind, guid, organization_of(value), value, old.created_at if old else self.at, self.at)
        self.connection.execute(
            "INSERT INTO object (kind, guid, name_key, value, created_at, changed_at) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (guid) DO UPDATE SET name_key = excluded.name_key, value = excluded.value, "
            "changed_at = excluded.changed_at",
            (kind, guid, name_key, value.model_dump_json(), stored.created_at, self.at),
        )
        if kind is Kind.ORGANIZATION and old is not None:
            for table in _OF_ORGANIZATIONS:
                self.connection.execute(
                    f"UPDATE {table} SET organization = ? WHERE organization = ? COLLATE NOCASE",
                    (stored.name, old.name),
                )
        self._note(stored, outside(old.value) if old else None, outside(value))
        return stored

    def remove(self, stored: Stored) -> None:
        """Remove an object. Raises NotThere, Declared, ForeignOrganization; ChangeRefused where others need it."""
        old = self._own(stored.kind, stored.guid, stored.name)
        check_neighbours(self.author.organization, old.value, self._neighbours())
        for table, words in _OF_ORGANIZATIONS.items() if stored.kind is Kind.ORGANIZATION else ():
            kept = f"SELECT name FROM {table} WHERE organization = ? COLLATE NOCASE"
            for (name,) in self.connection.execute(kept, (old.name,)):
                raise ChangeRefused(f"The organization {old.name!r} has the {words} {name!r}; remove that first.")
        self.connection.execute("DELETE FROM object WHERE guid = ?", (old.guid,))
        self._note(old, outside(old.value), None)

    def _neighbours(self) -> Iterator[Stored]:
        return (each for kind in (Kind.ACCEPTED_DOMAIN, Kind.INBOUND_CONNECTOR) for each in self.objects(kind))

    def organization_named(self, name: str | None) -> str | None:
        """Return the organisation as it is spelt; None is all of them. Raises NotThere."""
        if name is None or name.casefold() == DEFAULT_ORGANIZATION:
            return name and DEFAULT_ORGANIZATION
        for stored in self.objects(Kind.ORGANIZATION):
            if stored.name.casefold() == name.casefold():
                return stored.name
        raise NotThere(Kind.ORGANIZATION.words, name)

    def check_organization(self, organization: str | None, words: str, name: str) -> None:
        """Raise ForeignOrganization where the author may not touch what belongs there; None: all of them."""
        only = self.author.organization
        if only is not None and (organization is None or organization.casefold() != only.casefold()):
            raise ForeignOrganization(words, name, organization)

    def audit(
        self,
        kind: str,
        target: str,
        organization: str | None,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """Write an audit row of what is changed through `connection`. before, after: JSON values, no secrets."""
        row = AuditRow(
            number=0,
            at=self.at,
            actor=self.author.actor,
            source=self.author.source,
            address=self.author.address,
            operation=self.author.operation,
            organization=organization or DEFAULT_ORGANIZATION,
            kind=kind,
            target=target,
            before=before,
            after=after,
        )
        audit.write(self.connection, row)

    def _own(self, kind: Kind, guid: str, name: str = "") -> Stored:
        """The object as it is now, where it is ours to change."""
        for declared in self._declared[kind].values():
            if declared.guid == guid:
                raise Declared(declared, self._settings)
        found = next(read_objects(self.connection, kind, guid), None)
        if found is None:
            raise NotThere(kind.words, name or guid)
        self.check_organization(found.organization, kind.words, found.name)
        return found

    def _note(self, stored: Stored, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        self.has_changed_objects = True
        self.audit(stored.kind.words, stored.name, stored.organization, before=before, after=after)


def read_objects(connection: sqlite3.Connection, kind: Kind, guid: str | None = None) -> Iterator[Stored]:
    """Yield the directory's own objects of a kind, by age; with guid, that one alone."""
    rows = connection.execute(
        "SELECT guid, value, created_at, changed_at FROM object WHERE kind = ?1 AND (?2 IS NULL OR guid = ?2) "
        "ORDER BY number",
        (kind, guid),
    )
    for each, text, created_at, changed_at in rows.fetchall():
        try:
            value = MODELS[kind].model_validate_json(text)
        except ValidationError as error:
            raise DirectoryUnavailable(_unreadable(kind, each, text, error)) from error
        yield Stored(kind, each, organization_of(value), value, created_at, changed_at)


def _unreadable(kind: Kind, guid: str, text: str, error: ValidationError) -> str:
    """What is wrong with a stored object, and what to do. Of its values only the name is told: others may be secret."""
    try:
        values = json.loads(text)
        name = values.get("name") or values.get("user_name") or guid
    except (ValueError, AttributeError):
        return (
            f"The {kind.words} {guid} of the directory is damaged: it is no object of JSON. "
            "Put back a copy of directory.sqlite, or remove the row."
        )
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(map(str, first["loc"])) or "the whole"
    return (
        f"The {kind.words} {name!r} ({guid}) of the directory cannot be read by this version: {key}: {first['msg']}. "
        "Start the version of the relay that wrote it, or put back a copy of directory.sqlite."
    )
