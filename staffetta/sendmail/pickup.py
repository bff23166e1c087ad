"""The relay's side of the drop folder: what waits there is handed to our own listener, as `sendmail` would have done.

Rule 1: by SMTP, so that the same policy judges it and the same stamp is put on it.
Rule 2: a file goes when the spool has its message. Between the two the relay may die; a file that was being handed in
is looked for in the trace first, by its Message-ID and recipient, since the attempt began. So it comes once, and where
the trace cannot tell, twice rather than not at all.
Rule 3: what is refused goes back to its sender as a notification; where there is no sender, it is set aside.
Rule 4: one process picks up: who has the folder's lock.
"""

import asyncio
import fcntl
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.mail.dsn import compose_dsn
from staffetta.mail.header import section_end
from staffetta.mail.report import Action, RecipientReport, Report, Returned
from staffetta.sendmail.dropping import (
    ASIDE,
    FOLDER_MODE,
    Dropped,
    begin,
    drop,
    dropped,
    read_dropped,
    sync_folder,
    wait_again,
)
from staffetta.sendmail.letter import Letter, NotALetter, read_letter
from staffetta.sendmail.submitting import Answer, submit

_LOOK_SECONDS = 1.0
_WAIT_FIRST_SECONDS, _WAIT_MAX_SECONDS = 2.0, 60.0
_INCOMPLETE_SECONDS = 86_400.0  # whoever was writing this died
_EXPIRED = "4.4.7 too old:"
_ENHANCED = re.compile(r"^(?:\d{3} )?([245]\.\d{1,3}\.\d{1,3})\b")

_log = structlog.get_logger()

Recorded = Callable[[str, float], set[str]]
"""Recipients of messages with this Message-ID that the spool took since then. Reads the disk; raises OSError."""
GiveBack = Callable[[Mailbox, bytes], Awaitable[None]]
"""Puts a notification to somebody into the queue. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the relay lends. server: `IP:port` of our listener. octets_max: of a file."""

    folder: Path
    server: str
    hostname: str
    octets_max: int
    expire_seconds: float
    recorded: Recorded
    give_back: GiveBack


