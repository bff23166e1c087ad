"""Message trace by Exchange's cmdlets: what became of each recipient, and what happened on the way.

Rule 1: no bound on the time that is asked about; without one it is the last 48 hours, as in Exchange.
Rule 2: a trace id is a GUID that holds the queue id; either names a message.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from xml.sax.saxutils import quoteattr

from pydantic import Field

from staffetta.mail.queue_id import from_text, made_at, to_text
from staffetta.operations.duties import TRACE
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output
from staffetta.operations.meanings import meaning_of
from staffetta.operations.registry import Context, Operation, Unread
from staffetta.operations.spools import spool_told
from staffetta.operations.trace import Place, Status, TraceQuery, TraceRow, find_messages
from staffetta.operations.trace_words import EXAMPLE, TraceWords, read_trace_words
from staffetta.operations.visibility import own_mail
from staffetta.settings.objects import outside_name
from staffetta.trace.events import EventKind

_DEFAULT_SPAN = timedelta(hours=48)
_RESULTS_MAX = 5000
ROWS_READ_MAX = 400_000
"""Of messages and recipients, for one answer: some tenths of a second (docs/decisions/109-searches-in-pieces.md)."""
_OURS_ALONE = ("search", "connector", "starting_row")
_OURS = {status.value for status in Status}


class TraceStatus(StrEnum):
    """Exchange's words; those that we never give find nothing."""

    GETTING_STATUS = "GettingStatus"
    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"
    EXPANDED = "Expanded"
    FILTERED_AS_SPAM = "FilteredAsSpam"
    QUARANTINED = "Quarantined"
    NONE = "None"


class SubjectFilterType(StrEnum):
    CONTAINS = "Contains"
    STARTS_WITH = "StartsWith"
    ENDS_WITH = "EndsWith"


_PLACES = {
    SubjectFilterType.CONTAINS: Place.ANYWHERE,
    SubjectFilterType.STARTS_WITH: Place.START,
    SubjectFilterType.ENDS_WITH: Place.END,
}

TraceId = Annotated[str | None, Field(description="The trace's GUID, or the queue id of the 250 reply.")]
MessageId = Annotated[str | None, Field(description="The Message-ID field, with or without angle brackets.")]
Sender = Annotated[str | None, Field(description="The reverse-path; `*@domain` for all of a domain; `<>` for none.")]
Start = Annotated[datetime | None, Field(description="Received at or after this time, UTC.")]
End = Annotated[datetime | None, Field(description="Received before or at this time, UTC.")]


class GetMessageTraceV2(Input):
    end_date: End = None
    from_ip: Annotated[str | None, Field(description="The address that it came from.")] = None
    message_id: MessageId = None
    message_trace_id: TraceId = None
    recipient_address: Annotated[str | None, Field(description="A recipient; `*@domain` for all of a domain.")] = None
    result_size: Annotated[int, Field(description="Rows at most.", ge=1, le=_RESULTS_MAX)] = RESULTS_DEFAULT
    sender_address: Sender = None
    start_date: Start = None
    starting_recipient_address: Annotated[
        str | None, Field(description="To go on: the last recipient of the rows before, with EndDate of that row.")
    ] = None
    status: Annotated[TraceStatus | None, Field(description="What became of it.")] = None
    subject: Annotated[str | None, Field(description="Words of the subject, in any case of letters.")] = None
    subject_filter_type: Annotated[SubjectFilterType, Field(description="Where in the subject.")] = (
        SubjectFilterType.CONTAINS
    )
    to_ip: Annotated[str | None, Field(description="The address of the next hop that was tried.")] = None
    search: Annotated[str | None, Field(description=f"What is typed into a search box, such as `{EXAMPLE}`.")] = None
    connector: Annotated[str | None, Field(description="The inbound connector that it came by.")] = None
    starting_row: Annotated[
        str | None, Field(description="To go on: the RowId of the last of the rows before; no row comes twice.")
    ] = None


