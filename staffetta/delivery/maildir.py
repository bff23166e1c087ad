"""Puts messages into Maildirs: `<path>/<domain>/<local part>/{tmp,new,cur}`.

Rule 1: a message is in `new` whole and synced (file, then folder), or it is not there.
Rule 2: its file name is made of the queue id, so that the attempt after a crash finds what the one before had done,
also where a reader has moved it to `cur` since. Two recipients that are one mailbox get one copy.
Rule 3: octets stay as they are, CRLF line ends included; only Return-Path and Delivered-To are put in front
(RFC 5321 §4.4). Readers of Maildirs take both kinds of line end.
Rule 4: a name from the wire can reach no folder but its own: see mailbox_folder().
"""

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from staffetta.mail.address import Mailbox, unquote
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.content import Content
from staffetta.mail.envelope import Recipient
from staffetta.mail.outcome import Contact, Deferred, Delivered, Handover, Outcome, Stage

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")

WRITERS = 4  # threads: enough that syncs overlap, few enough that they do not fight for the interpreter

_UNSAFE = re.compile(rb"[^A-Za-z0-9._+=@-]")
_OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW  # TRUNC: a crash may have left one
_NAME_OCTETS_MAX = 255  # NAME_MAX of every common file system
_DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def mailbox_folder(root: Path, mailbox: Mailbox) -> Path:
    """Return the Maildir of a mailbox; spellings that Mailbox.key holds equal have the same one."""
    local_part = unquote(mailbox.local_part).lower()
    return root / _safe_name(mailbox.domain) / _safe_name(local_part)


def _safe_name(text: str) -> str:
    """Percent-encode what is not plainly harmless in a file name; a dot in front as well (`.`, `..`, hidden).

    A name too long for a file system is cut, and stays its own by a digest: a sender chooses it, and must not be able
    to make the disk look faulty.
    """
    octets = _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], text.encode())
    if octets.startswith(b".") or not octets:
        octets = b"%2E" + octets[1:] if octets else b"%"
    if len(octets) > _NAME_OCTETS_MAX:
        digest = hashlib.sha256(octets).hexdigest()
        octets = octets[: _NAME_OCTETS_MAX - len(digest) - 1] + b"%" + digest.encode()
    return octets.decode("ascii")


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One copy to make."""

    folder: Path
    file_name: str
    prefix: bytes


class MaildirCourier:
    """See the head of this file."""

    def __init__(self) -> None:
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="maildir")
        self._known_folders: set[Path] = set()

    async def carry(
        self, root: Path, hostname: str, consignment: Consignment, before_data: BeforeData
    ) -> Sequence[Outcome]:
        """Put the message into the mailbox of each recipient, and return one outcome for each, in order.

        root: the route's path. hostname: ours, since the attempt is at this host.
        """
        await before_data(Contact(host=hostname))
        deliveries = [_delivery(root, consignment, recipient) for recipient in consignment.envelope.recipients]
        whole = consignment.content.whole
        if whole is not None:
            return await self._in_writer(self._write_whole_to_all, deliveries, whole)
        return [await self._write_stream(delivery, consignment.content) for delivery in deliveries]

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.to_thread(self._writers.shutdown)

    async def _in_writer(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._writers, function, *arguments)

    def _write_whole_to_all(self, deliveries: Sequence[_Delivery], whole: bytes) -> list[Outcome]:
        """In a writer thread, one after the other: some of them may be the same mailbox."""
        return [self._write_whole(delivery, whole) for delivery in deliveries]

    def _write_whole(self, delivery: _Delivery, whole: bytes) -> Outcome:
        try:
            descriptor = self._open(delivery)
            if descriptor is None:
                return _delivered(delivery)
            try:
                _write_all(descriptor, delivery.prefix + whole)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _publish(delivery)
        except OSError as error:
            return _trouble(error)
        return _delivered(delivery)

    async def _write_stream(self, delivery: _Delivery, content: Content) -> Outcome:
        """Write content that is not in memory; each step in a writer thread."""
        try:
            descriptor = await self._in_writer(self._open, delivery)
            if descriptor is None:
                return _delivered(delivery)
            try:
                await self._in_writer(_write_all, descriptor, delivery.prefix)
                async for piece in content.chunks():
                    await self._in_writer(_write_all, descriptor, piece)
                await self._in_writer(os.fsync, descriptor)
            finally:
                os.close(descriptor)
            await self._in_writer(_publish, delivery)
        except OSError as error:
            return _trouble(error)
        return _delivered(delivery)

    def _open(self, delivery: _Delivery) -> int | None:
        """Open the file in `tmp`; None where an earlier attempt has delivered the message already."""
        if delivery.folder not in self._known_folders:
            _make_maildir(delivery.folder)
            self._known_folders.add(delivery.folder)
        try:
            return _open_unless_delivered(delivery)
        except FileNotFoundError:  # somebody has removed the Maildir since we made it
            _make_maildir(delivery.folder)
            return _open_unless_delivered(delivery)


def _open_unless_delivered(delivery: _Delivery) -> int | None:
    if _is_delivered(delivery):
        return None
    return os.open(delivery.folder / "tmp" / delivery.file_name, _OPEN_FLAGS, 0o600)


def _delivery(root: Path, consignment: Consignment, recipient: Recipient) -> _Delivery:
    reverse_path = consignment.envelope.reverse_path
    prefix = f"Return-Path: <{reverse_path or ''}>\r\nDelivered-To: {recipient.mailbox}\r\n"
    return _Delivery(mailbox_folder(root, recipient.mailbox), f"{consignment.queue_id}.staffetta", prefix.encode())


def _is_delivered(delivery: _Delivery) -> bool:
    """Whether the message is in `new`, or in `cur`, where readers add `:2,` and flags to the name."""
    if (delivery.folder / "new" / delivery.file_name).exists():
        # The attempt that put it there may have been cut before this, and after it the spool forgets the content.
        _sync_folder(delivery.folder / "new")
        return True
    with os.scandir(delivery.folder / "cur") as entries:
        return any(entry.name.partition(":")[0] == delivery.file_name for entry in entries)


def _write_all(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]


def _publish(delivery: _Delivery) -> None:
    """Move the synced file to `new`, and sync that folder: from here on the message is delivered."""
    new = delivery.folder / "new"
    (delivery.folder / "tmp" / delivery.file_name).rename(new / delivery.file_name)
    _sync_folder(new)


def _make_maildir(folder: Path) -> None:
    """Make the Maildir, and sync every folder that got a new entry."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for changed in {folder, *(parent.parent for parent in missing)}:
        _sync_folder(changed)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delivered(delivery: _Delivery) -> Delivered:
    mailbox = f"{delivery.folder.parent.name}/{delivery.folder.name}"
    return Delivered(
        status="2.0.0", diagnostic=f"delivered to mailbox {mailbox}", stage=Stage.LOCAL, handover=Handover.FINAL
    )


def _trouble(error: OSError) -> Deferred:
    """A full or faulty disk is nobody's fault but the place's: all mail for it waits (RFC 3463 §3.4)."""
    status = "4.3.1" if error.errno in _DISK_FULL else "4.3.0"
    return Deferred(
        status=status,
        diagnostic=f"cannot write to the mailbox: {error.strerror or error}",
        stage=Stage.LOCAL,
        is_destination_trouble=True,
    )
