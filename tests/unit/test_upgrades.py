"""What any version of ours has written, this one opens: nothing is lost, and the result is as if made new."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import staffetta.directory
import staffetta.spool
from staffetta.directory import database as directory_database
from staffetta.directory.audit import AuditQuery
from staffetta.directory.store import Directory, Kind
from staffetta.mail.queue_id import make_number
from staffetta.settings.model import Settings
from staffetta.spool import database as spool_database
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Status
from staffetta.trace.search import TraceQuery, search

NOW = 1_800_000_000.0
STATES = {"ready": NOW, "deferred": NOW, "unknown": NOW, "held": None, "in attempt": NOW, "delivered": None}
LARGE = b"x" * 10_000


def scripts(room: str) -> list[str]:
    """The migrations of a room, oldest first."""
    folder = Path(room).with_name("migrations")
    return [path.read_text("utf-8") for path in sorted(folder.glob("*.sql"))]


SPOOL, DIRECTORY = scripts(staffetta.spool.__file__), scripts(staffetta.directory.__file__)


@contextmanager
def of_version(path: Path, migrations: list[str], version: int) -> Iterator[sqlite3.Connection]:
    """A database as the program of that version made it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for script in migrations[:version]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version = {version}")
        yield connection


def schema(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY 1, 2").fetchall()


def fill_spool(connection: sqlite3.Connection, folder: Path) -> None:
    """One message in each state, by what every version had; the ready one is large."""
    for number, (state, due_at) in enumerate(STATES.items(), start=make_number(int(NOW * 1_000_000), 0, 0)):
        connection.execute(
            "INSERT INTO message (number, message_id, subject, reverse_path, reverse_path_key, body, smtputf8,"
            " require_tls, size, has_eight_bit, received_at, session_id, peer_address, connector, is_once)"
            " VALUES (?, '<1@a.test>', ?, 'a@a.test', 'a@a.test', '7BIT', 0, 0, 3, 0, ?, 'S', '192.0.2.1', 'erp', 0)",
            (number, state, NOW),
        )
        connection.execute(
            "INSERT INTO recipient (number, recipient, address, address_key, notify, route, destination, state, due_at)"
            " VALUES (?, 0, 'b@b.test', 'b@b.test', 0, 'out', 'b.test', ?, ?)",
            (number, state, due_at),
        )
        connection.execute("INSERT INTO event VALUES (?, 0, NULL, ?, 'Receive', '{}')", (number, NOW))
        if state != "delivered":
            file = "large" if state == "ready" else None
            connection.execute("INSERT INTO content VALUES (?, ?, ?)", (number, file, b"prefix"))
    (folder / "content").mkdir()
    (folder / "content" / "large").write_bytes(LARGE)


@pytest.mark.parametrize("version", range(1, len(SPOOL) + 1))
def test_a_spool_of_any_version_goes_on_where_it_was(version: int, tmp_path: Path) -> None:
    with of_version(tmp_path / "spool.db", SPOOL, version) as connection:
        fill_spool(connection, tmp_path)

    async def due(later: float) -> dict[str, bytes]:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0, clock=lambda: NOW, unknown_retry_seconds=300)
        try:
            lines = [(line.route, line.destination, line.connector) for line in await spool.due()]
            claims = [claim for line in lines for claim in await spool.claim(*line, NOW + later, 100)]
            return {
                claim.subject or "": b"".join([piece async for piece in claim.content.chunks()]) for claim in claims
            }
        finally:
            await spool.close()

    small, large = b"prefix", b"prefix" + LARGE
    assert asyncio.run(due(later=0)) == {"ready": large, "deferred": small, "unknown": small}
    assert asyncio.run(due(later=300)) == {"ready": large, "deferred": small, "unknown": small, "in attempt": small}
    rows = search(tmp_path, TraceQuery(limit=100)).rows
    assert {row.subject: row.status for row in rows} == {
        "ready": Status.GETTING_STATUS,
        "delivered": Status.DELIVERED,
        **dict.fromkeys(("deferred", "unknown", "held", "in attempt"), Status.PENDING),
    }


@pytest.mark.parametrize("version", range(1, len(SPOOL) + 1))
def test_an_upgraded_spool_is_as_one_made_new(version: int, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    with of_version(old / "spool.db", SPOOL, version) as connection:
        fill_spool(connection, old)
    for folder in (old, new):
        spool_database.prepare(folder, spool_database.connect).close()
    assert schema(old / "spool.db") == schema(new / "spool.db")


@pytest.mark.parametrize("version", range(1, len(DIRECTORY) + 1))
def test_a_directory_of_any_version_keeps_objects_and_audit(version: int, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    with of_version(old / directory_database.DATABASE_NAME, DIRECTORY, version) as connection:
        connection.execute(
            "INSERT INTO object VALUES (1, 'accepted_domains', '8f14e45f-ceea-467f-a8f0-0a0a0a0a0a0a', 'contoso.test',"
            " ?, ?, ?)",
            (json.dumps({"name": "contoso.test", "route": "outside"}), NOW, NOW),
        )
        connection.execute(
            "INSERT INTO audit VALUES (1, ?, 'ada', 'cli', NULL, 'New-AcceptedDomain', '', 'accepted_domains',"
            " 'contoso.test', NULL, '{}')",
            (NOW,),
        )
    directory = Directory.open(old)
    try:
        settings = Settings(hostname="relay.test", data_dir=old)
        (domain,) = directory.objects(Kind.ACCEPTED_DOMAIN, settings)
        assert domain.value.name == "contoso.test"
        assert [row.operation for row in directory.audit(AuditQuery())] == ["New-AcceptedDomain"]
    finally:
        directory.close()
    Directory.open(new).close()
    assert schema(old / directory_database.DATABASE_NAME) == schema(new / directory_database.DATABASE_NAME)
