"""Queues by the cmdlets of Exchange's transport servers: what waits by destination, and what is done about all of it.

Rule: an administrator of one organisation sees its own mail in a queue, and stops or empties no queue that may hold
another's (docs/decisions/075-suspended-queues.md).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from staffetta.operations import ordering
from staffetta.operations.access import not_found
from staffetta.operations.duties import CHANGE, HELP, TRACE
from staffetta.operations.errors import OperationError
from staffetta.operations.filters import Property, read_filter
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize
from staffetta.operations.ordering import OrderRow
from staffetta.operations.queues import CommandVerb, Order
from staffetta.operations.redirecting import is_own, roads_of_today
from staffetta.operations.registry import Context, Operation
from staffetta.operations.selecting import QueueStatus, Selection, selected
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.visibility import own_mail
from staffetta.settings.outbound import all_routes, find_route
from staffetta.settings.roads import Transport
from staffetta.trace.backlog import Backlog, backlogs
from staffetta.trace.search import DATABASE_NAME
from staffetta.trace.waiting import Waiting

_QUEUE_IDENTITY = "Queue, as Get-Queue shows it: `route\\destination`."
_PLACE = "Queue, as Get-Queue shows it: `route\\destination`; or a route, for all that goes by it."

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
    suspended_count: Annotated[int, Field(description="Recipients that are suspended one by one.")]
    incoming_rate: Annotated[float | None, Field(description="New messages a second, as last counted.")]
    outgoing_rate: Annotated[float | None, Field(description="Messages a second that leave it for good.")]
    velocity: Annotated[float | None, Field(description="OutgoingRate less IncomingRate: below zero it grows.")]
    next_hop_domain: Annotated[str, Field(description="Where they go; empty for all of a suspended route.")]
    next_hop_connector: Annotated[str, Field(description="The route.")]
    next_retry_time: Annotated[datetime | None, Field(description="When the next one is tried.")]
    last_error: Annotated[str | None, Field(description="Why they wait, or what an attempt brought.")]


class GetQueue(Input):
    identity: Annotated[str | None, Field(description=_QUEUE_IDENTITY)] = None
    filter: Annotated[
        str | None, Field(description="Exchange's filter, such as `MessageCount -gt 100 -and Status -eq 'Retry'`.")
    ] = None
    result_size: ResultSize = RESULTS_DEFAULT


class OneQueue(Input):
    identity: Annotated[str, Field(description=_PLACE)]


class RetryQueue(OneQueue):
    resubmit: Annotated[
        bool, Field(description="Whether each recipient's road is looked for anew first, by the settings of now.")
    ] = False


def get_queue(context: Context, given: GetQueue) -> Iterable[Output]:
    rows = [_queue_row(context, each) for each in _backlogs(context)]
    if given.filter is not None:
        is_wanted = read_filter(given.filter, _PROPERTIES)
        rows = [row for row in rows if is_wanted(row)]
    if given.identity is None:
        return rows[: given.result_size]
    wanted = [row for row in rows if row.identity.lower() == given.identity.lower()]
    if not wanted:
        raise not_found(context, given.identity)
    return wanted


def suspend_queue(context: Context, given: OneQueue) -> Iterable[Output]:
    return _switch(context, given, CommandVerb.SUSPEND, "Suspend-Queue")


def resume_queue(context: Context, given: OneQueue) -> Iterable[Output]:
    return _switch(context, given, CommandVerb.RESUME, "Resume-Queue")


def retry_queue(context: Context, given: RetryQueue) -> Iterable[Output]:
    chosen = _in_queue(context, given)
    if not given.resubmit:
        orders = ordering.orders_about(chosen, CommandVerb.RETRY)
    else:
        orders = [order for road, group in _anew(context, chosen).items() for order in _to(road, group)]
    return [ordering.give(context, "Retry-Queue", chosen, orders, target=given.identity, Resubmit=given.resubmit)]


def preview_retry(context: Context, given: RetryQueue) -> Iterator[str]:
    chosen = _in_queue(context, given)
    yield f"It is about {len(chosen):,} recipients of {len({each.number for each in chosen}):,} messages."
    if given.resubmit:
        for (route, destination), group in _anew(context, chosen).items():
            yield f"{len(group):,} of them would wait in {route}\\{destination}."
    yield from ordering.shown(chosen)


def preview_switch(context: Context, given: OneQueue) -> Iterator[str]:
    route, destination = _place(context, given.identity)
    rows = [each for each in _backlogs(context) if each.route == route and destination in (None, each.destination)]
    yield f"{sum(each.messages for each in rows):,} messages wait there now."


def _switch(context: Context, given: OneQueue, verb: CommandVerb, name: str) -> Iterable[Output]:
    route, destination = _place(context, given.identity)
    if context.caller.organization is not None and not is_own(context, route):
        raise OperationError(
            f"{given.identity} may carry mail of other organizations. Suspend-Message -Queue {given.identity} is about "
            "your own.",
            parameter="Identity",
        )
    suspended_routes = {each.route for each in _backlogs(context) if each.is_route_suspended}
    if verb is CommandVerb.RESUME and destination is not None and route in suspended_routes:
        raise OperationError(
            f"All of the route {route} is suspended. Resume-Queue {route} resumes it.", parameter="Identity"
        )
    place = f"{route}\\{destination or '*'}"
    ordering.carry_out(context, name, [Order(verb=verb, route=route, destination=destination)], target=place)
    return []


def _place(context: Context, identity: str) -> tuple[str, str | None]:
    """Return route and destination, None for all of the route. Raises NotFound."""
    name, _, destination = identity.strip().partition("\\")
    waiting = _backlogs(context)
    visible = {each.route for each in waiting}
    if context.caller.organization is None:
        visible |= all_routes(context.settings).keys()
    else:
        visible |= {each for each in all_routes(context.settings) if is_own(context, each)}
    route = next((each for each in sorted(visible) if each.casefold() == name.casefold()), None)
    if route is None:
        raise not_found(context, identity)
    if destination in ("", "*"):
        return route, None
    known = {each.destination.casefold(): each.destination for each in waiting if each.route == route}
    return route, known.get(destination.casefold(), destination.lower() if "." in destination else destination)


def _in_queue(context: Context, given: OneQueue) -> Sequence[Waiting]:
    chosen = list(selected(context, Selection(queue=given.identity.removesuffix("\\*").removesuffix("\\"))))
    if not chosen:
        raise not_found(context, given.identity)
    return chosen


def _anew(context: Context, chosen: Sequence[Waiting]) -> dict[tuple[str, str], list[Waiting]]:
    """What is suspended stays where it is, as it does in Exchange."""
    return roads_of_today(context.settings, [each for each in chosen if each.state != "held"])


def _to(road: tuple[str, str], group: Sequence[Waiting]) -> Iterator[Order]:
    moved = [each for each in group if (each.route, each.destination) != road]
    stayed = [each for each in group if (each.route, each.destination) == road]
    yield from ordering.orders_about(moved, CommandVerb.REDIRECT, route=road[0], destination=road[1])
    yield from ordering.orders_about(stayed, CommandVerb.RETRY)


def _backlogs(context: Context) -> Sequence[Backlog]:
    folder = spool_folder(context.settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    with spool_told(), not_available():
        return backlogs(folder, own=own_mail(context))


def _queue_row(context: Context, backlog: Backlog) -> QueueRow:
    route = find_route(context.settings, backlog.route)
    came, went = backlog.came_per_second, backlog.went_per_second
    return QueueRow(
        identity=f"{backlog.route}\\{backlog.destination or '*'}",
        delivery_type=_DELIVERY_TYPES[route.transport] if route else "Undefined",
        status=_status(backlog),
        message_count=backlog.messages,
        recipient_count=backlog.recipients,
        suspended_count=backlog.held,
        incoming_rate=came,
        outgoing_rate=went,
        velocity=None if came is None or went is None else round(went - came, 2),
        next_hop_domain=backlog.destination,
        next_hop_connector=backlog.route,
        next_retry_time=datetime.fromisoformat(backlog.next_attempt_at) if backlog.next_attempt_at else None,
        last_error=backlog.diagnostic,
    )


def _status(backlog: Backlog) -> QueueStatus:
    if backlog.is_suspended:
        return QueueStatus.SUSPENDED
    if backlog.in_attempt:
        return QueueStatus.ACTIVE
    if backlog.held == backlog.recipients:
        return QueueStatus.SUSPENDED
    return QueueStatus.RETRY if backlog.deferred else QueueStatus.READY


_PROPERTIES: dict[str, Property[QueueRow]] = {
    "Identity": Property(str, lambda row: row.identity),
    "DeliveryType": Property(str, lambda row: row.delivery_type),
    "Status": Property(str, lambda row: row.status.value),
    "MessageCount": Property(int, lambda row: row.message_count),
    "Velocity": Property(float, lambda row: row.velocity),
    "NextHopDomain": Property(str, lambda row: row.next_hop_domain),
    "NextHopConnector": Property(str, lambda row: row.next_hop_connector),
    "NextRetryTime": Property(datetime, lambda row: row.next_retry_time),
    "LastError": Property(str, lambda row: row.last_error),
}

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
        "Suspend",
        "Queue",
        "Try nothing that waits in a queue, or for all of a route, until it is resumed; mail is taken as before.",
        OneQueue,
        None,
        CHANGE,
        suspend_queue,
        is_change=True,
        positions=("identity",),
        example="outside\\example.net",
        preview=preview_switch,
    ),
    Operation(
        "Resume",
        "Queue",
        "Let a suspended queue or route go on.",
        OneQueue,
        None,
        CHANGE,
        resume_queue,
        is_change=True,
        positions=("identity",),
        example="outside",
        preview=preview_switch,
    ),
    Operation(
        "Retry",
        "Queue",
        "Try all that waits in a queue now; with -Resubmit by the road that it would take today.",
        RetryQueue,
        OrderRow,
        HELP,
        retry_queue,
        is_change=True,
        positions=("identity",),
        columns=("messages", "recipients", "changed", "result"),
        example="outside\\example.net -Resubmit $true",
        preview=preview_retry,
    ),
)
