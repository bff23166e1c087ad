"""Opening a spool: versions, locks, damage; and that no query reads a queue whole."""

import asyncio
import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

import staffetta.spool
from staffetta.spool.database import SQL, SpoolDamaged, SpoolTooNew, connect, prepare
from staffetta.spool.lock import SpoolLocked
from staffetta.spool.spool import DueLine
from staffetta.spool.sqlite import SqliteSpool


async def open_and_close(folder: Path) -> None:
    await (await SqliteSpool.open(folder, free_octets_min=0)).close()


def test_folder_and_database_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    asyncio.run(open_and_close(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "spool.db").stat().st_mode) == 0o600


def test_a_second_owner_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    async def test() -> None:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0)
        with pytest.raises(SpoolLocked) as caught:
            await SqliteSpool.open(tmp_path, free_octets_min=0)
        assert str(tmp_path) in str(caught.value)
        assert f"process {os.getpid()}" in str(caught.value)
        await spool.close()
        await open_and_close(tmp_path)

    asyncio.run(test())


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    asyncio.run(open_and_close(tmp_path))
    connection = sqlite3.connect(tmp_path / "spool.db")
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with pytest.raises(SpoolTooNew, match="has version 9999"):
        asyncio.run(open_and_close(tmp_path))


def test_what_an_older_version_has_queued_stands_in_its_connectors_line(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as connection, connection:
        for script in sorted(Path(staffetta.spool.__file__).with_name("migrations").glob("000[1-4]_*.sql")):
            connection.executescript(script.read_text("utf-8"))
        connection.execute("PRAGMA user_version = 4")
        for number, connector, state, due_at in ((1, "erp", "ready", 5.0), (2, None, "deferred", 6.0)):
            row = (number, None, None, None, "", "7BIT", 0, 0, None, None, 3, 0, 1.0, "S", "::1", None, connector, 0)
            connection.execute(SQL["insert_message"], row)
            connection.execute(SQL["insert_content"], (number, None, b"\r\n"))
            connection.execute(
                "INSERT INTO recipient (number, recipient, address, address_key, notify, route, destination, state,"
                " due_at) VALUES (?, 0, 'a@b.test', 'a@b.test', 0, 'out', 'b.test', ?, ?)",
                (number, state, due_at),
            )

    async def lines() -> list[DueLine]:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0)
        try:
            assert [claim.number for claim in await spool.claim("out", "b.test", "erp", 9.0, 10)] == [1]
            return await spool.due()
        finally:
            await spool.close()

    assert asyncio.run(lines()) == [DueLine("out", "b.test", None, 6.0)]


@pytest.mark.parametrize("damage", [b"\xff" * 4096, b""])
def test_a_damaged_database_is_refused_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    asyncio.run(open_and_close(tmp_path))
    path = tmp_path / "spool.db"
    path.write_bytes(damage)
    with pytest.raises(SpoolDamaged, match="does not start with an empty queue"):
        asyncio.run(open_and_close(tmp_path))
    assert path.read_bytes() == damage


def test_a_failed_start_lets_the_folder_go(tmp_path: Path) -> None:
    asyncio.run(open_and_close(tmp_path))
    whole = (tmp_path / "spool.db").read_bytes()
    (tmp_path / "spool.db").write_bytes(b"\xff" * 4096)
    with pytest.raises(SpoolDamaged):
        asyncio.run(open_and_close(tmp_path))
    (tmp_path / "spool.db").write_bytes(whole)
    asyncio.run(open_and_close(tmp_path))


def test_every_committing_connection_syncs(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("next_connector", ("", "", "")),
        ("next_destination", ("", "")),
        ("next_route", ("",)),
        ("line_due", ("", "", "")),
        ("claimable", ("", "", "", 0.0)),
        ("interrupted", ()),
        ("open_commands", ()),
        ("to_release", ()),
        ("one_message", (1,)),
        ("begin_attempt", (1, 0)),
        ("drop_content", (1,)),
        ("named_files", ()),
        ("numbers_with_file", ("[]",)),
        ("count_waiting", (0.0,)),
        ("count_in_attempt", ()),
        ("count_held", ()),
    ],
)
def test_no_statement_walks_a_table_or_sorts(tmp_path: Path, name: str, arguments: tuple[object, ...]) -> None:
    connection = prepare(tmp_path, connect)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", arguments)]
    connection.close()
    for step in plan:
        walks_a_small_index = any(
            small in step
            for small in (
                "recipient_in_attempt",
                "recipient_held",
                "queue_command_open",
                "content_with_file",
                "COVERING",
                "json_each",
            )
        )
        assert not step.startswith("SCAN") or walks_a_small_index, plan
