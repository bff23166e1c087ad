"""The queue by the cmdlets of Exchange's transport servers: what waits, by destination and by message, and orders.

Rule: an order to the queue is audited as any change is, and left to the relay that owns the spool (queues.py).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Any

from pydantic import Field

from staffetta.operations.access import changing, not_found
from staffetta.operations.duties import CHANGE, HELP, TRACE
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize
from staffetta.operations.queues import CommandVerb, TraceRow, act, waiting
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.visibility import own_mail
from staffetta.settings.objects import DEFAULT_ORGANIZATION
from staffetta.settings.outbound import find_route
from staffetta.settings.roads import Transport
from staffetta.trace.backlog import Backlog, backlogs
from staffetta.trace.search import DATABASE_NAME

_QUEUE_IDENTITY = "Queue, as Get-Queue shows it: `route\\destination`."
_MESSAGE_IDENTITY = "Queue id of the message."


class QueueStatus(StrEnum):
    """Exchange's words for a queue and for a message in it."""

    ACTIVE = "Active"
    READY = "Ready"
    RETRY = "Retry"
    SUSPENDED = "Suspended"


_DELIVERY_TYPES = {
    Transport.SMTP: "SmartHostConnectorDelivery",
    Transport.LMTP: "SmtpDeliveryToMailbox",
    Transport.MAILDIR: "SmtpDeliveryToMailbox",
    Transport.MX: "DnsConnectorDelivery",
    Transport.GRAPH: "NonSmtpGatewayDelivery",
}


class QueueRow(Output):
    identity: Annotated[str, Field(description=_QUEUE_IDENTITY)]
    delivery_type: Annotated[str, Field(description="How mail leaves it.")]
    status: Annotated[QueueStatus, Field(description="What it is doing.")]
    message_count: Annotated[int, Field(description="Messages that wait in it.")]
    recipient_count: Annotated[int, Field(description="Recipients that wait in it.")]
    suspended_count: Annotated[int, Field(description="Recipients that are held.")]
    next_hop_domain: Annotated[str, Field(description="Where they go.")]
    next_hop_connector: Annotated[str, Field(description="The route.")]
    next_retry_time: Annotated[datetime | None, Field(description="When the next one is tried.")]
    last_error: Annotated[str | None, Field(description="What an attempt brought.")]


class MessageRow(Output):
    identity: Annotated[str, Field(description=_MESSAGE_IDENTITY)]
    from_address: Annotated[str, Field(description="The reverse-path; empty for the null path.")]
    status: Annotated[QueueStatus, Field(description="What is being done about it.")]
    queue: Annotated[str, Field(description="The queue that it waits in.")]
    subject: Annotated[str | None, Field(description="The Subject field.")]
    internet_message_id: Annotated[str | None, Field(description="The Message-ID field.")]
    size: Annotated[int, Field(description="Octets.")]
    date_received: Annotated[datetime, Field(description="When we took it.")]
    source_ip: Annotated[str, Field(description="The address that it came from.")]
    message_source_name: Annotated[str | None, Field(description="The inbound connector that it came by.")]
    retry_count: Annotated[int, Field(description="Attempts so far.")]
    next_retry_time: Annotated[datetime | None, Field(description="When it is tried next.")]
    last_error: Annotated[str | None, Field(description="What the last attempt brought.")]
    recipients: Annotated[tuple[str, ...], Field(description="Recipients that wait in this queue.")]


