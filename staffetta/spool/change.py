"""A change: the rows that one caller wants to be durable together; and how a batch of changes becomes statements.

Rule 1: rows are built by the caller, so that the commit thread only hands them to SQLite.
Rule 2: changes of one batch do not depend on each other, since each caller waits for its own; so a batch is written
table by table, which costs one prepared statement for each and not for each message.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from json.encoder import encode_basestring as _quote

from staffetta.mail.outcome import Unknown
from staffetta.spool.content import FileContent
from staffetta.spool.database import SQL, Row
from staffetta.spool.spool import NewMessage, RecipientState, Settlement
from staffetta.trace.events import Detail, Event, Refusal

CLOSED = frozenset((RecipientState.DELIVERED, RecipientState.FAILED, RecipientState.DELETED))


@dataclass(slots=True)
class Change:
    """What one caller waits for.

    roads, doubts: what else changes of settled recipients, seldom.
    closing: numbers of messages whose last recipient may be closed by this.
    act: more to do in the same transaction.
    """

    messages: Sequence[Row] = ()
    contents: Sequence[Row] = ()
    recipients: Sequence[Row] = ()
    events: Sequence[Row] = ()
    attempts: Sequence[Row] = ()
    settlements: Sequence[Row] = ()
    roads: Sequence[Row] = ()
    doubts: Sequence[Row] = ()
    refusals: Sequence[Row] = ()
    closing: Sequence[int] = ()
    act: Callable[[sqlite3.Connection], None] | None = None


def write(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[str]:
    """Run the statements of all changes in the open transaction; return files to remove once it is committed.

    Raises sqlite3.Error, and ValueError or OverflowError for values that SQLite cannot hold.
    """
    for name, rows in (
        ("insert_message", [row for change in changes for row in change.messages]),
        ("insert_content", [row for change in changes for row in change.contents]),
        ("insert_recipient", [row for change in changes for row in change.recipients]),
        ("begin_attempt", [row for change in changes for row in change.attempts]),
        ("settle", [row for change in changes for row in change.settlements]),
        ("set_road", [row for change in changes for row in change.roads]),
        ("set_doubtful", [row for change in changes for row in change.doubts]),
        ("insert_event", [row for change in changes for row in change.events]),
        ("insert_refusal", [row for change in changes for row in change.refusals]),
    ):
        if rows:
            connection.executemany(SQL[name], rows)
    for change in changes:
        if change.act is not None:
            change.act(connection)
    return _drop_contents(connection, [number for change in changes for number in change.closing])


def _drop_contents(connection: sqlite3.Connection, numbers: list[int]) -> list[str]:
    """Remove the content of those messages whose recipients are all closed; return the files that held some."""
    if not numbers:
        return []
    # Few messages have a file, so those are asked for at once; the others need no answer.
    with_file = {number for (number,) in connection.execute(SQL["numbers_with_file"], (json.dumps(numbers),))}
    rows = [(number,) for number in dict.fromkeys(numbers) if number not in with_file]
    connection.executemany(SQL["drop_content"], rows)
    files: list[str] = []
    for number in with_file:
        files += (file for (file,) in connection.execute(f"{SQL['drop_content']} RETURNING file", (number,)))
    return files


class RowMaker:
    """Turns values into rows. Event rows get a sequence that no earlier start has used."""

    def __init__(self, generation: int) -> None:
        self._sequence = count(generation << 40)

    def keep(self, message: NewMessage) -> Change:
        """Rows of a new message."""
        number = message.number
        return Change(
            messages=(_message_row(message),),
            contents=(_content_row(message),),
            recipients=_recipient_rows(message),
            events=[self.event(number, event) for event in message.events],
        )

    def settle(self, settlements: Sequence[Settlement]) -> Change:
        """Rows of outcomes."""
        return Change(
            settlements=[_settlement_row(settlement) for settlement in settlements],
            events=[self.event(settlement.number, event) for settlement in settlements for event in settlement.events],
            roads=[(*each.road, each.number, each.recipient) for each in settlements if each.road is not None],
            doubts=[(each.number, each.recipient) for each in settlements if isinstance(each.outcome, Unknown)],
            closing=[settlement.number for settlement in settlements if settlement.state in CLOSED],
        )

    def event(self, number: int, event: Event) -> Row:
        return (number, next(self._sequence), event.recipient, event.at, event.kind.value, encode_detail(event.detail))


def refusal_row(number: int, refusal: Refusal) -> Row:
    """number: made like a message's."""
    return (
        number,
        refusal.at,
        refusal.session_id,
        refusal.listener,
        refusal.peer_address,
        _clean_or_none(refusal.helo),
        refusal.tls,
        _clean_or_none(refusal.reverse_path),
        _clean_or_none(refusal.forward_path),
        _clean(refusal.reply),
        refusal.reason,
        encode_detail(refusal.evidence),
    )


def encode_detail(detail: Detail) -> str | None:
    """A JSON object, None for an empty one. Three times as fast as a JSONEncoder, which counts at three per message."""
    if not detail:
        return None
    return _clean("{" + ",".join([f"{_quote(key)}:{_encode_value(value)}" for key, value in detail.items()]) + "}")


def _encode_value(value: str | int | float | bool | None) -> str:
    if isinstance(value, str):
        return _quote(value)
    if type(value) is int:
        return str(value)
    return "null" if value is None else json.dumps(value)


def _clean(text: str) -> str:
    """What peers sent may hold lone surrogates, which SQLite does not take; they become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else _clean(text)


def _message_row(message: NewMessage) -> Row:
    envelope = message.envelope
    reverse_path = envelope.reverse_path
    return (
        message.number,
        _clean_or_none(message.message_id),
        _clean_or_none(message.subject),
        None if reverse_path is None else reverse_path.text,
        "" if reverse_path is None else reverse_path.key,
        envelope.body.value,
        envelope.smtputf8,
        envelope.require_tls,
        None if envelope.ret is None else envelope.ret.value,
        envelope.envelope_id,
        message.content.size,
        message.has_eight_bit,
        message.received_at,
        message.session_id,
        message.peer_address,
        _clean_or_none(message.helo),
        message.connector,
        message.is_once,
    )


def _content_row(message: NewMessage) -> Row:
    content = message.content
    if isinstance(content, FileContent):
        return (message.number, content.path.name, content.prefix)
    assert content.whole is not None
    return (message.number, None, content.whole)


def _recipient_rows(message: NewMessage) -> list[Row]:
    return [
        (
            message.number,
            place,
            routed.recipient.mailbox.text,
            routed.recipient.mailbox.key,
            int(routed.recipient.notify),
            routed.recipient.original,
            routed.route,
            routed.destination,
            message.connector or "",
            "held" if routed.is_held else "ready",
            None if routed.is_held else message.received_at,
        )
        for place, routed in enumerate(message.recipients)
    ]


def _settlement_row(settlement: Settlement) -> Row:
    return (
        settlement.state.value,
        settlement.due_at,
        settlement.counts_as_attempt,
        settlement.is_delay_notified,
        _last_word(settlement),
        settlement.number,
        settlement.recipient,
    )


def _last_word(settlement: Settlement) -> str | None:
    outcome = settlement.outcome
    if settlement.last_word is not None or outcome is None:
        return _clean_or_none(settlement.last_word)
    return _clean(f"{outcome.host or outcome.stage.value}: {outcome.diagnostic}")
