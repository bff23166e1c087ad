"""Backup and restore: all that the relay keeps in its data folder, as one tar file (decisions/111-backup.md).

Rule 1: a backup is whole or not there: it is written beside its place, synced, and ends with the list of its parts.
Rule 2: the spool is as at one instant of the backup, every other database and file as at an instant of its own.
Rule 3: nothing is restored over anything, and nothing that has not been checked: hashes, databases, versions.
Rule 4: what waits in the drop folder is mail that was acknowledged: it is in the backup (backup_drop.py).
Rule 5: a backup holds mail and hashes; it is readable by its owner alone. Keys in it are sealed (backup_keys.py), with
one that is not in it.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypedDict

from staffetta import __version__
from staffetta.directory import database as directory_database
from staffetta.directory.sealing import KeyRing
from staffetta.operations import backup_drop, backup_keys
from staffetta.operations.queues import CommandVerb, Order, act
from staffetta.operations.spools import NotAvailable, not_available, spool_folder
from staffetta.settings.model import Settings
from staffetta.settings.secrets_key import KEY_FILE_NAME
from staffetta.spool import database as spool_database
from staffetta.spool.content import CONTENT_FOLDER
from staffetta.spool.snapshot import snapshot
from staffetta.trace.partitions import Partition, partitions
from staffetta.trace.search import DATABASE_NAME

MANIFEST = "manifest.json"
SETTINGS = "settings.toml"
_FORMAT, _FORMATS = 2, (1, 2)  # 2: with sealed keys, and letters of the drop folder
_DATA = "data"
_SPOOL = f"{_DATA}/spool"
_DROP = "drop"
_RESTORING = "restoring"
_SQLITE = b"SQLite format 3\0"
_PIECE_OCTETS = 1 << 20
_PASSING_SUFFIXES = ("-wal", "-shm", ".lock", ".new")
_PASSING_FOLDERS = ("spool", "probes", _RESTORING)
"""Not copied as they stand: the spool is read at one instant, and probes that are asked for are over by then."""


class Part(TypedDict):
    """What the list says of each part. size: octets. sha256: hexadecimal."""

    size: int
    sha256: str


class BackupFailed(Exception):
    """The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds. octets: of its parts. messages: whose content is in it. made_by: the version.

    key: reference of what opens the sealed secrets in it, and is not in it itself. is_key_there: beside the settings.
    """

    files: int
    octets: int
    messages: int
    made_by: str
    key: str = ""
    is_key_there: bool = False


def back_up(settings: Settings, target: Path) -> Summary:
    """Write a backup of a relay, which may be running, to a file that is not there yet. Raises BackupFailed."""
    data, target = settings.data_dir.resolve(), target.absolute()
    if target.resolve().is_relative_to(data):
        raise BackupFailed(f"{target} is inside {data}: a lost disk would take both. Write it elsewhere.")
    if target.exists():
        raise BackupFailed(f"{target} is there already. Name another file; nothing is overwritten.")
    part, copy = (target.with_name(f"{target.name}{suffix}") for suffix in (".part", ".part.db"))
    try:
        with _told(target), not_available():
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                    summary = _write(settings, _Writer(archive, copy))
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
            spool_database.sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
    return _with_key(summary, settings)


def restore(settings: Settings, source: Path, *, hold: bool = False, without_keys: bool = False) -> Summary:
    """Put what a backup holds into the data folder, which must be empty or absent. No relay may run on it.

    hold: hold all that waits, so that nothing is sent before an administrator has looked. without_keys: leave out what
    is sealed, where the key of secrets is lost. Raises BackupFailed.
    """
    data = settings.data_dir
    with _told(source):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = [path for path in data.iterdir() if not _is_settings_or_key(path, settings)]
        if there := sorted({path.name for path in ours} - {_RESTORING, "lost+found"}):
            raise BackupFailed(
                f"{data} is not empty ({', '.join(there[:3])}). Stop the relay, move the folder away, and try again."
            )
        restoring = data / _RESTORING
        shutil.rmtree(restoring, ignore_errors=True)  # of one that was cut short
        restoring.mkdir(mode=0o700)
        try:
            summary, drop_read_at = _read(source, restoring)
            letters = _letters(settings, source, restoring / _DROP)
            unpacked = restoring / _DATA
            unpacked.mkdir(exist_ok=True)
            if not without_keys:
                backup_keys.open_all(settings, restoring / backup_keys.SEALED, unpacked)
            _check(unpacked)
            if hold and (unpacked / "spool" / DATABASE_NAME).exists():
                aside = settings.model_copy(update={"data_dir": unpacked})
                act(aside, [Order(verb=CommandVerb.HOLD)], asked_by="restore")
            _hand_over(unpacked, data)
            if settings.drop is not None and letters:
                backup_drop.put_back(letters, settings.drop, began_at=drop_read_at, owner=data, hold=hold)
            # The spool first: with it nothing is lost, and without it a relay would begin with an empty queue.
            for each in sorted(unpacked.iterdir(), key=lambda path: path.name != "spool"):
                each.rename(data / each.name)
            spool_database.sync_folder(data)
        finally:
            shutil.rmtree(restoring, ignore_errors=True)
    return _with_key(summary, settings)


def _letters(settings: Settings, source: Path, folder: Path) -> Mapping[str, Path]:
    """By token. Raises BackupFailed where there is no place for them."""
    found = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    if found and settings.drop is None:
        raise BackupFailed(
            f"{source} holds {len(found)} letters of a drop folder, and these settings name none. Write "
            'drop = "/var/spool/staffetta/drop" into them.'
        )
    return found


def _with_key(summary: Summary, settings: Settings) -> Summary:
    keys = KeyRing.of(settings)
    return replace(summary, key=keys.reference, is_key_there=keys.exists())


class _Writer:
    """Adds parts to an archive, and remembers size and hash of each. copy: where a database is copied to meanwhile."""

    def __init__(self, archive: tarfile.TarFile, copy: Path) -> None:
        self._archive = archive
        self.copy = copy
        self.parts: dict[str, Part] = {}
        self.octets = 0

    def add(self, name: str, file: IO[bytes], size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        hashing = _Hashing(file)
        self._archive.addfile(member, hashing)  # type: ignore[arg-type]  # of a file, only read() is called
        self.parts[name] = {"size": size, "sha256": hashing.hash.hexdigest()}
        self.octets += size

    def add_octets(self, name: str, octets: bytes) -> None:
        self.add(name, io.BytesIO(octets), len(octets))

    def add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.add(name, file, os.fstat(file.fileno()).st_size)


class _Hashing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, count: int) -> bytes:
        octets = self._file.read(count)
        self.hash.update(octets)
        return octets


def _write(settings: Settings, writer: _Writer) -> Summary:
    if settings.origin is not None:
        writer.add_octets(SETTINGS, settings.origin.path.read_bytes())
    spool = spool_folder(settings)
    messages, drop_read_at = 0, time.time()
    if settings.drop is not None:
        for token, octets in backup_drop.letters(settings.drop):
            writer.add_octets(f"{_DROP}/{token}", octets)
            messages += 1
    if (spool / DATABASE_NAME).exists():
        for partition in partitions(spool):
            name = f"{_SPOOL}/{partition.relative_to(spool)}" if partition != spool else _SPOOL
            messages += _write_partition(writer, partition, name)
    for path in _others(settings):
        _add_other(writer, settings, path)
    manifest = {
        "format": _FORMAT,
        "made_by": __version__,
        "messages": messages,
        "drop_read_at": drop_read_at,
        "parts": writer.parts,
    }
    summary = Summary(len(writer.parts), writer.octets, messages, __version__)
    writer.add_octets(MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
    return summary


def _write_partition(writer: _Writer, partition: Partition, name: str) -> int:
    """Return how many messages have their content in it."""
    writer.copy.unlink(missing_ok=True)
    with snapshot(partition, writer.copy) as files:
        with closing(sqlite3.connect(writer.copy)) as copied:
            ((messages,),) = copied.execute("SELECT count(*) FROM content").fetchall()
        writer.add_file(f"{name}/{DATABASE_NAME}", writer.copy)
        for file in files:
            writer.add_file(f"{name}/{CONTENT_FOLDER}/{file.name}", file)
    return int(messages)


def _others(settings: Settings) -> Iterator[Path]:
    """Yield every file of the data folder but the spool's, what passes, and mail that has been delivered there."""
    passing = {settings.data_dir / name for name in _PASSING_FOLDERS}
    passing |= {route.path for route in settings.routes if route.path is not None}
    if settings.capture is not None:
        passing.add(settings.capture.path)
    if settings.drop is not None:
        passing.add(settings.drop)
    for folder, folders, names in os.walk(settings.data_dir):
        folders[:] = sorted(name for name in folders if Path(folder, name) not in passing)
        paths = (Path(folder, name) for name in sorted(names) if not name.endswith(_PASSING_SUFFIXES))
        yield from (path for path in paths if not _is_settings_or_key(path, settings))


