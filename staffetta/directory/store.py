"""The directory: objects that the console may change, in one SQLite database beside the spool.

Rule 1: a change and its audit row are one transaction; there is no way to change without the audit.
Rule 2: every change of an object raises the generation, so that the running relay sees it within a second.
Rule 3: any process may open it at any time; calls block for milliseconds, so an event loop makes them in a thread.
Rule 4: what would make the settings as a whole wrong is refused before it is written: the checks of the file are
the checks of the console.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from staffetta.directory import audit
from staffetta.directory.audit import AuditQuery, AuditRow, Author
from staffetta.directory.changing import Changing, read_objects
from staffetta.directory.database import DirectoryUnavailable, connect, prepare, told, transaction
from staffetta.directory.objects import Kind, Stored, declared_objects, name_of
from staffetta.directory.problems import (
    AlreadyNamed,
    ChangeRefused,
    Declared,
    ForeignOrganization,
    NotConsistent,
    NotThere,
    problems_of,
)
from staffetta.directory.transport import read_transport, tables_with
from staffetta.settings.model import Settings

__all__ = [
    "AlreadyNamed",
    "AuditQuery",
    "AuditRow",
    "Author",
    "ChangeRefused",
    "Changing",
    "Declared",
    "Directory",
    "DirectoryUnavailable",
    "ForeignOrganization",
    "Kind",
    "NotConsistent",
    "NotThere",
    "Stored",
    "name_of",
]


@dataclass(frozen=True, slots=True)
class _Kept:
    """All that settings are made of besides the file. transport: by key."""

    objects: Mapping[Kind, Sequence[Stored]]
    transport: Mapping[str, int]


class _Undo(Exception):
    """Ends a change that was only tried."""


class Directory:
    """See the head of this file. Any thread may call; settings may be the file's own, or merged ones."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._writer = connect(path)
        self._reader = connect(path)
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._seen = (-1, -1)
        self._kept: tuple[int, _Kept] = (-1, _Kept({}, {}))
        self._merged: tuple[int, Settings, Settings] | None = None

    @classmethod
    def open(cls, data_dir: Path, *, now: Callable[[], float] = time.time) -> Self:
        """Open `<data_dir>/directory.sqlite`, made and brought up to date if need be. Raises DirectoryUnavailable.

        now: seconds since 1970.
        """
        path = prepare(data_dir)
        with told(path):
            return cls(path, now)

    def forget_overwritten(self) -> None:
        """Write the database anew, so that nothing stays of what was in it; what others read at the time may stay."""
        with self._writing, told(self._path):
            self._writer.execute("VACUUM")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def now(self) -> float:
        """Seconds since 1970."""
        return self._now()

    def close(self) -> None:
        """Let the database go; the directory is of no more use."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def generation(self) -> int:
        """Return a number that is another one after every change of an object, by whichever process; cheap.

        Raises DirectoryUnavailable, as do all that follow.
        """
        with self._reading, told(self._path):
            # Grows with every commit of another connection, and is asked without reading a page.
            ((version,),) = self._reader.execute("PRAGMA data_version").fetchall()
            if version != self._seen[0]:
                self._seen = (version, _generation(self._reader))
            return self._seen[1]

    def merged(self, settings: Settings) -> Settings:
        """Return the file's settings with the directory's objects after its own in each list.

        The same snapshot is returned as long as nothing changes. Raises NotConsistent where the two contradict.
        """
        generation, kept = self._all()
        declared = settings.declared
        known = self._merged
        if known is None or known[0] != generation or known[1] is not declared:
            merged = _merge(declared, kept)
            if problems := problems_of(merged):
                raise NotConsistent(problems)
            known = self._merged = (generation, declared, merged)
        return known[2]

    def objects(self, kind: Kind, settings: Settings, organization: str | None = None) -> Sequence[Stored]:
        """Return the objects of a kind: those of the file first, then ours by age.

        organization: only its own, and what belongs to nobody in particular.
        """
        found = (*declared_objects(kind, settings), *self._all()[1].objects[kind])
        if organization is None or kind is Kind.TRUSTED_AUTHORITY:
            return found
        return [each for each in found if each.organization.casefold() == organization.casefold()]

    @contextmanager
    def change(self, settings: Settings, author: Author, *, only_try: bool = False) -> Iterator[Changing]:
        """Change objects: all that is done within the `with` is committed at its end, nothing on an exception.

        only_try: check everything, and change nothing. Raises NotConsistent where the settings as a whole would be
        wrong, and were not before.
        """
        with self._writing, told(self._path), suppress(_Undo):
            if self._writer.in_transaction:
                raise RuntimeError("a change within a change")
            with transaction(self._writer):
                changing = Changing(self._writer, settings, author, self._now())
                yield changing
                if changing.has_changed_objects:
                    self._check(settings.declared)
                    self._writer.execute("UPDATE directory SET generation = generation + 1")
                if only_try:
                    raise _Undo

    def audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        """Return what was changed."""
        with self._reading, told(self._path):
            return list(audit.read(self._reader, query))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state; for the other modules of this room."""
        with self._reading, told(self._path), transaction(self._reader, "DEFERRED"):
            yield self._reader

    @contextmanager
    def noting(self) -> Iterator[sqlite3.Connection]:
        """A transaction for what is no change of anybody's, such as when a token was used last; for this room."""
        with self._writing, told(self._path), transaction(self._writer):
            yield self._writer

    def _check(self, declared: Settings) -> None:
        """Refuse what the change makes wrong; what was wrong before must not keep it from being mended."""
        after = problems_of(_merge(declared, _read(self._writer)))
        before = problems_of(_merge(declared, self._all()[1])) if after else []
        if new := [problem for problem in after if problem not in before]:
            raise NotConsistent(new)

    def _all(self) -> tuple[int, _Kept]:
        generation = self.generation()
        if self._kept[0] != generation:
            with self.reading() as connection:
                self._kept = (_generation(connection), _read(connection))
        return self._kept


def _read(connection: sqlite3.Connection) -> _Kept:
    return _Kept({kind: tuple(read_objects(connection, kind)) for kind in Kind}, read_transport(connection))


def _merge(declared: Settings, kept: _Kept) -> Settings:
    lists = {kind.value: (*getattr(declared, kind), *(each.value for each in kept.objects[kind])) for kind in Kind}
    return declared.with_objects(lists, tables_with(declared, kept.transport))


def _generation(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT generation FROM directory").fetchone()[0])
