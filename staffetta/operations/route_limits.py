"""How much routes have carried of what they may, and when they will be full by the pace of the last hours."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.operations.access import not_found
from staffetta.operations.duties import TRACE
from staffetta.operations.errors import Unavailable
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_folder
from staffetta.queue.shaper import Limits, day_limits
from staffetta.queue.shaping import DayCount
from staffetta.settings.outbound import all_routes
from staffetta.spool.marks import HourMark, Scope, read_marks
from staffetta.trace.search import DATABASE_NAME, TraceUnavailable, reading


class RouteLimitRow(Output):
    identity: Annotated[str, Field(description="The route.")]
    limit_name: Annotated[str, Field(description="What is counted: recipients, or external recipients.")]
    used: Annotated[int, Field(description="Recipients that the route has carried in the last 24 hours.")]
    limit: Annotated[int, Field(description="How many it may.")]
    full_time: Annotated[
        datetime | None, Field(description="When the limit is reached at the pace of now; empty: not within a day.")
    ]


class GetRouteLimit(Input):
    identity: Annotated[str | None, Field(description="The route; left out, all that have such a limit.")] = None


def get_route_limit(context: Context, given: GetRouteLimit) -> Iterable[Output]:
    # What a route carries is everybody's mail; so it is shown to those who see everybody's.
    is_host = context.caller.organization is None
    routes = {route.name: Limits.of(route) for route in all_routes(context.settings).values()} if is_host else {}
    if given.identity is not None:
        routes = {name: limits for name, limits in routes.items() if name.lower() == given.identity.lower()}
        if not routes:
            raise not_found(context, given.identity)
    counts, now = _counts(context), context.now()
    return [
        _row(name, words, limit, counts.get((name, scope), DayCount()), now)
        for name, limits in routes.items()
        for scope, limit, words in day_limits(limits)
    ]


def _counts(context: Context) -> dict[tuple[str, Scope], DayCount]:
    folder = spool_folder(context.settings)
    counts: dict[tuple[str, Scope], DayCount] = {}
    if not (folder / DATABASE_NAME).exists():
        return counts
    try:
        with reading(folder) as connection:
            marks = read_marks(connection)
    except TraceUnavailable as error:
        raise Unavailable(str(error)) from error
    for mark in marks:
        if isinstance(mark, HourMark):
            counts.setdefault((mark.route, mark.scope), DayCount()).hours[mark.hour] = mark.recipients
    return counts


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
        "Show what routes have carried of their daily recipients, and when they will be full.",
        GetRouteLimit,
        RouteLimitRow,
        TRACE,
        get_route_limit,
        positions=("identity",),
        columns=("identity", "limit_name", "used", "limit", "full_time"),
        example="outside",
    ),
)
