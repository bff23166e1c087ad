"""What the owner reads: due destinations, claims, commands, counts. On a connection and in a thread of its own.

Nothing here reads a queue whole: the cost grows with destinations and with what is asked for.
"""

import sqlite3
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffetta.mail.address import Mailbox
from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.envelope import BodyType, Envelope, Notify, Recipient, Ret
from staffetta.mail.queue_id import to_text
from staffetta.spool.commands import applies, cannot_be_for, read_command
from staffetta.spool.content import CONTENT_FOLDER, FileContent
from staffetta.spool.database import KEYS_PER_TRANSACTION_MAX, SQL, Connect, transaction
from staffetta.spool.marks import Mark, read_marks
from staffetta.spool.spool import (
    RECIPIENT_OCTETS,
    Claim,
    CommandVerb,
    DueLine,
    Key,
    QueueCommand,
    QueuedRecipient,
    RecipientState,
    SpoolUnavailable,
    Suspension,
)
from staffetta.trace.search import DATABASE_NAME


@dataclass(frozen=True, slots=True)
class QueueCount:
    """Recipients of one route in one state (`deferred`: due later, `ready`: due now); oldest: a message number."""

    route: str
    state: RecipientState
    recipients: int
    oldest: int


class Reader:
    """The reading connection. Every method runs in the reader thread and raises SpoolUnavailable."""

    def __init__(self, folder: Path, open_connection: Connect) -> None:
        self._folder = folder
        self._open_connection = open_connection
        self._connection: sqlite3.Connection | None = None
        self._version_without_commands: int | None = None

    def due(self, in_hand: Container[Key]) -> list[DueLine]:
        """Return lines with recipients not in hand, earliest first: a walk from one line to the next."""
        with self._reading() as connection:
            found: list[DueLine] = []
            for route, destination, connector in _lines(connection):
                line = (route, destination, connector)
                for number, recipient, due_at in connection.execute(SQL["line_due"], line):
                    if (number, recipient) not in in_hand:
                        found.append(DueLine(route, destination, connector or None, due_at))
                        break
        return sorted(found, key=lambda line: line.due_at)

    def claimable(
        self,
        line: tuple[str, str, str | None],
        now: float,
        limit: int,
        octets_max: int | None,
        in_hand: Container[Key],
    ) -> list[Claim]:
        """Return claims that may be taken, oldest due first, within Spool.claim()'s bounds.

        line: route, destination and connector.
        """
        route, destination, connector = line
        found: dict[int, tuple[Any, list[QueuedRecipient]]] = {}
        octets = 0
        with self._reading() as connection:
            for row in connection.execute(SQL["claimable"], (route, destination, connector or "", now)):
                number = row[0]
                if (number, row[1]) in in_hand:
                    continue
                if number not in found:
                    if len(found) == limit or (octets_max is not None and octets >= octets_max):
                        break
                    message = connection.execute(SQL["message_to_claim"], (number,)).fetchone()
                    found[number] = (message, [])
                    octets += len(message[14])
                found[number][1].append(_queued_recipient(row))
                octets += RECIPIENT_OCTETS
        return [
            self._claim(number, message, sorted(recipients, key=lambda queued: queued.number), route, destination)
            for number, (message, recipients) in found.items()
        ]

    def commands(self) -> list[QueueCommand]:
        """Return open commands. While nothing was written anywhere it costs one pragma."""
        with self._reading() as connection:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._version_without_commands:
                return []
            rows = connection.execute(SQL["open_commands"]).fetchall()
            self._version_without_commands = None if rows else version
        return [read_command(row) for row in rows]

    def affected(self, command: QueueCommand, now: float, in_hand: Container[Key]) -> list[Key]:
        """Return keys not in hand that the command changes, at most KEYS_PER_TRANSACTION_MAX."""
        with self._reading() as connection:
            rows = _affected_rows(connection, command, now)
            keys: list[Key] = []
            for key in rows:
                if key not in in_hand:
                    keys.append(key)
                    if len(keys) == KEYS_PER_TRANSACTION_MAX:
                        break
        return keys

    def marks(self) -> list[Mark]:
        """Return what was to be remembered."""
        with self._reading() as connection:
            return read_marks(connection)

    def suspensions(self) -> list[Suspension]:
        """Return what is suspended."""
        with self._reading() as connection:
            return [Suspension(*row) for row in connection.execute("SELECT route, destination, at, by FROM suspension")]

    def left_out(self, command: QueueCommand, in_hand: Container[Key]) -> tuple[int, int]:
        """Count those not in hand that a RETRY leaves held, and those that the command cannot be for."""
        if command.verb not in (CommandVerb.RETRY, CommandVerb.REDIRECT, CommandVerb.COMPLETE, CommandVerb.REOPEN):
            return 0, 0
        held = skipped = 0
        with self._reading() as connection:
            if command.verb is CommandVerb.REOPEN:
                return 0, len(command.keys or ()) - sum(1 for _ in _reopenable(connection, command))
            if command.verb is CommandVerb.RETRY and _is_about_all(command):  # by the small index of what is held
                return sum(1 for _ in connection.execute(SQL["to_release"])), 0
            for key, state, _, is_doubtful in _concerned(connection, command):
                if key not in in_hand:
                    held += command.verb is CommandVerb.RETRY and state is RecipientState.HELD
                    skipped += cannot_be_for(command, is_doubtful=is_doubtful)
        return held, skipped

    def takeable(self, command: QueueCommand, limit: int, octets_max: int, in_hand: Container[Key]) -> list[Claim]:
        """Return claims of what the command is about and what is not in hand, within Spool.take()'s bounds."""
        claims: list[Claim] = []
        octets = 0
        with self._reading() as connection:
            for number in _numbers(connection, command):
                roads: dict[tuple[str, str], list[QueuedRecipient]] = {}
                for row in connection.execute(SQL["open_of"], (number,)):
                    key = (row[0], row[1])
                    if command.concerns(key) and key not in in_hand:
                        roads.setdefault((row[11], row[12]), []).append(_queued_recipient(row[:11]))
                if not roads:
                    continue
                message = connection.execute(SQL["message_to_claim"], (number,)).fetchone()
                for road, recipients in roads.items():
                    claims.append(self._claim(number, message, recipients, *road))
                    octets += claims[-1].octets_in_memory
                if len(claims) >= limit or octets >= octets_max:
                    break
        return claims

    def counts(self, now: float) -> list[QueueCount]:
        """Return counts by route and state, from the small indexes alone."""
        with self._reading() as connection:
            waiting = connection.execute(SQL["count_waiting"], (now,)).fetchall()
            in_attempt = connection.execute(SQL["count_in_attempt"]).fetchall()
            held = connection.execute(SQL["count_held"]).fetchall()
        found = [QueueCount(r, RecipientState.IN_ATTEMPT, count, oldest) for r, count, oldest in in_attempt]
        found += [QueueCount(r, RecipientState.HELD, count, oldest) for r, count, oldest in held]
        trying = {r: count for r, count, _ in in_attempt}
        for route, is_due, count, oldest in waiting:
            # Recipients in attempt keep the due time that they had, which has passed.
            rest = count - trying.get(route, 0) if is_due else count
            state = RecipientState.READY if is_due else RecipientState.DEFERRED
            found.append(QueueCount(route, state, max(rest, 0), oldest))
        return found

    def close(self) -> None:
        """Let go of the connection; the next read opens another."""
        connection, self._connection = self._connection, None
        self._version_without_commands = None  # the next connection counts versions anew
        if connection is not None:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = self._open_connection(self._folder / DATABASE_NAME)
            with transaction(self._connection, "DEFERRED"):
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise SpoolUnavailable(f"the spool cannot be read: {error}") from error

    def _claim(
        self, number: int, row: tuple[Any, ...], recipients: Sequence[QueuedRecipient], route: str, destination: str
    ) -> Claim:
        return Claim(
            number=number,
            queue_id=to_text(number),
            message_id=row[0],
            subject=row[1],
            envelope=_envelope(row[2:9], tuple(queued.recipient for queued in recipients)),
            recipients=tuple(recipients),
            content=self._content(size=row[9], octets=row[14], file=row[15]),
            has_eight_bit=bool(row[10]),
            route=route,
            destination=destination,
            connector=row[11],
            is_once=bool(row[12]),
            received_at=row[13],
        )

    def _content(self, *, size: int, octets: bytes, file: str | None) -> Content:
        if file is None:
            return MemoryContent(octets)
        return FileContent(self._folder / CONTENT_FOLDER / file, octets, size)