def _is_settings_or_key(path: Path, settings: Settings) -> bool:
    """They may be in the data folder: where the settings name the folder that is restored into, both stay."""
    its_own = {KeyRing.of(settings).path, settings.origin.path.absolute() if settings.origin else None}
    return path.absolute() in its_own or path.name == KEY_FILE_NAME


def _add_other(writer: _Writer, settings: Settings, path: Path) -> None:
    """A database by SQLite's own means, a small file in one read. What has gone meanwhile is left out."""
    name = path.relative_to(settings.data_dir).as_posix()
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            octets = file.read(len(_SQLITE))
            if octets != _SQLITE:
                octets += file.read()
                if backup_keys.is_key(path, octets, settings):
                    writer.add_octets(f"{backup_keys.SEALED}/{name}", backup_keys.sealed(settings, name, octets))
                else:
                    writer.add_octets(f"{_DATA}/{name}", octets)
                return
    except FileNotFoundError:
        return
    writer.copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, timeout=5)) as source, closing(sqlite3.connect(writer.copy)) as copied:
        source.backup(copied)
    writer.add_file(f"{_DATA}/{name}", writer.copy)


def _read(source: Path, into: Path) -> tuple[Summary, float]:
    """Unpack, compare with the list at the end, and return also when the drop folder was read."""
    found: dict[str, Part] = {}
    manifest: Mapping[str, Any] | None = None
    with tarfile.open(source, "r:") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            if not member.isreg() or name.is_absolute() or ".." in name.parts:
                raise BackupFailed(f"{source} is no backup of this program: it holds {member.name!r}.")
            file = archive.extractfile(member)
            assert file is not None  # it is a regular one
            if member.name == MANIFEST:
                manifest = json.loads(file.read())
            else:
                found[member.name] = {"size": member.size, "sha256": _unpack(file, into / name)}
    summary = _compared(source, found, manifest)
    return summary, (manifest or {}).get("drop_read_at", 0.0)


