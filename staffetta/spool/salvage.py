"""What can be saved of a damaged spool is put into a fresh one (docs/spool.md).

Rule 1: nothing of the damaged spool is deleted or changed: it is moved aside whole, after the new one is on the disk.
Rule 2: what rests on a page that its tree does not reach is kept, and held: it may be older than what was lost.
Rule 3: delivered is believed wherever it is read, so that damage makes no second copy.
"""

import json
import mmap
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from staffetta.mail.queue_id import to_text
from staffetta.spool.content import CONTENT_FOLDER
from staffetta.spool.database import SALVAGED_SUFFIX, Row, connect, make_empty, refuse_newer, sync_folder, transaction
from staffetta.spool.lock import lock_folder
from staffetta.spool.pages import Found, Pages, tree
from staffetta.spool.spool import RecipientState
from staffetta.trace.search import DATABASE_NAME

_SCHEMA_COLUMNS = 5  # type, name, tbl_name, rootpage, sql
_LOOSE = ("message", "content", "recipient", "event", "refusal")  # told apart by their columns alone
_UNSAVED = ("notice", "queue_flow", "sqlite_sequence", "spool")  # emptied or counted at each start
_FITS: dict[str, type | tuple[type, ...]] = {"INTEGER": int, "REAL": (int, float), "TEXT": str, "BLOB": bytes}
_OPEN = "('ready', 'in attempt', 'deferred', 'held', 'unknown')"
_LOST = '{"reason":"the content was lost with a damaged page of the spool"}'
_DOUBTED = '{"reason":"saved from a damaged spool; an administrator decides"}'


@dataclass(slots=True)
class Salvaged:
    """What was saved. Counts, and queue ids where somebody must act.

    queued: recipients that go on by themselves. held: messages that wait for an administrator. lost: messages with
    open recipients whose content is gone; they count as failed, and nobody was told. loose: content whose message or
    recipients are gone, in files beside the quarantined database.
    """

    quarantine: str
    pages: int = 0
    pages_damaged: int = 0
    messages: int = 0
    queued: int = 0
    held: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table's columns, as the new database has them."""

    name: str
    types: tuple[str, ...]
    not_null: tuple[bool, ...]
    defaults: tuple[str | None, ...]

    def fits(self, row: Row) -> bool:
        """Say whether a row can be one of this table; columns that came later may be missing."""
        count = len(row)
        if not count or count > len(self.types):
            return False
        if any(self.not_null[at] and self.defaults[at] is None for at in range(count, len(self.types))):
            return False
        return all(
            isinstance(value, _FITS[kind]) if value is not None else not needed
            for value, kind, needed in zip(row, self.types, self.not_null, strict=False)
        )


def salvage(folder: Path, now: float) -> Salvaged:
    """Save what can be read into a fresh database, and move the old files into a folder beside it.

    now: seconds since 1970. Raises SpoolLocked where a relay runs, OSError and sqlite3.Error where the new database
    cannot be written, SpoolTooNew; then nothing was moved. Cut short at any point, it is to be run again.
    """
    lock = lock_folder(folder)
    try:
        quarantine = folder / datetime.fromtimestamp(now, UTC).strftime("damaged-%Y%m%dT%H%M%SZ")
        quarantine.mkdir(mode=0o700)
        done = folder / f"{DATABASE_NAME}{SALVAGED_SUFFIX}"
        # A new database that is there already is of a salvage cut short while it moved files.
        result = Salvaged(str(quarantine)) if done.exists() else _build(folder, quarantine, done, now)
        _put_in_place(folder, quarantine, done)
        return result
    finally:
        os.close(lock)


def _build(folder: Path, quarantine: Path, done: Path, now: float) -> Salvaged:
    path = folder / DATABASE_NAME
    part = done.with_name(f"{done.name}.part")
    result = Salvaged(str(quarantine))
    with _mapped(path) as database, _mapped(path.with_name(f"{path.name}-wal")) as wal:
        pages = Pages(database, wal)
        refuse_newer(path, pages.version())
        for name in ("", "-wal", "-shm", "-journal"):
            part.with_name(part.name + name).unlink(missing_ok=True)
        make_empty(part, pages.version())
        with closing(connect(part)) as connection:
            with transaction(connection):
                _save_pages(connection, pages, result)
                _settle(connection, folder, quarantine, result, now)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode = DELETE")
    _write_synced(quarantine / "report.json", json.dumps(asdict(result), indent=2).encode())
    part.rename(done)
    sync_folder(folder)
    return result