class MessageTraceRow(Output):
    message_trace_id: Annotated[str, Field(description="Names the message in Get-MessageTraceDetailV2.")]
    message_id: Annotated[str | None, Field(description="The Message-ID field.")]
    received: Annotated[datetime, Field(description="When we took it.")]
    sender_address: Annotated[str, Field(description="The reverse-path; empty for the null path.")]
    recipient_address: Annotated[str, Field(description="The recipient.")]
    from_ip: Annotated[str, Field(description="The address that it came from.")]
    to_ip: Annotated[str | None, Field(description="The next hop that was tried last.")]
    subject: Annotated[str | None, Field(description="The Subject field.")]
    status: Annotated[str, Field(description="What became of it.")]
    size: Annotated[int, Field(description="Octets.")]
    queue_id: Annotated[str, Field(description="The id in our 250 reply, in the Received field and in the log.")]
    connector: Annotated[str | None, Field(description="The inbound connector that it came by.")]
    is_outcome_unknown: Annotated[bool, Field(description="Whether a next hop may have it: a final reply was lost.")]
    next_hop_connector: Annotated[str, Field(description="The route that it takes, or took last.")]
    next_hop_domain: Annotated[str, Field(description="Where that leads it.")]
    next_retry_time: Annotated[datetime | None, Field(description="When it is tried next.")]
    last_error: Annotated[str | None, Field(description="Why it waits, or what the last attempt brought.")]
    row_id: Annotated[str, Field(description="Names this recipient of this message: `queue id/place`.")]


class GetMessageTraceDetailV2(Input):
    message_trace_id: Annotated[str, Field(description="The trace's GUID, or the queue id of the 250 reply.")]
    recipient_address: Annotated[str, Field(description="The recipient.")]
    message_id: MessageId = None
    sender_address: Sender = None
    start_date: Start = None
    end_date: End = None
    event: Annotated[str | None, Field(description="Only events of this kind, such as `Defer`.")] = None


class MessageTraceDetailRow(Output):
    message_trace_id: Annotated[str, Field(description="Names the message.")]
    message_id: Annotated[str | None, Field(description="The Message-ID field.")]
    date: Annotated[datetime, Field(description="When.")]
    event: Annotated[str, Field(description="What happened.")]
    action: Annotated[str, Field(description="What was done about it; empty.")]
    detail: Annotated[str, Field(description="In words.")]
    data: Annotated[str, Field(description="The facts, as XML in the manner of Exchange.")]
    facts: Annotated[dict[str, Any], Field(description="The facts, by name.")]
    meaning: Annotated[str | None, Field(description="What the reply means and what mends it, where that is known.")]


def get(context: Context, given: GetMessageTraceV2) -> Iterable[Output]:
    if given.status is not None and given.status.value not in _OURS:
        return []
    asked = _asked(given).also(read_trace_words(given.search or "", datetime.fromtimestamp(context.now(), UTC)))
    with spool_told():
        answer = find_messages(context.settings, _query(context, given, asked), rows_read_max=ROWS_READ_MAX)
    found: Sequence[MessageTraceRow] = [_row(row) for row in answer.rows]
    if given.starting_recipient_address is not None:
        found = _from(found, given.starting_recipient_address.lower())
    shown = found[: given.result_size]
    if len(found) > len(shown):
        context.warnings.append(_how_to_go_on(shown[-1]))
    elif answer.beyond is not None:
        number, place = answer.beyond
        unread = Unread(f"{to_text(number)}/{place}", datetime.fromtimestamp(made_at(number), UTC))
        context.unread.append(unread)
        context.warnings.append(_how_to_look_further(unread))
    return shown


