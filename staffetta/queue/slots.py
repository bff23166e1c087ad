"""Lanes to a destination, of all queues together: each lane holds a byte of a file, locked.

Rule 1: there are as many bytes for a destination as lanes it may have, so that in sum there are never more.
Rule 2: the kernel gives the bytes of a process back however it ends; nobody counts, and nobody can count wrong.
Rule 3: who has none and finds none says so (a lock that all can see), and lanes that others hold end soon, so that
each queue has its turn.
Rule 4: a lane that has just ended is often followed by another: its slot is kept for that a moment, if nobody wants it.

Locks of the open file (F_OFD_SETLK), so that two queues of one process keep each other out as well.
"""

import fcntl
import hashlib
import os
import struct
from functools import lru_cache
from pathlib import Path

FILE_NAME = "lanes.lock"
_SPAN = 2048  # bytes for a destination: its lanes, and who waits for one
_WANTED = _SPAN - 1
_ASK_SECONDS = 0.1  # how often it is looked, at most, whether others wait, while lanes end and begin

Place = tuple[str, str]  # route and destination


class Slots:
    """See the head of this file. One for each queue. turn: between 0 and 1, where it begins to look."""

    def __init__(self, path: Path, turn: float = 0.0) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = turn
        self._taken: set[int] = set()
        self._wanted: set[int] = set()
        self._kept: dict[int, list[int]] = {}
        self._asked_at: dict[int, float] = {}

    def take(self, place: Place, most: int) -> int | None:
        """Return a slot, to be given back; None where all are taken. most: how many there are."""
        if (kept := self.take_kept(place, most)) is not None:
            return kept
        start, first = _start(place), int(self._turn * most)
        for number in range(most):
            slot = start + (first + number) % most
            if slot not in self._taken and self._lock(slot, fcntl.F_WRLCK):
                self._taken.add(slot)
                self._want(start, is_on=False)
                return slot
        return None

    def take_kept(self, place: Place, most: int) -> int | None:
        """Do as take(), of what is kept alone: that costs nothing."""
        start = _start(place)
        kept = self._kept.get(start)
        while kept:
            if (slot := kept.pop()) < start + most:
                return slot
            self.give_back(slot)  # the route may have fewer lanes by now
        return None

    def give_back(self, slot: int) -> None:
        """The lane has ended."""
        self._taken.discard(slot)
        self._lock(slot, fcntl.F_UNLCK)

    def keep(self, place: Place, slot: int, now: float) -> bool:
        """The lane has ended: keep the slot for the next one, to be let go of soon, or give it back where it is wanted.

        now: seconds of any steady clock. Return whether it is kept.
        """
        start = _start(place)
        if now - self._asked_at.get(start, now - 2 * _ASK_SECONDS) > _ASK_SECONDS:
            self._asked_at[start] = now
            if self.are_wanted(place):
                self.give_back(slot)
                return False
        self._kept.setdefault(start, []).append(slot)
        return True

    def let_go(self, place: Place) -> None:
        """Give back what is kept."""
        start = _start(place)
        self._asked_at.pop(start, None)
        for slot in self._kept.pop(start, ()):
            self.give_back(slot)

    def want(self, place: Place) -> None:
        """Say that none was left, until one is taken."""
        self._want(_start(place), is_on=True)

    def want_no_more(self, place: Place) -> None:
        """Nothing waits any more that would need a slot."""
        self._want(_start(place), is_on=False)

    def are_wanted(self, place: Place) -> bool:
        """Whether another queue waits for a slot."""
        asked = _packed(fcntl.F_WRLCK, _start(place) + _WANTED)
        return _kind(fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, asked)) != fcntl.F_UNLCK

    def close(self) -> None:
        """Give all back."""
        os.close(self._file)

    def _want(self, start: int, *, is_on: bool) -> None:
        if is_on != (start in self._wanted):
            self._lock(start + _WANTED, fcntl.F_RDLCK if is_on else fcntl.F_UNLCK)
            (self._wanted.add if is_on else self._wanted.discard)(start)

    def _lock(self, at: int, kind: int) -> bool:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _packed(kind, at))
        except OSError:  # another has it; or, for a wish, the table of locks is full
            return False
        return True


@lru_cache(maxsize=4096)
def _start(place: Place) -> int:
    """Two destinations that share a start share their lanes: a 48th power of two makes that rare."""
    digest = hashlib.blake2b("\0".join(place).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") * _SPAN


def _packed(kind: int, at: int) -> bytes:
    """A struct flock: kind, whence, start, length, process."""
    return struct.pack("@hhqqi0q", kind, os.SEEK_SET, at, 1, 0)


def _kind(packed: bytes) -> int:
    return int(struct.unpack_from("@h", packed)[0])