def _compared(source: Path, found: Mapping[str, Part], manifest: Mapping[str, Any] | None) -> Summary:
    if manifest is None:
        raise BackupFailed(f"{source} is cut short: it has no {MANIFEST} at its end. Take another backup.")
    if manifest["format"] not in _FORMATS:
        raise BackupFailed(f"{source} was made by version {manifest['made_by']}; restore it with that or a newer one.")
    parts: dict[str, Part] = manifest["parts"]
    if wrong := sorted(name for name in found.keys() | parts.keys() if found.get(name) != parts.get(name)):
        raise BackupFailed(f"{source} is damaged: {wrong[0]} is not what was backed up. Take another backup.")
    octets = sum(int(part["size"]) for part in found.values())
    return Summary(len(found), octets, manifest["messages"], manifest["made_by"])


def _unpack(file: IO[bytes], path: Path) -> str:
    """Write a file, synced, and return its SHA-256."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while octets := file.read(_PIECE_OCTETS):
            digest.update(octets)
            out.write(octets)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _check(data: Path) -> None:
    """Read every page of every database, and bring spool and directory up to date."""
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.open("rb").read(len(_SQLITE)) == _SQLITE:
            with closing(sqlite3.connect(path)) as connection:
                ((verdict,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            if verdict != "ok":
                raise BackupFailed(f"{path.name} of the backup is damaged: {verdict}. Take another backup.")
    if (data / "spool" / DATABASE_NAME).exists():
        for partition in partitions(data / "spool"):
            spool_database.prepare(partition, spool_database.connect).close()
    if directory_database.is_there(data):
        directory_database.prepare(data)


def _hand_over(unpacked: Path, data: Path) -> None:
    """Where root restores, the files are the user's whose folder it is."""
    if os.geteuid() == 0:
        owner = data.stat()
        for path in (unpacked, *unpacked.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the disk, SQLite and the archive say into BackupFailed."""
    try:
        yield
    except OSError as error:
        raise BackupFailed(f"{error.filename or path}: {error.strerror or error}.") from error
    except (tarfile.TarError, json.JSONDecodeError, KeyError) as error:
        raise BackupFailed(f"{path} is no backup of this program, or is damaged: {error}.") from error
    except sqlite3.Error as error:
        raise BackupFailed(f"A database cannot be copied: {error}.") from error
    except (
        NotAvailable,
        backup_keys.KeysSealed,
        spool_database.SpoolCannotOpen,
        directory_database.DirectoryUnavailable,
    ) as error:
        raise BackupFailed(str(error)) from error