def _query(context: Context, given: GetMessageTraceV2, asked: TraceWords) -> TraceQuery:
    last = asked.before or datetime.fromtimestamp(context.now(), UTC)
    is_named = asked.queue_id is not None or (asked.message_id is not None and given.search is not None)
    after = asked.after or (None if is_named else last - _DEFAULT_SPAN)
    return replace(
        asked.query(limit=given.result_size + 1 + _repeated(context, given)),
        after=after.timestamp() if after else None,
        before=(last + timedelta(milliseconds=1)).timestamp(),  # Received is cut to these; rows are repeated, not lost
        next_hop=given.to_ip,
        subject_place=_PLACES[given.subject_filter_type],
        beyond=row_named(given.starting_row) if given.starting_row is not None else None,
        own=own_mail(context),
    )


def get_detail(context: Context, given: GetMessageTraceDetailV2) -> Iterable[Output]:
    with spool_told():
        query = TraceQuery(
            queue_id=queue_id_of(given.message_trace_id, "MessageTraceId"),
            message_id=given.message_id,
            sender=given.sender_address,
            recipient=given.recipient_address,
            limit=1,
            own=own_mail(context),
        )
        rows = find_messages(context.settings, query).rows
    details = [_detail(row, dict(event)) for row in rows for event in row.events]
    return [
        each
        for each in details
        if (given.event is None or each.event.lower() == given.event.lower())
        and (given.start_date is None or each.date >= given.start_date)
        and (given.end_date is None or each.date <= given.end_date)
    ]


def trace_id(queue_id: str) -> str:
    """Return the GUID of a queue id."""
    return str(uuid.UUID(int=from_text(queue_id)))


def queue_id_of(given: str | None, parameter: str) -> str | None:
    """Return the queue id that either of a message's names holds. parameter: where it was given. Raises BadValue."""
    if given is None:
        return None
    try:
        return to_text(uuid.UUID(given).int) if len(given) > 13 else to_text(from_text(given))
    except (ValueError, IndexError):
        text = f"'{given}' is neither a trace id nor a queue id; Get-MessageTraceV2 shows both."
        raise BadValue(text, parameter=parameter) from None


def row_named(row_id: str) -> tuple[int, int]:
    """Return number and place of a RowId. Raises BadValue."""
    queue_id, _, place = row_id.partition("/")
    try:
        if not (place.isascii() and place.isdigit() and len(place) < 9):
            raise ValueError(place)
        return from_text(queue_id), int(place)
    except ValueError:
        text = f"'{row_id}' is no RowId; Get-MessageTraceV2 shows them, such as 0GZ6Q1Y2W4X8A/0."
        raise BadValue(text, parameter="StartingRow") from None


def _asked(given: GetMessageTraceV2) -> TraceWords:
    """What is asked for by parameters of their own."""
    return TraceWords(
        queue_id=queue_id_of(given.message_trace_id, "MessageTraceId"),
        message_id=given.message_id,
        sender=given.sender_address,
        recipient=given.recipient_address,
        connector=given.connector,
        peer=given.from_ip,
        status=Status(given.status.value) if given.status else None,
        after=given.start_date,
        before=given.end_date,
        subject=given.subject,
    )


def _repeated(context: Context, given: GetMessageTraceV2) -> int:
    """How many rows of the first instant may have been shown already."""
    return context.settings.limits.recipients_max if given.starting_recipient_address is not None else 0


def _from(rows: Sequence[MessageTraceRow], recipient: str) -> Sequence[MessageTraceRow]:
    """Without the first instant's rows before that recipient, which were shown already."""
    for index, row in enumerate(rows):
        if row.received != rows[0].received:
            break
        if row.recipient_address.lower() == recipient:
            return rows[index:]
    return rows


def _how_to_go_on(last: MessageTraceRow) -> str:
    return (
        "There are more results, use the following command to get more. "
        f'Get-MessageTraceV2 -EndDate "{last.received:%Y-%m-%dT%H:%M:%S.%f}Z" '
        f'-StartingRecipientAddress "{last.recipient_address}"'
    )


def _how_to_look_further(unread: Unread) -> str:
    return (
        f"Messages received before {unread.before:%Y-%m-%d %H:%M} UTC were not looked at yet, and there may be more "
        f'results; use the following command to look further. Get-MessageTraceV2 -StartingRow "{unread.after}"'
    )