class Pickup:
    """Picks up until cancelled."""

    def __init__(self, means: Means, clock: Callable[[], float] = time.time) -> None:
        self._means = means
        self._clock = clock
        self._waits: dict[str, tuple[float, float]] = {}  # by token: when next, and how long after that

    async def run(self) -> None:
        """Look into the folder once a second."""
        lock = await self._take_folder()
        try:
            while True:
                try:
                    await self.look()
                except OSError as error:
                    _log.error("drop folder not read", folder=str(self._means.folder), error=error.strerror)
                    await asyncio.sleep(_WAIT_MAX_SECONDS)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            os.close(lock)

    async def look(self) -> None:
        """Hand in everything that is due. Raises OSError."""
        there = dropped(self._means.folder)
        tokens = {each.token for each in there}
        self._waits = {token: wait for token, wait in self._waits.items() if token in tokens}
        for each in there:
            now = self._clock()
            if not each.is_complete:
                if now - each.changed_at > _INCOMPLETE_SECONDS:
                    each.path.unlink(missing_ok=True)
            elif self._waits.get(each.token, (0.0, 0.0))[0] <= now:
                await self._pick_up(each, now)

    async def _take_folder(self) -> int:
        """Make the folder if need be, and wait until nobody else picks up there."""
        folder = self._means.folder
        while True:
            try:
                if not folder.exists():
                    folder.mkdir(parents=True)
                    folder.chmod(FOLDER_MODE)
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                _log.error("drop folder not to be had", folder=str(folder), error=error.strerror)
                await asyncio.sleep(_WAIT_MAX_SECONDS)
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return lock

    async def _pick_up(self, each: Dropped, now: float) -> None:
        """Raises OSError."""
        try:
            letter = read_letter(read_dropped(each, self._means.octets_max))
        except (OSError, ValueError, NotALetter) as error:
            self._set_aside(each, str(error))
            return
        known: set[str] = set()
        if each.is_doubtful:
            known = await asyncio.to_thread(self._means.recorded, letter.message_id, each.changed_at)
        missing = tuple(recipient for recipient in letter.recipients if recipient.lower() not in known)
        if missing:
            each = begin(each, now)
            await self._hand_in(each, letter.for_only(missing), now)
        else:
            self._take_away(each, letter, list(letter.recipients))

    async def _hand_in(self, each: Dropped, letter: Letter, now: float) -> None:
        """Raises OSError."""
        means = self._means
        outcome = await asyncio.to_thread(submit, letter, means.server, means.hostname)
        refused, later = outcome.refused, outcome.later
        if not outcome.is_unknown and now - letter.written_at > means.expire_seconds:
            refused, later = [*refused, *((who, f"{_EXPIRED} {why}") for who, why in later)], []
        if refused:
            await self._return(letter, refused, each)
        if later and (outcome.taken or refused):
            rest = letter.for_only(tuple(who for who, _ in later))
            drop(means.folder, rest, is_doubtful=outcome.is_unknown, began_at=each.changed_at)
        elif later:
            self._wait(each, later[0][1], is_unknown=outcome.is_unknown)
            return
        self._take_away(each, letter, outcome.taken)

    def _wait(self, each: Dropped, why: str, *, is_unknown: bool) -> None:
        """Raises OSError."""
        if not is_unknown:
            wait_again(each)
        _, wait = self._waits.get(each.token, (0.0, _WAIT_FIRST_SECONDS))
        self._waits[each.token] = (self._clock() + wait, min(2 * wait, _WAIT_MAX_SECONDS))
        _log.warning("dropped message waits", file=each.token, reply=why)

    def _take_away(self, each: Dropped, letter: Letter, taken: list[str]) -> None:
        if taken:
            _log.info("picked up", owner=each.owner, message_id=letter.message_id, recipients=len(taken))
        each.path.unlink(missing_ok=True)
        sync_folder(each.path.parent)

    async def _return(self, letter: Letter, refused: list[Answer], each: Dropped) -> None:
        """Raises OSError."""
        _log.warning("dropped message refused", owner=each.owner, sender=letter.sender, reply=refused[0][1])
        if letter.sender:
            to = parse_mailbox(letter.sender)
            await self._means.give_back(to, self._notification(letter, to, refused))
            return
        aside = drop(self._aside(), letter.for_only(tuple(who for who, _ in refused)))
        _log.error("dropped message without a sender set aside", file=str(aside))

    def _notification(self, letter: Letter, to: Mailbox, refused: list[Answer]) -> bytes:
        name = self._means.hostname
        report = Report(
            reporting_mta=name,
            author_domain=name,
            message_id=f"<{secrets.token_hex(12)}@{name}>",
            at=self._clock(),
            arrived_at=letter.written_at,
            reverse_path=to,
            recipients=tuple(
                RecipientReport(final=who, action=Action.FAILED, status=_status(reply), diagnostic=reply)
                for who, reply in refused
            ),
            original_message_id=letter.message_id or None,
            envelope_id=letter.envelope_id or None,
            is_internationalised=not all(each.isascii() for each in (letter.sender, *letter.recipients)),
        )
        header = letter.content[: section_end(letter.content) or 0]
        return compose_dsn(report, Returned(header, is_whole=False), secrets.token_hex(16))

    def _set_aside(self, each: Dropped, why: str) -> None:
        """Raises OSError."""
        aside = self._aside() / each.path.name
        each.path.rename(aside)
        _log.error("dropped file set aside", owner=each.owner, file=str(aside), error=why)

    def _aside(self) -> Path:
        aside = self._means.folder / ASIDE
        if not aside.exists():
            aside.mkdir()
            aside.chmod(0o700)
        return aside


def _status(reply: str) -> str:
    """The reply's enhanced code; 5.0.0 where it has none."""
    found = _ENHANCED.search(reply)
    return found[1] if found else "5.0.0"
