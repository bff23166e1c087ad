"""Content in files: large content on its way in, and read back in pieces. Small content stays in memory and in rows.

Rule 1: a file is whole and synced, and its folder too, before a row names it.
Rule 2: a file that no row names is an orphan; orphans are removed at the start.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from staffetta.mail.content import CHUNK_OCTETS, Content, MemoryContent
from staffetta.spool.database import sync_folder
from staffetta.spool.spool import SpoolUnavailable

CONTENT_FOLDER = "content"


@dataclass(frozen=True, slots=True)
class FileContent:
    """Content whose bulk is a file; `prefix` (our trace fields, known only after the last octet came) goes first."""

    path: Path
    prefix: bytes
    size: int

    @property
    def whole(self) -> bytes | None:
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the prefix, then the file. What the disk must be asked for is read in a thread. Raises OSError."""
        if self.prefix:
            yield self.prefix
        with await asyncio.to_thread(self.path.open, "rb", buffering=0) as file:
            at = 0
            while chunk := _read_cached(file.fileno(), at) or await asyncio.to_thread(_read, file.fileno(), at):
                at += len(chunk)
                yield chunk


def _read_cached(descriptor: int, at: int) -> bytes:
    """Read what is in memory already, as fresh mail is: a thread would cost more than the read. Else nothing."""
    buffer = bytearray(CHUNK_OCTETS)
    try:
        count = os.preadv(descriptor, [buffer], at, os.RWF_NOWAIT)
    except OSError:  # not in memory, or a file system that cannot tell
        return b""
    return bytes(memoryview(buffer)[:count])


def _read(descriptor: int, at: int) -> bytes:
    return os.pread(descriptor, CHUNK_OCTETS, at)


class FileDraft:
    """Content on its way in: in memory up to a limit, then in a file of its own."""

    def __init__(self, folder: Path, octets_in_memory_max: int, kept: Collection[str] = ()) -> None:
        """kept: names of files that belong to messages, committed or about to be."""
        self._folder = folder
        self._kept = kept
        self._octets_in_memory_max = octets_in_memory_max
        self._pieces: list[bytes] = []
        self._size = 0
        self._path: Path | None = None
        self._file: BinaryIO | None = None

    @property
    def size(self) -> int:
        return self._size

    def write(self, octets: bytes) -> None:
        """Append. The system buffers the file, so this seldom waits for the disk. Raises SpoolUnavailable."""
        self._size += len(octets)
        if self._file is None:
            self._pieces.append(octets)
            if self._size <= self._octets_in_memory_max:
                return
            octets = b"".join(self._pieces)
            self._pieces.clear()
        try:
            self._open_file().write(octets)
        except OSError as error:
            self.discard()
            raise SpoolUnavailable(f"content cannot be written: {error.strerror}") from error

    async def finish(self, prefix: bytes) -> Content:
        """Sync, and return content that starts with `prefix`. Raises SpoolUnavailable."""
        if self._file is None:
            return MemoryContent(b"".join((prefix, *self._pieces)))
        assert self._path is not None
        try:
            await asyncio.to_thread(self._sync, self._file)
        except OSError as error:
            self.discard()
            raise SpoolUnavailable(f"content cannot be synced: {error.strerror}") from error
        return FileContent(self._path, prefix, len(prefix) + self._size)

    def discard(self) -> None:
        """Forget it. The file goes, unless a message has it by now."""
        self._pieces.clear()
        if self._file is not None:
            with contextlib.suppress(OSError):  # closing writes what is buffered, and the disk may be full
                self._file.close()
        if self._path is not None and self._path.name not in self._kept:
            self._path.unlink(missing_ok=True)

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            self._path = self._folder / uuid4().hex
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(descriptor, "wb", buffering=CHUNK_OCTETS)
        return self._file

    def _sync(self, file: BinaryIO) -> None:
        with file:
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)


async def copy_to_file(content: Content, folder: Path) -> FileContent:
    """Copy content that is neither in memory nor in a file of ours. Raises SpoolUnavailable."""
    draft = FileDraft(folder, octets_in_memory_max=0)
    async for chunk in content.chunks():
        draft.write(chunk)
    copy = await draft.finish(b"")
    assert isinstance(copy, FileContent)
    return copy


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Unlink content whose row is gone. What cannot be removed now is an orphan for the next start."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError:
            return


def remove_orphans(folder: Path, named: set[str]) -> None:
    """Remove what a crash left between the file's sync and the row, or between the row's end and the unlink."""
    for path in folder.iterdir():
        if path.name not in named:
            path.unlink(missing_ok=True)


def free_octets(folder: Path) -> int:
    """Free disk space for this user. Raises OSError."""
    return shutil.disk_usage(folder).free
