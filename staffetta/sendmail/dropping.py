"""The drop folder: letters that wait for the relay, one file each, put there by any user of the machine.

    TOKEN.mail         waits; complete once its owner may execute it, which is set after the last octet and before fsync
    TOKEN.TIME.trying  was or is being handed in; it may be there already, since TIME, in milliseconds since 1970

Rule 1: the folder is of the relay's user and group, mode 3733: everybody may put in, nobody may look, what is put in
has its group and is taken out by the relay alone. A token cannot be guessed.
Rule 2: a call returns when the letter is on disk.
Rule 3: the relay is not the owner of a file, so it may rename and remove it, and not change its times.
"""

import os
import re
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from staffetta.sendmail.letter import Letter

WAITING, TRYING = ".mail", ".trying"
ASIDE = "aside"
"""Folder in it of what nobody picks up any more."""
FOLDER_MODE = 0o3733
_TIME = re.compile(r"[0-9]{1,15}", re.ASCII)
_INCOMPLETE_MODE, _COMPLETE_MODE = 0o640, 0o740


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file in the folder. owner: user id. changed_at: seconds since 1970."""

    path: Path
    owner: int
    changed_at: float
    is_complete: bool

    @property
    def token(self) -> str:
        """What stays of the name whatever state it is in."""
        return self.path.name.partition(".")[0]

    @property
    def is_doubtful(self) -> bool:
        """Whether the relay may have it already, since changed_at."""
        return self.path.suffix == TRYING


def drop(folder: Path, letter: Letter, *, is_doubtful: bool = False, began_at: float | None = None) -> Path:
    """Put a letter into the folder and return its file, durable. Raises OSError.

    began_at: when the attempt of unknown outcome began, seconds since 1970.
    """
    since = (began_at or time.time()) if is_doubtful else None
    return put(folder, secrets.token_hex(16), letter.as_file(), since)


def put(folder: Path, token: str, octets: bytes, began_at: float | None) -> Path:
    """Do as drop() with octets and a token that are there already; began_at: None where it is not in doubt."""
    path = folder / (token + WAITING if began_at is None else _trying(token, began_at))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _INCOMPLETE_MODE)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(octets)
        os.fchmod(descriptor, _COMPLETE_MODE)
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return path


def dropped(folder: Path) -> list[Dropped]:
    """Return what is in the folder, oldest first. Raises OSError."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith((WAITING, TRYING)) or not entry.is_file(follow_symlinks=False):
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            is_complete = bool(facts.st_mode & stat.S_IXUSR)
            began_at = _time_in(entry.name)
            changed_at = facts.st_mtime if began_at is None else began_at
            found.append(Dropped(Path(entry.path), facts.st_uid, changed_at, is_complete))
    return sorted(found, key=lambda each: each.changed_at)


def read_dropped(each: Dropped, octets_max: int) -> bytes:
    """Return a file's octets. Raises OSError, and ValueError where it is no plain file of its owner, or too large."""
    descriptor = os.open(each.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise ValueError("it is no plain file, or has a second name")
        if facts.st_size > octets_max:
            raise ValueError(f"it is larger than {octets_max} octets")
        return file.read()


def begin(each: Dropped, now: float) -> Dropped:
    """Mark that it is being handed in from now on, durably. Raises OSError."""
    trying = each.path.with_name(_trying(each.token, now))
    each.path.rename(trying)
    sync_folder(trying.parent)
    return Dropped(trying, each.owner, now, each.is_complete)


def wait_again(each: Dropped) -> None:
    """Mark that the relay has not got it. Raises OSError."""
    each.path.rename(each.path.with_name(each.token + WAITING))
    sync_folder(each.path.parent)


def _trying(token: str, at: float) -> str:
    return f"{token}.{int(at * 1000)}{TRYING}"


def _time_in(name: str) -> float | None:
    """Seconds since 1970; None where the name says none: it waits, or an older version tried it."""
    time_text = name.removesuffix(TRYING).partition(".")[2]
    return int(time_text) / 1000 if name.endswith(TRYING) and _TIME.fullmatch(time_text) else None


def sync_folder(folder: Path) -> None:
    """Return when the names in the folder are on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
