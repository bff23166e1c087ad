"""Real damage to a real spool: what can be read is saved, the rest is named, nothing is deleted."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from staffetta.mail.outcome import Delivered, Stage
from staffetta.mail.queue_id import to_text
from staffetta.spool.checking import troubles
from staffetta.spool.database import SpoolDamaged, SpoolTooNew
from staffetta.spool.lock import SpoolLocked
from staffetta.spool.salvage import Salvaged, salvage
from staffetta.spool.spool import Claim, RecipientState, Settlement
from staffetta.spool.sqlite import SqliteSpool
from tests.keeping import keep

NOW = 1_800_000_000.0
MESSAGES = 120
DELIVERED = 30
PAGE = 4096


@dataclass
class Sound:
    """A spool that was in use, as a crash leaves it: part of it in the -wal file. numbers: as they came."""

    folder: Path
    numbers: list[int]


def content_of(place: int) -> bytes:
    # Some of one page, some with overflow pages, some in files of their own.
    return f"Subject: {place}\r\n\r\n".encode() + b"%d\r\n" % place * (place % 7 * 600)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    folder = tmp_path_factory.mktemp("sound") / "spool"

    async def fill() -> Sound:
        spool = await SqliteSpool.open(folder, free_octets_min=0, content_in_memory_octets_max=8_000, clock=lambda: NOW)
        numbers = []
        for place in range(MESSAGES):
            numbers.append(await keep(spool, place, content_of(place), NOW))
        claims = await spool.claim("out", "example.net", None, NOW, DELIVERED)
        for claim in claims:
            await _deliver(spool, claim)
        shutil.copytree(folder, folder.with_name("copy"))  # before the close, which would empty the -wal file
        await spool.close()
        return Sound(folder.with_name("copy"), numbers)

    yield asyncio.run(fill())


async def _deliver(spool: SqliteSpool, claim: Claim) -> None:
    await spool.begin_attempt(claim, [0], {}, NOW)
    outcome = Delivered(status="2.0.0", diagnostic="250 Ok", stage=Stage.FINAL_DOT)
    await spool.settle([Settlement(claim.number, 0, RecipientState.DELIVERED, None, outcome, events=())])


@pytest.fixture
def spool(sound: Sound, tmp_path: Path) -> Sound:
    shutil.copytree(sound.folder, tmp_path / "spool")
    return Sound(tmp_path / "spool", sound.numbers)


def queued(folder: Path) -> dict[int, bytes]:
    """Start the salvaged spool and return what the queue would send, by message."""

    async def main() -> dict[int, bytes]:
        spool = await SqliteSpool.open(folder, free_octets_min=0, clock=lambda: NOW + 1000)
        found = {}
        while claims := await spool.claim("out", "example.net", None, NOW + 2000, 50):
            for claim in claims:
                found[claim.number] = b"".join([chunk async for chunk in claim.content.chunks()])
        await spool.close()
        return found

    return asyncio.run(main())


def overwrite(path: Path, at: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(octets)


def assert_nothing_is_lost_unnamed(spool: Sound, result: Salvaged) -> None:
    """Each message is queued as it was, or named: held, lost or loose, or not there at all with its pages counted."""
    sent = queued(spool.folder)
    for number, content in sent.items():
        assert content == content_of(spool.numbers.index(number))
    assert not set(spool.numbers[:DELIVERED]) & sent.keys(), "delivered before, and queued again"
    assert troubles(spool.folder) == []


def test_a_sound_spool_has_no_troubles(spool: Sound) -> None:
    assert troubles(spool.folder) == []


def test_all_of_a_sound_spool_is_saved_with_what_stands_in_its_log(spool: Sound) -> None:
    before = tables(spool.folder)
    result = salvage(spool.folder, NOW)
    assert (result.messages, result.held, result.lost, result.loose) == (MESSAGES, [], [], [])
    assert tables(spool.folder) == before
    assert queued(spool.folder).keys() == set(spool.numbers[DELIVERED:])


def tables(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(folder / "spool.db")) as connection:
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("message", "recipient", "event", "content", "queue_command", "suspension", "flow")
        }


@pytest.mark.parametrize("seed", range(6))
def test_with_random_pages_overwritten_the_others_are_saved(seed: int, spool: Sound) -> None:
    database = spool.folder / "spool.db"
    chance = random.Random(seed)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        used = [
            page - 1
            for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE pagetype <> 'overflow' ORDER BY 1")
        ]
    for page in chance.sample(used, 2):  # zeros in a free page, or at the end of a content, are no trouble that shows
        overwrite(database, page * PAGE, chance.randbytes(PAGE) if seed % 2 else bytes(PAGE))
    assert troubles(spool.folder)
    result = salvage(spool.folder, NOW)
    assert_nothing_is_lost_unnamed(spool, result)
    assert result.messages > MESSAGES * 0.6


def test_without_its_first_page_all_that_stands_elsewhere_is_saved_and_held(spool: Sound) -> None:
    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(spool.folder / "spool.db", 0, bytes(PAGE))
    with pytest.raises(SpoolDamaged, match="staffetta spool salvage"):
        queued(spool.folder)
    result = salvage(spool.folder, NOW)
    assert result.messages == MESSAGES
    assert result.held == [to_text(number) for number in spool.numbers[DELIVERED:]]
    assert queued(spool.folder) == {}


def test_a_truncated_database_gives_what_is_left(spool: Sound) -> None:
    database = spool.folder / "spool.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size // 2 + 100)
    assert troubles(spool.folder)
    result = salvage(spool.folder, NOW)
    assert_nothing_is_lost_unnamed(spool, result)
    assert result.messages > 0


@pytest.mark.parametrize(
    ("at", "says"), [(0, "head of its -wal file"), (32 + 24 + 5, "frame 1 of its -wal file")], ids=["head", "frame"]
)
def test_a_damaged_log_is_refused_at_the_start_and_what_stands_in_it_is_saved(at: int, says: str, spool: Sound) -> None:
    """SQLite would go on without the log: acknowledged mail would be gone, and nobody told."""
    overwrite(spool.folder / "spool.db-wal", at, b"\xa5" * 7)
    with pytest.raises(SpoolDamaged, match=says):
        queued(spool.folder)
    assert says in troubles(spool.folder)[0].replace("The head", "head").replace("Frame", "frame")
    result = salvage(spool.folder, NOW)
    assert result.messages == MESSAGES
    assert_nothing_is_lost_unnamed(spool, result)
    assert set(result.held) | {to_text(number) for number in queued(spool.folder)} >= {
        to_text(number) for number in spool.numbers[DELIVERED:]
    }


def test_a_log_cut_at_its_end_is_as_after_a_power_cut(spool: Sound) -> None:
    log = spool.folder / "spool.db-wal"
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 100)
    assert queued(spool.folder).keys() >= set(spool.numbers[DELIVERED:])


def test_content_whose_message_is_gone_is_written_to_a_file(spool: Sound) -> None:
    number = spool.numbers[101]
    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection, connection:
        connection.execute("DELETE FROM message WHERE number = ?", (number,))
    result = salvage(spool.folder, NOW)
    folder = Path(result.quarantine) / "mail"
    assert result.loose == [to_text(number)]
    assert (folder / f"{to_text(number)}.eml").read_bytes() == content_of(101)
    assert (folder / f"{to_text(number)}.recipients").read_text() == "r101@example.net\n"


def test_a_message_whose_content_is_gone_counts_as_failed_and_is_named(spool: Sound) -> None:
    number = spool.numbers[101]
    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection, connection:
        connection.execute("DELETE FROM content WHERE number = ?", (number,))
    assert troubles(spool.folder) == [f"{to_text(number)} is queued, and its content is gone."]
    result = salvage(spool.folder, NOW)
    assert result.lost == [to_text(number)]
    assert troubles(spool.folder) == []


def test_a_content_file_that_is_gone_or_cut_is_found_and_its_message_named(spool: Sound) -> None:
    files = sorted((spool.folder / "content").iterdir())
    files[0].unlink()
    with files[1].open("r+b") as file:
        file.truncate(10)
    assert len(troubles(spool.folder)) == 2
    result = salvage(spool.folder, NOW)
    assert len(result.lost) == 2
    assert (Path(result.quarantine) / "content" / files[1].name).exists()


def test_the_damaged_files_are_kept_as_they_were(spool: Sound) -> None:
    overwrite(spool.folder / "spool.db", 5 * PAGE, bytes(PAGE))
    before = {path.name: path.read_bytes() for path in spool.folder.glob("spool.db*") if "shm" not in path.name}
    troubles(spool.folder)
    result = salvage(spool.folder, NOW)
    kept = {path.name: path.read_bytes() for path in Path(result.quarantine).glob("spool.db*")}
    assert {name: kept[name] for name in before} == before
    assert Path(result.quarantine, "report.json").exists()


def test_a_salvage_cut_short_goes_on_and_no_start_comes_between(spool: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut at each of its renames: the relay refuses to start, or starts with all of it."""
    rename = Path.rename
    renames = 0

    def cut_at(last: int) -> Callable[[Path, Path], Path]:
        def counted(path: Path, target: Path) -> Path:
            nonlocal renames
            renames += 1
            if renames == last:
                raise KeyboardInterrupt
            return rename(path, target)

        return counted

    overwrite(spool.folder / "spool.db-wal", 0, bytes(8))
    for last in range(1, 6):
        renames = 0
        monkeypatch.setattr(Path, "rename", cut_at(last))
        try:
            salvage(spool.folder, NOW + last)
        except KeyboardInterrupt:
            monkeypatch.setattr(Path, "rename", rename)
            with pytest.raises(SpoolDamaged):
                queued(spool.folder)
        else:
            break
    monkeypatch.setattr(Path, "rename", rename)
    assert last > 3
    assert len(tables(spool.folder)["message"]) == MESSAGES


def test_a_running_relays_spool_is_not_salvaged(tmp_path: Path) -> None:
    async def main() -> None:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0)
        with pytest.raises(SpoolLocked):
            salvage(tmp_path, NOW)
        await spool.close()

    asyncio.run(main())
    assert not list(tmp_path.glob("damaged-*"))


def test_a_newer_versions_spool_is_not_salvaged(spool: Sound) -> None:
    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection:
        connection.execute("PRAGMA user_version = 9999")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with pytest.raises(SpoolTooNew):
        salvage(spool.folder, NOW)