def _lines(connection: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """Walk the index from one line to the next, however many recipients each has."""
    line = ("", "", "")
    while True:
        # A seek for each column, since SQLite walks all equal routes for `(route, destination) > (?, ?)`.
        row = connection.execute(SQL["next_connector"], line).fetchone()
        row = row or connection.execute(SQL["next_destination"], line[:2]).fetchone()
        row = row or connection.execute(SQL["next_route"], line[:1]).fetchone()
        if row is None:
            return
        line = (row[0], row[1], row[2])
        yield line


def _affected_rows(connection: sqlite3.Connection, command: QueueCommand, now: float) -> Iterator[Key]:
    if command.verb is CommandVerb.REOPEN:
        yield from _reopenable(connection, command)
        return
    statement = SQL.get(f"to_{command.verb.value}")
    if _is_about_all(command) and statement is not None:
        yield from connection.execute(statement, (now,) if command.verb is CommandVerb.RETRY else ())
        return
    for key, state, due_at, is_doubtful in _concerned(connection, command):
        if applies(command, state, due_at, now, is_doubtful=is_doubtful):
            yield key


def _reopenable(connection: sqlite3.Connection, command: QueueCommand) -> Iterator[Key]:
    for number in _numbers(connection, command):
        for recipient, is_doubtful in connection.execute(SQL["failed_of"], (number,)):
            key = (number, recipient)
            if command.concerns(key) and not cannot_be_for(command, is_doubtful=bool(is_doubtful)):
                yield key


def _is_about_all(command: QueueCommand) -> bool:
    return not command.numbers and command.keys is None


def _numbers(connection: sqlite3.Connection, command: QueueCommand) -> Iterator[int]:
    """Yield the messages that the command is about, in order."""
    if _is_about_all(command):
        yield from sorted({number for number, _ in connection.execute(SQL["to_delete"])})
    elif command.keys is None:
        yield from sorted(command.numbers)
    else:
        yield from sorted({number for number, _ in command.keys})


def _concerned(
    connection: sqlite3.Connection, command: QueueCommand
) -> Iterator[tuple[Key, RecipientState, float | None, bool]]:
    """Yield the open recipients that the command is about and that are not in attempt, with what they are like."""
    for number in _numbers(connection, command):
        for recipient, state, due_at, is_doubtful in connection.execute(SQL["one_message"], (number,)):
            if command.concerns((number, recipient)):
                yield (number, recipient), RecipientState(state), due_at, bool(is_doubtful)


def _queued_recipient(row: tuple[int, int, str, str, int, str | None, int, str, int, int, int]) -> QueuedRecipient:
    _, place, address, key, notify, original, attempts, state, is_delay_notified, retries_asked, is_doubtful = row
    return QueuedRecipient(
        place,
        Recipient(_mailbox(address, key), Notify(notify), original),
        attempts,
        RecipientState(state),
        bool(is_delay_notified),
        retries_asked,
        bool(is_doubtful),
    )


def _mailbox(text: str, key: str) -> Mailbox:
    """Not parsed again: what was accepted stays readable, whatever a later parser thinks of it."""
    return Mailbox(text, text.rpartition("@")[0] or text, key.rpartition("@")[2])


def _envelope(row: tuple[Any, ...], recipients: tuple[Recipient, ...]) -> Envelope:
    reverse_path, reverse_path_key, body, smtputf8, require_tls, ret, envelope_id = row
    return Envelope(
        reverse_path=None if reverse_path is None else _mailbox(reverse_path, reverse_path_key),
        recipients=recipients,
        body=BodyType(body),
        smtputf8=bool(smtputf8),
        require_tls=bool(require_tls),
        ret=None if ret is None else Ret(ret),
        envelope_id=envelope_id,
    )
