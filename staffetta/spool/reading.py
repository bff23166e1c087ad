"""What the owner reads: due destinations, claims, commands, counts. On a connection and in a thread of its own.

Nothing here reads a queue whole: the cost grows with destinations and with what is asked for.
"""

import json
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
        return [
            QueueCommand(
                command_id=row[0], verb=CommandVerb(row[1]), numbers=frozenset(json.loads(row[2])), asked_by=row[3]
            )
            for row in rows
        ]

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

    def held(self, command: QueueCommand) -> int:
        """Count the recipients that the command names and that are held."""
        with self._reading() as connection:
            if not command.numbers:
                return sum(1 for _ in connection.execute(SQL["to_release"]))
            return sum(1 for number in command.numbers for _ in connection.execute(SQL["held_of"], (number,)))

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
    if not command.numbers and command.rest is None:
        yield from connection.execute(
            SQL[f"to_{command.verb.value}"], (now,) if command.verb is CommandVerb.RETRY else ()
        )
        return
    numbers = command.numbers if command.rest is None else {number for number, _ in command.rest}
    for number in sorted(numbers):
        for recipient, state, due_at in connection.execute(SQL["one_message"], (number,)):
            if command.concerns((number, recipient)) and applies(command.verb, RecipientState(state), due_at, now):
                yield number, recipient


def applies(verb: CommandVerb, state: RecipientState, due_at: float | None, now: float) -> bool:
    """Whether the command changes a recipient that is open and not in attempt."""
    match verb:
        case CommandVerb.HOLD:
            return state is not RecipientState.HELD
        case CommandVerb.RELEASE:
            return state is RecipientState.HELD
        case CommandVerb.RETRY:
            return due_at is not None and due_at > now
        case CommandVerb.DELETE:
            return True


def _queued_recipient(row: tuple[int, int, str, str, int, str | None, int, str, int, int]) -> QueuedRecipient:
    _, place, address, key, notify, original, attempts, state, is_delay_notified, retries_asked = row
    recipient = Recipient(_mailbox(address, key), Notify(notify), original)
    return QueuedRecipient(place, recipient, attempts, RecipientState(state), bool(is_delay_notified), retries_asked)


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