def _put_in_place(folder: Path, quarantine: Path, done: Path) -> None:
    """Move the old files away and the new one in. While `done` is there, whatever else is there is old."""
    with closing(connect(done)) as connection:
        named = {file for (file,) in connection.execute("SELECT file FROM content WHERE file IS NOT NULL")}
        connection.execute("PRAGMA journal_mode = DELETE")
    (quarantine / CONTENT_FOLDER).mkdir(mode=0o700, exist_ok=True)
    content = folder / CONTENT_FOLDER
    if content.exists():
        for file in content.iterdir():
            if file.name not in named:
                file.rename(quarantine / CONTENT_FOLDER / file.name)
    for suffix in ("", "-wal", "-shm"):
        old = folder / f"{DATABASE_NAME}{suffix}"
        if old.exists():
            old.rename(quarantine / old.name)
    sync_folder(quarantine)
    sync_folder(folder)
    done.rename(folder / DATABASE_NAME)
    sync_folder(folder)


def _save_pages(connection: sqlite3.Connection, pages: Pages, result: Salvaged) -> None:
    """Insert rows of the trees, then rows of whatever else the files hold."""
    connection.execute("CREATE TEMP TABLE doubted (number INTEGER, recipient INTEGER, PRIMARY KEY (number, recipient))")
    tables = _tables(connection)
    seen: set[int] = set()
    roots, is_damaged = _roots(pages, seen)
    damaged = 0
    for table in tables.values():
        if table.name not in roots:
            continue
        for found in tree(pages, roots[table.name], seen):
            damaged += found.is_damaged
            _insert(connection, table, found.rows, is_doubted=False)
    result.pages = pages.count
    result.pages_damaged = damaged
    is_damaged = is_damaged or damaged > 0 or pages.log_damage is not None or not set(_LOOSE) <= roots.keys()
    if not is_damaged:
        return
    free = pages.free_pages()
    for found in _loose(pages, seen | free):
        for row in found.rows:
            for name in _LOOSE:
                if tables[name].fits(row):
                    _insert(connection, tables[name], [row], is_doubted=True)
                    break


def _loose(pages: Pages, known: set[int]) -> Iterator[Found]:
    yield from (pages.read(number) for number in range(1, pages.count + 1) if number not in known)
    yield from pages.stale()


def _roots(pages: Pages, seen: set[int]) -> tuple[dict[str, int], bool]:
    """Return the root pages of tables by name, and whether some of the schema cannot be read."""
    roots = {}
    is_damaged = False
    for found in tree(pages, 1, seen):
        is_damaged = is_damaged or found.is_damaged
        for row in found.rows:
            if len(row) == _SCHEMA_COLUMNS and row[0] == "table" and isinstance(row[3], int):
                roots[str(row[1])] = row[3]
    return roots, is_damaged


