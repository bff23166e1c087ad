"""A backup of a relay that goes on working, and what it is worth when it is restored."""

import asyncio
import io
import json
import os
import sqlite3
import stat
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from staffetta.directory.store import Directory
from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Delivered, Stage
from staffetta.mail.queue_id import to_text
from staffetta.operations import backup as backups
from staffetta.operations.backup import BackupFailed, back_up, restore
from staffetta.operations.queues import waiting
from staffetta.operations.spools import open_spool, spool_folder
from staffetta.operations.trace import TraceQuery, find_messages
from staffetta.settings.file import load
from staffetta.settings.model import Limits, Settings
from staffetta.spool import snapshot as snapshots
from staffetta.spool.spool import Claim, NewMessage, RecipientState, RoutedRecipient, Settlement, SpoolUnavailable
from staffetta.spool.sqlite import SqliteSpool

SMALL_OCTETS_MAX = 100
SMALL, LARGE = b"Subject: small\r\n\r\n1\r\n", b"Subject: large\r\n\r\n" + b"x" * 5000 + b"\r\n"


def relay(data: Path) -> Settings:
    limits = Limits(content_in_memory_octets_max=SMALL_OCTETS_MAX, spool_free_octets_min=0)
    return Settings(hostname="relay.test", data_dir=data, limits=limits)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return relay(tmp_path / "data")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    return relay(tmp_path / "restored")


async def keep(spool: SqliteSpool, octets: bytes) -> int:
    recipient, number = Recipient(parse_mailbox("bob@example.net")), spool.next_number()
    draft = spool.open_draft()
    draft.write(octets)
    await spool.commit(
        NewMessage(
            number=number,
            message_id="<one@contoso.test>",
            subject="One",
            envelope=Envelope(parse_mailbox("ada@contoso.test"), (recipient,)),
            recipients=(RoutedRecipient(recipient, "out", "out"),),
            content=await draft.finish(b""),
            has_eight_bit=False,
            received_at=time.time(),
            session_id="S",
            peer_address="127.0.0.1",
            helo="client.example",
            connector=None,
        )
    )
    return number


async def deliver(spool: SqliteSpool, claim: Claim) -> None:
    outcome = Delivered(status="2.0.0", diagnostic="250 Ok", stage=Stage.FINAL_DOT)
    await spool.settle([Settlement(claim.number, 0, RecipientState.DELIVERED, None, outcome)])


async def contents(spool: SqliteSpool, now: float | None = None) -> dict[int, bytes]:
    claims = await spool.claim("out", "out", None, time.time() if now is None else now, 10_000)
    return {claim.number: b"".join([piece async for piece in claim.content.chunks()]) for claim in claims}


def filled(settings: Settings, *octets: bytes) -> list[int]:
    async def scene() -> list[int]:
        spool = await open_spool(settings)
        try:
            return [await keep(spool, each) for each in octets]
        finally:
            await spool.close()

    return asyncio.run(scene())


def in_spool(settings: Settings, after_seconds: float = 0.0) -> dict[int, bytes]:
    async def scene() -> dict[int, bytes]:
        spool = await open_spool(settings)
        try:
            return await contents(spool, time.time() + after_seconds)
        finally:
            await spool.close()

    return asyncio.run(scene())


