"""Messages that wait, by the cmdlets of Exchange's transport servers, and two of ours: Redirect and Complete.

What is chosen, and how: selecting.py. What an order does to an attempt under way: docs/decisions/045 and 076.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.operations import ordering
from staffetta.operations.duties import CHANGE, HELP, TRACE
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize, Switch
from staffetta.operations.ordering import OrderRow
from staffetta.operations.queues import CommandVerb
from staffetta.operations.redirecting import new_road
from staffetta.operations.registry import Context, Operation
from staffetta.operations.selecting import STATUS_OF, QueueStatus, Selection, selected, selected_of
from staffetta.trace.waiting import Waiting

_Groups = dict[tuple[int, str], list[Waiting]]
"""What waits by message and queue, in the order in which it is tried."""


class MessageRow(Output):
    identity: Annotated[str, Field(description="Queue id of the message.")]
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
    last_error: Annotated[str | None, Field(description="Why it waits, or what the last attempt brought.")]
    is_outcome_unknown: Annotated[bool, Field(description="Whether a next hop may have it: a final reply was lost.")]
    recipients: Annotated[tuple[str, ...], Field(description="Recipients that wait in this queue.")]


class GetMessage(Selection):
    result_size: ResultSize = RESULTS_DEFAULT


class RemoveMessage(Selection):
    with_ndr: Annotated[bool, Field(description="Whether the senders are notified.")] = True


class RedirectMessage(Selection):
    to_route: Annotated[str, Field(description="Where to: a route or an outbound connector.")]
    include_unknown: Annotated[
        Switch, Field(description="Those too that a next hop may have, and would get twice.")
    ] = False


def get_message(context: Context, given: GetMessage) -> Iterable[Output]:
    size = given.result_size
    groups: _Groups = {}
    with closing(selected(context, given, must_say=False)) as waiting:
        for row in waiting:
            if len(groups) == size and (row.number, row.queue) not in groups:
                context.warnings.append(f"There are more results; {size} are shown. -ResultSize Unlimited shows all.")
                groups = _whole(context, given, groups)
                break
            groups.setdefault((row.number, row.queue), []).append(row)
    return list(map(_message, groups.values()))


def _whole(context: Context, given: GetMessage, groups: _Groups) -> _Groups:
    """Return the same messages with those recipients too that are tried later than what is shown last."""
    found: _Groups = {}
    for row in selected_of(context, given, list(dict.fromkeys(number for number, _ in groups))):
        found.setdefault((row.number, row.queue), []).append(row)
    return {key: found.get(key, rows) for key, rows in groups.items()}


def remove_message(context: Context, given: RemoveMessage) -> Iterable[Output]:
    return _ordered(CommandVerb.RETURN if given.with_ndr else CommandVerb.DELETE, "Remove-Message")(context, given)


def redirect_message(context: Context, given: RedirectMessage) -> Iterable[Output]:
    road = new_road(context, given.to_route)
    chosen = list(selected(context, given))
    orders = ordering.orders_about(
        chosen,
        CommandVerb.REDIRECT,
        route=road.route,
        destination=road.destination,
        includes_unknown=given.include_unknown,
    )
    target, where = ordering.target_of(given, chosen), ordering.described(given)
    row = ordering.give(context, "Redirect-Message", chosen, orders, target=target, Where=where, ToRoute=road.route)
    return [row]


def preview_redirect(context: Context, given: RedirectMessage) -> Iterator[str]:
    road = new_road(context, given.to_route)
    yield from ordering.preview(context, given)
    yield f"They would wait for the route {road.route}, and be tried at once."


def _ordered(verb: CommandVerb, name: str) -> Callable[[Context, Selection], Iterable[Output]]:
    """Return the operation that gives this order about what is chosen."""

    def run(context: Context, given: Selection) -> Iterable[Output]:
        chosen = list(selected(context, given))
        target, where = ordering.target_of(given, chosen), ordering.described(given)
        orders = ordering.orders_about(chosen, verb)
        return [ordering.give(context, name, chosen, orders, target=target, Where=where)]

    return run


def _message(recipients: Sequence[Waiting]) -> MessageRow:
    first = recipients[0]
    due = [row.due_at for row in recipients if row.due_at is not None]
    return MessageRow(
        identity=first.queue_id,
        from_address=first.sender,
        status=_status({STATUS_OF[row.state] for row in recipients}),
        queue=first.queue,
        subject=first.subject,
        internet_message_id=first.message_id,
        size=first.size,
        date_received=datetime.fromtimestamp(first.received_at, UTC),
        source_ip=first.peer,
        message_source_name=first.connector,
        retry_count=max(row.attempts for row in recipients),
        next_retry_time=datetime.fromtimestamp(min(due), UTC) if due else None,
        last_error=first.why,
        is_outcome_unknown=any(row.is_doubtful for row in recipients),
        recipients=tuple(row.recipient for row in recipients),
    )


def _status(found: set[QueueStatus]) -> QueueStatus:
    if QueueStatus.ACTIVE in found:
        return QueueStatus.ACTIVE
    if found == {QueueStatus.SUSPENDED}:
        return QueueStatus.SUSPENDED
    return QueueStatus.RETRY if QueueStatus.RETRY in found else QueueStatus.READY


def _operation(
    verb: str,
    summary: str,
    run: Callable[[Context, Any], Iterable[Output]],
    *,
    takes: type[Input] = Selection,
    roles: frozenset[Any] = HELP,
    preview: Callable[[Context, Any], Iterable[str]] = ordering.preview,
    example: str = "0GZ6Q1Y2W4X8A",
) -> Operation:
    return Operation(
        verb,
        "Message",
        summary,
        takes,
        OrderRow,
        roles,
        run,
        is_change=True,
        positions=("identity",),
        columns=("messages", "recipients", "changed", "result"),
        example=example,
        preview=preview,
    )


OPERATIONS = (
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
        example="-Filter \"FromAddress -like '*@contoso.com' -and Status -eq 'Retry'\"",
    ),
    _operation("Suspend", "Keep messages until they are resumed.", _ordered(CommandVerb.HOLD, "Suspend-Message")),
    _operation("Resume", "Let suspended messages go on.", _ordered(CommandVerb.RELEASE, "Resume-Message")),
    _operation("Retry", "Try deferred messages now.", _ordered(CommandVerb.RETRY, "Retry-Message")),
    _operation(
        "Remove",
        "Delete messages, and notify the senders or, with -WithNDR $false, nobody.",
        remove_message,
        takes=RemoveMessage,
        roles=CHANGE,
        example="-RecipientAddress *@example.net -OlderThan 1.00:00:00 -WithNDR $false",
    ),
    _operation(
        "Redirect",
        "Send messages another way, now.",
        redirect_message,
        takes=RedirectMessage,
        roles=CHANGE,
        preview=preview_redirect,
        example="-Route outside -ToRoute provider",
    ),
    _operation(
        "Complete",
        "Take messages of unknown outcome as delivered; nobody is notified.",
        _ordered(CommandVerb.COMPLETE, "Complete-Message"),
        roles=CHANGE,
    ),
)
