"""The directory's SQLite database: made, opened, brought up to date.

Rule 1: every connection has `synchronous=FULL`; a change that was reported done survives a power cut.
Rule 2: a database that is damaged, empty or newer than this program is refused, never replaced.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

DATABASE_NAME = "directory.sqlite"
_BUSY_SECONDS = 5.0  # another process changes something; each change takes milliseconds


class DirectoryUnavailable(Exception):
    """The directory cannot be read or changed. The text says why and what to do."""


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says into DirectoryUnavailable."""
    try:
        yield
    except sqlite3.OperationalError as error:
        busy = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
        advice = (
            "Another process is changing it; try again." if busy else "Look at the disk and at who may write there."
        )
        raise DirectoryUnavailable(f"The directory {path} cannot be used: {error}. {advice}") from error
    except sqlite3.DatabaseError as error:
        raise DirectoryUnavailable(
            f"The directory {path} is damaged ({error}). Restore it from a backup, or move it away "
            "to go on with what the settings file says alone."
        ) from error


def is_there(data_dir: Path) -> bool:
    """Whether a directory has been made. Raises DirectoryUnavailable where we may not look."""
    path = data_dir / DATABASE_NAME
    try:
        return path.exists()
    except OSError as error:
        raise DirectoryUnavailable(f"The directory {path} cannot be used: {error.strerror}.") from error


def prepare(data_dir: Path) -> Path:
    """Make the database, or bring it up to date, and return its path. Raises DirectoryUnavailable."""
    path = data_dir / DATABASE_NAME
    with told(path):
        try:
            if not path.exists():
                data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
                _make(path)
            is_empty = path.stat().st_size == 0
        except OSError as error:
            raise DirectoryUnavailable(f"The directory {path} cannot be used: {error.strerror}.") from error
        if is_empty:
            raise sqlite3.DatabaseError("the file is empty")
        connection = connect(path)
        try:
            if _version(connection) == 0:
                raise sqlite3.DatabaseError("it has no version, so it is none of ours")
            _migrate(connection, path)
        finally:
            connection.close()
    return path


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, usable by one thread at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is removed is no longer in the file
    except sqlite3.Error:
        connection.close()
        raise
    return connection


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


def _make(path: Path) -> None:
    """Make it beside its place and put it there whole, so that an empty file is always damage.

    Where another process was faster, its database stands.
    """
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)  # its mode is 0600
    os.close(descriptor)
    new = Path(name)
    try:
        connection = connect(new)
        try:
            _migrate(connection, new)
        finally:
            connection.close()
        if os.geteuid() == 0:  # the relay needs it, which is another user: the one whose folder this is
            os.chown(new, path.parent.stat().st_uid, path.parent.stat().st_gid)
        try:
            path.hardlink_to(new)
        except FileExistsError:
            return
    finally:
        new.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrations() -> Sequence[tuple[int, str]]:
    folder = resources.files(__package__).joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in files]


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    migrations = _migrations()
    if _version(connection) == migrations[-1][0]:
        return
    with transaction(connection):
        version = _version(connection)  # asked again: another process may have been at it
        if version > migrations[-1][0]:
            raise DirectoryUnavailable(
                f"The directory {path} has version {version}; this program knows {migrations[-1][0]}. "
                "Start the newer version of the relay that wrote it."
            )
        for number, script in migrations:
            if number > version:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """One by one, since executescript() would end the transaction that checks the version."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