def _row(row: TraceRow) -> MessageTraceRow:
    hosts = [str(event["host"]) for event in row.events if event.get("host")]
    return MessageTraceRow(
        message_trace_id=trace_id(row.queue_id),
        message_id=row.message_id,
        received=datetime.fromisoformat(row.received_at),
        sender_address=row.sender,
        recipient_address=row.recipient,
        from_ip=row.peer,
        to_ip=hosts[-1] if hosts else None,
        subject=row.subject,
        status=row.status,
        size=row.size,
        queue_id=row.queue_id,
        connector=row.connector,
        is_outcome_unknown=row.is_doubtful,
        next_hop_connector=row.route,
        next_hop_domain=row.destination,
        next_retry_time=datetime.fromisoformat(row.next_attempt_at) if row.next_attempt_at else None,
        last_error=row.diagnostic,
        row_id=f"{row.queue_id}/{row.place}",
    )


def _detail(row: TraceRow, event: dict[str, object]) -> MessageTraceDetailRow:
    at, kind = str(event.pop("at")), str(event.pop("event"))
    facts = {name: value for name, value in event.items() if value is not None}
    return MessageTraceDetailRow(
        message_trace_id=trace_id(row.queue_id),
        message_id=row.message_id,
        date=datetime.fromisoformat(at),
        event=kind,
        action="",
        detail=_words(kind, facts),
        data=_property_bag(facts),
        facts=facts,
        meaning=meaning_of(facts.get("reply")),
    )


def _words(kind: str, facts: Mapping[str, object]) -> str:
    """One sentence, and the facts behind it."""
    said = _SENTENCES.get(kind, kind)
    named = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"{said}: {named}" if named else said


def _property_bag(facts: Mapping[str, object]) -> str:
    names = {"connector": "ConnectorId"}
    pairs = (
        f"<MEP Name={quoteattr(names.get(name, outside_name(name)))} String={quoteattr(_printable(value))}/>"
        for name, value in facts.items()
    )
    return f"<root>{''.join(pairs)}</root>"


def _printable(value: object) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in str(value))


_SENTENCES: dict[str, str] = {
    EventKind.RECEIVE: "Message received",
    EventKind.ATTEMPT: "Delivery attempted",
    EventKind.DELIVER: "Delivered to the mailbox",
    EventKind.SEND: "Handed to the next hop",
    EventKind.DEFER: "Deferred",
    EventKind.FAIL: "Not delivered",
    EventKind.UNKNOWN: "The outcome of the attempt is not known",
    EventKind.EXPIRE: "Not delivered in time",
    EventKind.NOTIFY: "Sender notified",
    EventKind.HOLD: "Held",
    EventKind.RELEASE: "Released",
    EventKind.RETRY: "To be tried now",
    EventKind.DELETE: "Deleted",
    EventKind.REDIRECT: "Sent another way",
    EventKind.RESUBMIT: "Queued again",
    EventKind.COMPLETE: "Taken as delivered",
}

OPERATIONS = (
    Operation(
        "Get",
        "MessageTraceV2",
        "Show what became of messages, one row per recipient, the newest first.",
        GetMessageTraceV2,
        MessageTraceRow,
        TRACE,
        get,
        # The order is Exchange's.
        positions=tuple(name for name in GetMessageTraceV2.model_fields if name not in _OURS_ALONE),
        columns=("received", "sender_address", "recipient_address", "subject", "status"),
        example="-SenderAddress ada@contoso.com -StartDate 2026-11-24",
    ),
    Operation(
        "Get",
        "MessageTraceDetailV2",
        "Show what happened to a message on its way to one recipient.",
        GetMessageTraceDetailV2,
        MessageTraceDetailRow,
        TRACE,
        get_detail,
        positions=("message_trace_id", "recipient_address"),
        columns=("date", "event", "detail"),
        example="0GZ6Q1Y2W4X8A bob@contoso.com",
    ),
)