def test_what_was_acknowledged_before_is_in_it_whatever_becomes_of_it_later(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    async def scene() -> dict[int, bytes]:
        spool = await open_spool(settings)
        try:
            kept = {await keep(spool, octets): octets for octets in (SMALL, LARGE)}
            summary = await asyncio.to_thread(back_up, settings, tmp_path / "relay.tar")
            assert summary.messages == 2
            for claim in await spool.claim("out", "out", None, time.time(), 10):
                await deliver(spool, claim)
            return kept
        finally:
            await spool.close()

    kept = asyncio.run(scene())
    assert not list((spool_folder(settings) / "content").iterdir())
    assert restore(elsewhere, tmp_path / "relay.tar").messages == 2
    assert in_spool(elsewhere) == kept


def test_a_backup_under_load_has_the_content_of_all_that_it_holds(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    acknowledged: list[int] = []

    async def scene() -> None:
        spool = await open_spool(settings)
        running = True

        async def traffic() -> None:
            while running:
                await asyncio.gather(*(keep(spool, octets) for octets in (SMALL, LARGE, LARGE)))
                claims = await spool.claim("out", "out", None, time.time(), 2)
                await asyncio.gather(*(deliver(spool, claim) for claim in claims))

        clients = [asyncio.create_task(traffic()) for _ in range(4)]
        try:
            for number in range(5):
                acknowledged.append(await keep(spool, LARGE))
                await asyncio.to_thread(back_up, settings, tmp_path / f"{number}.tar")
        finally:
            running = False
            await asyncio.gather(*clients)
            await spool.close()

    asyncio.run(scene())
    for number in range(5):
        again = elsewhere.model_copy(update={"data_dir": tmp_path / f"restored-{number}"})
        summary = restore(again, tmp_path / f"{number}.tar")
        found = in_spool(again)
        assert len(found) == summary.messages > 0
        assert set(found.values()) <= {SMALL, LARGE}
        known = find_messages(again, TraceQuery(queue_id=to_text(acknowledged[number]))).rows
        assert [row.recipient for row in known] == ["bob@example.net"]


def test_an_attempt_under_way_is_of_unknown_outcome_in_the_restored_relay(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    async def scene() -> None:
        spool = await open_spool(settings)
        try:
            await keep(spool, SMALL)
            (claim,) = await spool.claim("out", "out", None, time.time(), 10)
            await spool.begin_attempt(claim, [0], {}, time.time())
            await asyncio.to_thread(back_up, settings, tmp_path / "relay.tar")
            await deliver(spool, claim)
        finally:
            await spool.close()

    asyncio.run(scene())
    restore(elsewhere, tmp_path / "relay.tar")
    assert in_spool(elsewhere) == {}  # not at once: the next hop may have it
    assert list(in_spool(elsewhere, after_seconds=3600).values()) == [SMALL]


def test_hold_lets_nothing_go_before_an_administrator_says_so(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    (number,) = filled(settings, LARGE)
    back_up(settings, tmp_path / "relay.tar")
    restore(elsewhere, tmp_path / "relay.tar", hold=True)
    assert in_spool(elsewhere, after_seconds=3600) == {}
    assert [(row.queue_id, row.state) for row in waiting(elsewhere)] == [(to_text(number), "held")]


def test_directory_keys_and_certificates_are_in_it_and_delivered_mail_and_probes_are_not(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    data = settings.data_dir
    Directory.open(data).close()
    capture = {"address": "127.0.0.1:0", "path": data / "outside"}
    settings = Settings.model_validate(settings.model_dump() | {"capture": capture})
    for name in ("ca/ca.key", "ca/issued/a.pem", "tls/self-signed.pem", "outside/new/1", "probes/1.request", "x.lock"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)
    with closing(sqlite3.connect(data / "tls-reports.sqlite")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE session (day TEXT)")
        other.execute("INSERT INTO session VALUES ('2026-01-01')")
        other.commit()  # in the -wal file, which is not copied as it stands
        back_up(settings, tmp_path / "relay.tar")
    restore(elsewhere, tmp_path / "relay.tar")
    restored = elsewhere.data_dir
    found = {path.relative_to(restored).as_posix() for path in restored.rglob("*") if path.is_file()}
    assert found == {"directory.sqlite", "ca/ca.key", "ca/issued/a.pem", "tls/self-signed.pem", "tls-reports.sqlite"}
    assert (restored / "ca/ca.key").read_text() == "ca/ca.key"
    with closing(sqlite3.connect(restored / "tls-reports.sqlite")) as other:
        assert other.execute("SELECT day FROM session").fetchall() == [("2026-01-01",)]


def test_the_settings_file_is_in_it_to_read_and_is_not_restored(tmp_path: Path) -> None:
    file = tmp_path / "relay" / "relay.toml"
    file.parent.mkdir()
    file.write_text('hostname = "relay.test"\ndata_dir = "."\n')
    filled(load(file), SMALL)
    back_up(load(file), tmp_path / "relay.tar")
    with tarfile.open(tmp_path / "relay.tar") as archive:
        kept = archive.extractfile("settings.toml")
        assert kept is not None and kept.read() == file.read_bytes()
        assert "data/relay.toml" not in archive.getnames()
    other = tmp_path / "new" / "relay.toml"
    other.parent.mkdir()
    other.write_text('hostname = "new.test"\ndata_dir = "."\n')
    restore(load(other), tmp_path / "relay.tar")
    assert len(waiting(load(other))) == 1
    assert "new.test" in other.read_text()


def test_backup_and_what_is_restored_are_for_their_owner_alone(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    filled(settings, LARGE)
    back_up(settings, tmp_path / "relay.tar")
    restore(elsewhere, tmp_path / "relay.tar")
    paths = [tmp_path / "relay.tar", *elsewhere.data_dir.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600, 0o700}
    assert not list(tmp_path.glob("*.part*"))
    assert not (spool_folder(settings) / "backup").exists()


def test_a_backup_overwrites_nothing_and_is_not_kept_beside_what_it_saves(settings: Settings, tmp_path: Path) -> None:
    filled(settings, SMALL)
    (tmp_path / "there.tar").write_text("precious")
    with pytest.raises(BackupFailed, match="nothing is overwritten"):
        back_up(settings, tmp_path / "there.tar")
    assert (tmp_path / "there.tar").read_text() == "precious"
    with pytest.raises(BackupFailed, match="a lost disk would take both"):
        back_up(settings, settings.data_dir / "relay.tar")
    with pytest.raises(BackupFailed, match="No such file or directory"):
        back_up(settings, tmp_path / "nowhere" / "relay.tar")


def test_nobody_commits_while_content_is_named_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a settlement in between would unlink content that the copy names."""
    filled(settings, LARGE)
    folder, real = spool_folder(settings), snapshots._link
    seen: list[str] = []

    def link(folder: Path, name: str, links: Path) -> Path:
        with closing(sqlite3.connect(folder / "spool.db", timeout=0)) as owner:
            try:
                owner.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                seen.append(str(error))
        return real(folder, name, links)

    monkeypatch.setattr(snapshots, "_link", link)
    with snapshots.snapshot(folder, tmp_path / "copy.db"), closing(sqlite3.connect(folder / "spool.db")) as owner:
        owner.execute("BEGIN IMMEDIATE")  # and now they do
    assert seen == ["database is locked"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files over")
def test_what_root_backs_up_or_restores_stays_the_relays(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    filled(settings, LARGE)
    elsewhere.data_dir.mkdir()
    for path in (settings.data_dir, *settings.data_dir.rglob("*"), elsewhere.data_dir):
        os.chown(path, 12345, 12346)
    with snapshots.snapshot(spool_folder(settings), tmp_path / "copy.db"):
        assert {path.stat().st_uid for path in spool_folder(settings).rglob("*")} == {12345}
    back_up(settings, tmp_path / "relay.tar")
    restore(elsewhere, tmp_path / "relay.tar", hold=True)
    for data in (settings.data_dir, elsewhere.data_dir):
        assert {(path.stat().st_uid, path.stat().st_gid) for path in data.rglob("*")} == {(12345, 12346)}


def test_one_snapshot_at_a_time(settings: Settings, tmp_path: Path) -> None:
    filled(settings, SMALL)
    folder = spool_folder(settings)
    with (
        snapshots.snapshot(folder, tmp_path / "first.db"),
        pytest.raises(SpoolUnavailable, match="another backup"),
        snapshots.snapshot(folder, tmp_path / "second.db"),
    ):
        pass


def test_nothing_is_restored_over_a_relay(settings: Settings, tmp_path: Path) -> None:
    (number,) = filled(settings, SMALL)
    back_up(settings, tmp_path / "relay.tar")
    with pytest.raises(BackupFailed, match=r"is not empty \(spool\)\. Stop the relay, move the folder away"):
        restore(settings, tmp_path / "relay.tar")
    assert list(in_spool(settings)) == [number]


def cut(octets: bytes) -> bytes:
    return octets[: len(octets) // 2]


def turned(octets: bytes) -> bytes:
    at = octets.index(b"x" * 100)
    return octets[:at] + b"y" + octets[at + 1 :]


def without_manifest(octets: bytes) -> bytes:
    return _changed(octets, lambda name, content: None if name == backups.MANIFEST else (name, content))


def of_tomorrow(octets: bytes) -> bytes:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        if name == backups.MANIFEST:
            content = json.dumps(json.loads(content) | {"format": 9, "made_by": "9.9"}).encode()
        return name, content

    return _changed(octets, change)


def climbing(octets: bytes) -> bytes:
    return _changed(octets, lambda name, content: (f"../{name}", content))


def with_a_part_more(octets: bytes) -> bytes:
    return _changed(octets, lambda name, content: (name.replace("settings", "data/more"), content), more=True)


def _changed(octets: bytes, change: Callable[[str, bytes], tuple[str, bytes] | None], *, more: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(octets)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            if (changed := change(member.name, file.read())) is not None:
                _add(new, *changed)
        if more:
            _add(new, "data/more", b"more")
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "is no backup of this program, or is damaged|is cut short"),
        (turned, "is damaged: data/spool/"),
        (without_manifest, r"is cut short: it has no manifest\.json"),
        (of_tomorrow, r"was made by version 9\.9; restore it with that or a newer one"),
        (climbing, r"is no backup of this program: it holds '\.\./"),
        (with_a_part_more, "is damaged: data/more is not what was backed up"),
        (lambda _: b"no archive", "is no backup of this program"),
    ],
)
def test_what_is_not_whole_is_not_restored(
    settings: Settings, elsewhere: Settings, tmp_path: Path, damage: Callable[[bytes], bytes], told: str
) -> None:
    filled(settings, LARGE)
    file = tmp_path / "relay.tar"
    back_up(settings, file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(BackupFailed, match=told):
        restore(elsewhere, file)
    assert not list(elsewhere.data_dir.iterdir())


def test_a_spool_of_a_newer_program_is_not_restored(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    filled(settings, SMALL)
    with closing(sqlite3.connect(spool_folder(settings) / "spool.db")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    back_up(settings, tmp_path / "relay.tar")
    with pytest.raises(BackupFailed, match="has version 9999"):
        restore(elsewhere, tmp_path / "relay.tar")
    assert not list(elsewhere.data_dir.iterdir())
