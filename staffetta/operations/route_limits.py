"""How much routes have carried of what they may, and when they will be full by the pace of the last hours.

And how many connections next hops put up with, where one has said that there are too many; and how many messages a
minute inbound connectors may hand over.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.operations.access import not_found
from staffetta.operations.duties import TRACE
from staffetta.operations.errors import Unavailable
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_folder
from staffetta.queue.crowding import Crowding
from staffetta.queue.shaper import Limits, day_limits
from staffetta.queue.shaping import DayCount, Rate
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes
from staffetta.spool.marks import ConnectorMark, CrowdingMark, HourMark, Mark, Scope, marks_of_all
from staffetta.trace.search import DATABASE_NAME, TraceUnavailable, iso


class RouteLimitRow(Output):
    identity: Annotated[str, Field(description="The route, or the inbound connector.")]
    limit_name: Annotated[
        str,
        Field(description="What is counted: recipients, external recipients, connections, or messages a minute."),
    ]
    destination: Annotated[str | None, Field(description="Where to, if not everywhere.")] = None
    used: Annotated[int | None, Field(description="Recipients that the route has carried in the last 24 hours.")] = None
    limit: Annotated[int, Field(description="How many it may.")]
    full_time: Annotated[
        datetime | None, Field(description="When the limit is reached at the pace of now; empty: not within a day.")
    ] = None
    reason: Annotated[
        str | None,
        Field(description="Why there are fewer connections, or until when mail waits."),
    ] = None


class GetRouteLimit(Input):
    identity: Annotated[str | None, Field(description="The route or connector; left out, all with a limit.")] = None


def get_route_limit(context: Context, given: GetRouteLimit) -> Iterable[Output]:
    # What a route carries is everybody's mail; so it is shown to those who see everybody's.
    is_host = context.caller.organization is None
    routes = {route.name: Limits.of(route) for route in all_routes(context.settings).values()} if is_host else {}
    rates = _connector_rates(context.settings) if is_host else {}
    if given.identity is not None:
        routes = {name: limits for name, limits in routes.items() if name.lower() == given.identity.lower()}
        rates = {name: rate for name, rate in rates.items() if name.lower() == given.identity.lower()}
        if not routes and not rates:
            raise not_found(context, given.identity)
    marks, now = _marks(context), context.now()
    counts = _counts(marks)
    carried = [
        _row(name, words, limit, counts.get((name, scope), DayCount()), now)
        for name, limits in routes.items()
        for scope, limit, words in day_limits(limits)
    ]
    crowded = [mark for mark in marks if isinstance(mark, CrowdingMark) and mark.route in routes]
    expected = {mark.connector: mark.expected_at for mark in marks if isinstance(mark, ConnectorMark)}
    return [
        *carried,
        *(row for mark in crowded for row in _crowding_rows(mark, routes[mark.route], now)),
        *(_rate_row(name, rate, expected.get(name, 0.0), now) for name, rate in rates.items()),
    ]


def _connector_rates(settings: Settings) -> dict[str, Rate]:
    return {
        each.name: Rate(each.messages_per_minute)
        for each in settings.inbound_connectors
        if each.messages_per_minute is not None
    }


def _marks(context: Context) -> Sequence[Mark]:
    folder = spool_folder(context.settings)
    if not (folder / DATABASE_NAME).exists():
        return ()
    try:
        return marks_of_all(folder)
    except TraceUnavailable as error:
        raise Unavailable(str(error)) from error


def _counts(marks: Sequence[Mark]) -> dict[tuple[str, Scope], DayCount]:
    counts: dict[tuple[str, Scope], DayCount] = {}
    for mark in marks:
        if isinstance(mark, HourMark):
            counts.setdefault((mark.route, mark.scope), DayCount()).hours[mark.hour] = mark.recipients
    return counts


def _crowding_rows(mark: CrowdingMark, limits: Limits, now: float) -> Iterable[RouteLimitRow]:
    lanes = Crowding(mark.lanes, mark.quiet_until, mark.reply).lanes_max(now)
    if lanes >= limits.concurrency:
        return
    more = "one more each minute" if now >= mark.quiet_until else f"one more from {iso(mark.quiet_until)}"
    yield RouteLimitRow(
        identity=mark.route,
        limit_name="connections",
        destination=mark.destination,
        limit=lanes,
        reason=f"{lanes} of {limits.concurrency} at a time, {more}, since the next hop said: {mark.reply}",
    )


def _rate_row(name: str, rate: Rate, expected_at: float, now: float) -> RouteLimitRow:
    ready_at = rate.ready_at(expected_at)
    return RouteLimitRow(
        identity=name,
        limit_name="messages a minute",
        limit=rate.per_minute,
        reason=f"the next goes at {iso(ready_at)}" if ready_at > now else None,
    )


def _row(name: str, words: str, limit: int, count: DayCount, now: float) -> RouteLimitRow:
    full_at = count.full_at(limit, now)
    return RouteLimitRow(
        identity=name,
        limit_name=words,
        used=count.used(now),
        limit=limit,
        full_time=None if full_at is None else datetime.fromtimestamp(full_at, UTC),
    )


OPERATIONS = (
    Operation(
        "Get",
        "RouteLimit",
        "Show what routes have carried of their daily recipients, who is crowded, and the rates of connectors.",
        GetRouteLimit,
        RouteLimitRow,
        TRACE,
        get_route_limit,
        positions=("identity",),
        columns=("identity", "limit_name", "destination", "used", "limit", "full_time", "reason"),
        example="outside",
    ),
)
