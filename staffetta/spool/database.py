"""The spool's SQLite database: connections, statements by name, versions.

Rule 1: a connection that commits has `synchronous=FULL`; without it a power cut takes acknowledged mail.
Rule 2: a migration is one transaction; a database that is damaged or newer than this program is refused.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from staffetta.spool.pages import read_log
from staffetta.trace.search import DATABASE_NAME

Row = tuple[str | int | float | bytes | None, ...]
Connect = Callable[[Path], sqlite3.Connection]
"""How to open a connection; tests put a disk with faults here."""

SQLITE_OLDEST = (3, 37, 0)  # STRICT tables
KEYS_PER_TRANSACTION_MAX = 5_000  # what a command or a clean-up changes at a time, so that clients wait little
SALVAGED_SUFFIX = ".salvaged"  # a database that a salvage has made and not yet put in its place
_BUSY_SECONDS = 5.0  # the command line writes one row at a time; nobody else writes
_CACHE_KIBIBYTES = 32 * 1024
_WAL_OCTETS_KEPT = 64 * 1024 * 1024  # after a checkpoint the WAL file is cut to this


class SpoolCannotOpen(Exception):
    """The spool does not start. The text says why and what to do; show it to the operator and exit."""


class SpoolDamaged(SpoolCannotOpen):
    """The database is not sound. `staffetta spool salvage` saves what can be read, or restore it from a backup."""


class SpoolTooNew(SpoolCannotOpen):
    """A newer version wrote this database. Start that version."""


def _load_statements() -> dict[str, str]:
    text = resources.files(__package__).joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


SQL = _load_statements()
"""The statements of queries.sql by name."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, usable by one thread at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_OCTETS_KEPT}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(folder: Path, open_connection: Connect) -> sqlite3.Connection:
    """Return the writing connection to the folder's database, made or brought up to date. Raises SpoolCannotOpen."""
    if sqlite3.sqlite_version_info < SQLITE_OLDEST:
        raise SpoolCannotOpen(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed.")
    path = folder / DATABASE_NAME
    if path.with_name(path.name + SALVAGED_SUFFIX).exists():
        raise SpoolDamaged(f"A salvage of {folder} was cut short. Run `staffetta spool salvage` again: it goes on.")
    try:
        if not path.exists():
            _make(path, open_connection)
        if path.stat().st_size == 0:
            raise sqlite3.DatabaseError("the file is empty")
        _check_log(path)
        connection = open_connection(path)
        try:
            _check(connection, path)
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise SpoolCannotOpen(f"The database {path} cannot be opened: {error}.") from error
        raise SpoolDamaged(
            f"The database {path} is damaged ({error}). `staffetta spool salvage` saves what can be read and keeps the "
            "damaged files; or restore it from a backup. The relay does not start with an empty queue by itself."
        ) from error
    return connection


def _make(path: Path, open_connection: Connect) -> None:
    """Make the database beside its place and move it there whole, so that an empty file is always damage."""
    if path.with_name(f"{path.name}-wal").exists():
        raise sqlite3.DatabaseError("it is missing, but its -wal file is there")
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    make_empty(new, open_connection=open_connection)
    new.rename(path)
    sync_folder(path.parent)


def make_empty(path: Path, version: int = 0, open_connection: Connect = connect) -> None:
    """Make an empty database, for its owner alone, as of a version; 0: this program's. Raises sqlite3.Error."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = open_connection(path)
    try:
        _migrate(connection, path, version or None)
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit at the end, roll back on any exception. kind: IMMEDIATE to write, DEFERRED to read one state."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def probe(connection: sqlite3.Connection) -> None:
    """Find out whether the disk takes a commit. Raises sqlite3.Error if not."""
    with transaction(connection):
        connection.execute("UPDATE spool SET probe = probe + 1")


def count_start(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the generation of this start and the highest message number so far (0 if none)."""
    with transaction(connection):
        ((generation,),) = connection.execute(
            "UPDATE spool SET generation = generation + 1 RETURNING generation"
        ).fetchall()
        ((highest,),) = connection.execute(
            "SELECT max(coalesce((SELECT max(number) FROM message), 0), coalesce((SELECT max(number) FROM refusal), 0))"
        ).fetchall()
    return generation, highest


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """A whole check would read every page, hours with a long trace: check what tells a damaged file at once."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        raise SpoolDamaged(f"The database {path} is not a spool: it has no version. Move it away.")
    connection.execute("SELECT generation, probe FROM spool").fetchone()
    for table in ("message", "content", "recipient", "event"):
        connection.execute(f"SELECT * FROM {table} ORDER BY number DESC LIMIT 1").fetchone()


def _migrations() -> Sequence[tuple[int, str]]:
    folder = resources.files(__package__).joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in files]


def refuse_newer(path: Path, version: int) -> None:
    """Raise SpoolTooNew for a version that this program does not know."""
    newest = _migrations()[-1][0]
    if version > newest:
        raise SpoolTooNew(
            f"The database {path} has version {version}; this program knows {newest}. "
            "Start the newer version of the relay that wrote it."
        )


def _check_log(path: Path) -> None:
    """SQLite passes in silence over a log that it cannot read: that would forget mail. Raises sqlite3.DatabaseError."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and (damage := read_log(memoryview(log.read_bytes())).damage):
        raise sqlite3.DatabaseError(damage)


def _migrate(connection: sqlite3.Connection, path: Path, last: int | None = None) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    migrations = _migrations()
    refuse_newer(path, version)
    for number, script in migrations:
        if version < number <= (last or number):
            # executescript sends statements as they stand, so that BEGIN, the steps and COMMIT are one transaction.
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