def _tables(connection: sqlite3.Connection) -> dict[str, _Table]:
    tables = {}
    for (name,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        if name in _UNSAVED:
            continue
        columns = connection.execute(f"PRAGMA main.table_info({name})").fetchall()
        _, _, types, not_null, defaults, keys = zip(*columns, strict=True)
        needed = tuple(bool(one or key) for one, key in zip(not_null, keys, strict=True))
        tables[name] = _Table(name, types, needed, defaults)
    return tables


def _insert(connection: sqlite3.Connection, table: _Table, rows: Sequence[Row], *, is_doubted: bool) -> None:
    """Insert what is not there yet."""
    columns = [name for (name,) in connection.execute(f"SELECT name FROM pragma_table_info('{table.name}')")]
    for row in rows:
        if not table.fits(row):
            continue
        names = ", ".join(columns[: len(row)])
        marks = ", ".join("?" * len(row))
        inserted = connection.execute(f"INSERT OR IGNORE INTO {table.name} ({names}) VALUES ({marks})", row).rowcount
        if table.name == "recipient":
            _weigh(connection, columns, row, is_new=inserted > 0, is_doubted=is_doubted)
        elif is_doubted and inserted and table.name in ("message", "content"):
            connection.execute("INSERT OR IGNORE INTO doubted VALUES (?, -1)", row[:1])


def _weigh(connection: sqlite3.Connection, columns: Sequence[str], row: Row, *, is_new: bool, is_doubted: bool) -> None:
    """Of two versions of a recipient, neither surely the newer, the one that says delivered is believed."""
    if is_new and is_doubted:
        connection.execute("INSERT OR IGNORE INTO doubted VALUES (?, ?)", row[:2])
    if not is_new and row[columns.index("state")] in (RecipientState.DELIVERED, RecipientState.DELETED):
        diagnostic = row[columns.index("diagnostic")]
        connection.execute(
            f"UPDATE recipient SET state = ?, due_at = NULL, diagnostic = ? WHERE number = ? AND recipient = ? "
            f"AND state IN {_OPEN}",
            (row[columns.index("state")], diagnostic, *row[:2]),
        )


def _settle(connection: sqlite3.Connection, folder: Path, quarantine: Path, result: Salvaged, now: float) -> None:
    """Make a whole spool of the rows that are there: nothing is queued that lacks its message or its content."""
    _drop_short_files(connection, folder)
    _write_loose(connection, folder, quarantine, result)
    connection.execute("DELETE FROM recipient WHERE number NOT IN (SELECT number FROM message)")
    connection.execute("DELETE FROM event WHERE number NOT IN (SELECT number FROM message)")
    without = f"state IN {_OPEN} AND number NOT IN (SELECT number FROM content)"
    stale = "number IN (SELECT number FROM doubted WHERE recipient = -1)"
    # A doubted message without content may be one that ended long ago: it is no loss, and nothing to tell of.
    connection.execute(f"DELETE FROM recipient WHERE {without} AND {stale}")
    (generation,) = connection.execute("SELECT coalesce(max(sequence >> 40), 0) + 1 FROM event").fetchone()
    connection.execute("UPDATE spool SET generation = ?", (generation,))
    lost = connection.execute(f"SELECT number, recipient FROM recipient WHERE {without}").fetchall()
    _close(connection, lost, RecipientState.FAILED, "Fail", _LOST, generation << 40, now)
    doubted = connection.execute(
        f"SELECT number, recipient FROM recipient r WHERE state IN {_OPEN} AND state <> 'held' AND EXISTS "
        "(SELECT 1 FROM doubted d WHERE d.number = r.number AND d.recipient IN (-1, r.recipient))"
    ).fetchall()
    _close(connection, doubted, RecipientState.HELD, "Hold", _DOUBTED, (generation << 40) + len(lost), now)
    connection.execute(f"DELETE FROM content WHERE number NOT IN (SELECT number FROM recipient WHERE state IN {_OPEN})")
    result.lost = [to_text(number) for number in sorted({number for number, _ in lost})]
    result.held = [to_text(number) for number in sorted({number for number, _ in doubted})]
    (result.messages,) = connection.execute("SELECT count(*) FROM message").fetchone()
    (result.queued,) = connection.execute("SELECT count(*) FROM recipient WHERE due_at IS NOT NULL").fetchone()


def _close(
    connection: sqlite3.Connection,
    keys: Sequence[tuple[int, int]],
    state: RecipientState,
    kind: str,
    detail: str,
    sequence: int,
    now: float,
) -> None:
    """Give recipients a state without a due time, each with the event that tells of it."""
    for at, key in enumerate(keys):
        connection.execute(
            "UPDATE recipient SET state = ?, due_at = NULL WHERE number = ? AND recipient = ?", (state.value, *key)
        )
        connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", (key[0], sequence + at, key[1], now, kind, detail)
        )


def _drop_short_files(connection: sqlite3.Connection, folder: Path) -> None:
    """Forget content whose file is gone or cut."""
    rows = connection.execute(
        "SELECT c.number, c.file, length(c.octets), m.size FROM content c LEFT JOIN message m USING (number) "
        "WHERE c.file IS NOT NULL"
    ).fetchall()
    for number, file, prefix, size in rows:
        path = folder / CONTENT_FOLDER / Path(file).name
        if not path.is_file() or (size is not None and path.stat().st_size + prefix != size):
            connection.execute("DELETE FROM content WHERE number = ?", (number,))


def _write_loose(connection: sqlite3.Connection, folder: Path, quarantine: Path, result: Salvaged) -> None:
    """Write content that no longer has a message and recipients to files, for an administrator to read and send."""
    rows = connection.execute(
        "SELECT number, file, octets FROM content WHERE number NOT IN (SELECT number FROM message) "
        "OR number NOT IN (SELECT number FROM recipient) ORDER BY number"
    )
    for number, file, octets in rows:
        queue_id = to_text(number) if number >= 0 else str(number)
        bulk = (folder / CONTENT_FOLDER / Path(file).name).read_bytes() if file else b""
        (quarantine / "mail").mkdir(mode=0o700, exist_ok=True)
        _write_synced(quarantine / "mail" / f"{queue_id}.eml", octets + bulk)
        addresses = connection.execute("SELECT address FROM recipient WHERE number = ?", (number,)).fetchall()
        _write_synced(quarantine / "mail" / f"{queue_id}.recipients", "".join(f"{a}\n" for (a,) in addresses).encode())
        result.loose.append(queue_id)


def _write_synced(path: Path, octets: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """Yield a file's octets, which are read where they are looked at; none where it is missing or empty."""
    if not path.exists() or path.stat().st_size == 0:
        yield memoryview(b"")
        return
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    yield memoryview(mapping)  # the mapping goes with the last view of it