class GetQueue(Input):
    identity: Annotated[str | None, Field(description=_QUEUE_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class RetryQueue(Input):
    identity: Annotated[str, Field(description=_QUEUE_IDENTITY)]


class GetMessage(Input):
    identity: Annotated[str | None, Field(description=_MESSAGE_IDENTITY)] = None
    queue: Annotated[str | None, Field(description=_QUEUE_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class OneMessage(Input):
    identity: Annotated[str, Field(description=_MESSAGE_IDENTITY)]


class RemoveMessage(OneMessage):
    with_ndr: Annotated[bool, Field(description="Exchange's; here nobody is notified, so only false is taken.")] = False


def get_queue(context: Context, given: GetQueue) -> Iterable[Output]:
    rows = [_queue_row(context, each) for each in _backlogs(context)]
    if given.identity is None:
        return rows[: given.result_size]
    wanted = [row for row in rows if row.identity.lower() == given.identity.lower()]
    if not wanted:
        raise not_found(context, given.identity)
    return wanted


def get_message(context: Context, given: GetMessage) -> Iterable[Output]:
    # Rows are recipients, and some of a message's may be few; so the bound is kept on messages, below.
    with spool_told():
        found = waiting(context.settings, queue_id=given.identity, limit=-1, only=own_mail(context))
    messages = list(_messages(found))
    if given.queue is not None:
        messages = [each for each in messages if each.queue.lower() == given.queue.lower()]
    if given.identity is not None and not messages:
        raise not_found(context, given.identity)
    return messages[: given.result_size]


def retry_queue(context: Context, given: RetryQueue) -> Iterable[Output]:
    with spool_told():
        found = waiting(context.settings, limit=-1, only=own_mail(context))
    queue_ids = {row.queue_id for row in found if _queue(row).lower() == given.identity.lower()}
    if not queue_ids:
        raise not_found(context, given.identity)
    _order(context, CommandVerb.RETRY, sorted(queue_ids), "Retry-Queue", given.identity)
    return []


def remove_message(context: Context, given: RemoveMessage) -> Iterable[Output]:
    if given.with_ndr:
        raise BadValue("Nobody is notified of a removed message; write -WithNDR $false.", parameter="WithNdr")
    return _of_one(CommandVerb.DELETE, "Remove-Message")(context, given)


def _of_one(verb: CommandVerb, name: str) -> Callable[[Context, OneMessage], Iterable[Output]]:
    """Return the operation that gives this order for one message."""

    def run(context: Context, given: OneMessage) -> Iterable[Output]:
        with spool_told():
            found = waiting(context.settings, queue_id=given.identity, only=own_mail(context))
        if not found:
            raise not_found(context, given.identity)
        _order(context, verb, [found[0].queue_id], name, found[0].queue_id)
        return []

    return run


def _order(context: Context, verb: CommandVerb, queue_ids: Sequence[str], name: str, target: str) -> None:
    """Write down that the order is given, and give it: one that no relay answers in time still stands."""
    with changing(context, name) as change:
        organization = context.caller.organization or DEFAULT_ORGANIZATION
        change.audit("queue", target, organization, after={"Order": str(verb), "Messages": len(queue_ids)})
    with spool_told():
        act(context.settings, verb, queue_ids)


def _backlogs(context: Context) -> Sequence[Backlog]:
    folder = spool_folder(context.settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    with spool_told(), not_available():
        return backlogs(folder, only=own_mail(context))


def _queue_row(context: Context, backlog: Backlog) -> QueueRow:
    route = find_route(context.settings, backlog.route)
    return QueueRow(
        identity=f"{backlog.route}\\{backlog.destination}",
        delivery_type=_DELIVERY_TYPES[route.transport] if route else "Undefined",
        status=_status(backlog.in_attempt, backlog.held, backlog.deferred, backlog.recipients),
        message_count=backlog.messages,
        recipient_count=backlog.recipients,
        suspended_count=backlog.held,
        next_hop_domain=backlog.destination,
        next_hop_connector=backlog.route,
        next_retry_time=_time(backlog.next_attempt_at),
        last_error=backlog.diagnostic,
    )


def _messages(rows: Sequence[TraceRow]) -> Iterator[MessageRow]:
    """One row for each message and queue, in the order in which they are tried."""
    order = {key: index for index, key in reversed(list(enumerate(map(_key, rows))))}
    for _, group in groupby(sorted(rows, key=lambda row: order[_key(row)]), _key):
        recipients = list(group)
        first = recipients[0]
        states = [row.state for row in recipients]
        yield MessageRow(
            identity=first.queue_id,
            from_address=first.sender,
            status=_status(
                states.count("in attempt"),
                states.count("held"),
                states.count("deferred") + states.count("unknown"),
                len(states),
            ),
            queue=_queue(first),
            subject=first.subject,
            internet_message_id=first.message_id,
            size=first.size,
            date_received=datetime.fromisoformat(first.received_at),
            source_ip=first.peer,
            message_source_name=first.connector,
            retry_count=max(row.attempts for row in recipients),
            next_retry_time=_time(first.next_attempt_at),
            last_error=first.diagnostic,
            recipients=tuple(row.recipient for row in recipients),
        )


def _key(row: TraceRow) -> tuple[str, str]:
    return row.queue_id, _queue(row)


def _queue(row: TraceRow) -> str:
    return f"{row.route}\\{row.destination}"


def _status(in_attempt: int, held: int, deferred: int, all_of_them: int) -> QueueStatus:
    if in_attempt:
        return QueueStatus.ACTIVE
    if held == all_of_them:
        return QueueStatus.SUSPENDED
    return QueueStatus.RETRY if deferred else QueueStatus.READY


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _message_operation(verb: str, summary: str, run: Callable[[Context, Any], Iterable[Output]]) -> Operation:
    is_removal = verb == "Remove"
    return Operation(
        verb,
        "Message",
        summary,
        RemoveMessage if is_removal else OneMessage,
        None,
        CHANGE if is_removal else HELP,
        run,
        is_change=True,
        positions=("identity",),
        example="0GZ6Q1Y2W4X8A",
    )


OPERATIONS = (
    Operation(
        "Get",
        "Queue",
        "Show where mail waits, and why.",
        GetQueue,
        QueueRow,
        TRACE,
        get_queue,
        positions=("identity",),
        columns=("identity", "delivery_type", "status", "message_count", "next_hop_domain"),
        example="outside\\example.net",
    ),
    Operation(
        "Retry",
        "Queue",
        "Try all that waits in a queue now.",
        RetryQueue,
        None,
        HELP,
        retry_queue,
        is_change=True,
        positions=("identity",),
        example="outside\\example.net",
    ),
    Operation(
        "Get",
        "Message",
        "Show the messages that wait, the next to be tried first.",
        GetMessage,
        MessageRow,
        TRACE,
        get_message,
        positions=("identity",),
        columns=("identity", "from_address", "status", "queue", "subject"),
        example="0GZ6Q1Y2W4X8A",
    ),
    _message_operation(
        "Suspend",
        "Keep a message until it is resumed.",
        _of_one(CommandVerb.HOLD, "Suspend-Message"),
    ),
    _message_operation("Resume", "Let a suspended message go on.", _of_one(CommandVerb.RELEASE, "Resume-Message")),
    _message_operation("Retry", "Try a deferred message now.", _of_one(CommandVerb.RETRY, "Retry-Message")),
    _message_operation("Remove", "Delete a message; nobody is notified.", remove_message),
)
