"""Mail flow over time, and how much inbound connectors are used."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from staffetta.operations.access import not_found
from staffetta.operations.duties import TRACE
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_folder, spool_told
from staffetta.trace.flow import SLOT_SECONDS, FlowCount, LastUse, Way, accepted, flow, last_uses
from staffetta.trace.search import DATABASE_NAME

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


class Interval(StrEnum):
    """How long the time is of which a row tells."""

    FIVE_MINUTES = "FiveMinutes"
    HOUR = "Hour"
    DAY = "Day"


_SECONDS = {Interval.FIVE_MINUTES: SLOT_SECONDS, Interval.HOUR: 3600, Interval.DAY: 86400}

Start = Annotated[datetime | None, Field(description="From this time, UTC; left out, a day before the end.")]
End = Annotated[datetime | None, Field(description="Up to this time, UTC; left out, now.")]


class GetMailFlowStatusReport(Input):
    start_date: Start = None
    end_date: End = None
    interval: Annotated[Interval, Field(description="The time of which a row tells.")] = Interval.HOUR


class MailFlowRow(Output):
    date: Annotated[datetime, Field(description="When the time begins of which this row tells, UTC.")]
    event_type: Annotated[
        Way, Field(description="accepted counts messages, refused refusals, the others recipients of attempts.")
    ]
    message_count: Annotated[int, Field(description="How many.")]


class GetInboundConnectorUsage(Input):
    identity: Annotated[str | None, Field(description="The connector; left out, all.")] = None
    start_date: Annotated[datetime | None, Field(description="From this time, UTC; left out, a week ago.")] = None


class ConnectorUsageRow(Output):
    identity: Annotated[str, Field(description="The connector.")]
    message_count: Annotated[int, Field(description="Messages that it has let in since then.")]
    last_used_time: Annotated[datetime | None, Field(description="When the last of them came, UTC.")]
    last_client_address: Annotated[str | None, Field(description="Where that came from.")]


def get_mail_flow(context: Context, given: GetMailFlowStatusReport) -> Iterable[Output]:
    end = given.end_date or datetime.fromtimestamp(context.now(), UTC)
    found = _flow(context, given.start_date or end - _DAY, end)
    length = _SECONDS[given.interval]
    totals: dict[tuple[int, Way], int] = {}
    for each in found:
        key = (each.slot * SLOT_SECONDS // length * length, each.way)
        totals[key] = totals.get(key, 0) + each.count
    return [
        MailFlowRow(date=datetime.fromtimestamp(at, UTC), event_type=way, message_count=count)
        for (at, way), count in totals.items()
    ]


def get_connector_usage(context: Context, given: GetInboundConnectorUsage) -> Iterable[Output]:
    names = _connectors(context)
    if given.identity is not None:
        names = [name for name in names if name.lower() == given.identity.lower()]
        if not names:
            raise not_found(context, given.identity)
    now = datetime.fromtimestamp(context.now(), UTC)
    folder = spool_folder(context.settings)
    if not (folder / DATABASE_NAME).exists():
        return [_usage(name, 0, None) for name in names]
    start = given.start_date or now - _WEEK
    with spool_told():
        totals = accepted(folder, after=start.timestamp(), before=now.timestamp())
        uses = last_uses(folder, {name: totals[name].last_slot for name in names if name in totals})
    return [_usage(name, totals[name].count if name in totals else 0, uses.get(name)) for name in names]


def _flow(context: Context, after: datetime, before: datetime) -> Sequence[FlowCount]:
    """What the caller may know of: an organisation sees what its own connectors let in, and nothing else."""
    folder = spool_folder(context.settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    with spool_told():
        found = flow(folder, after=after.timestamp(), before=before.timestamp())
    if context.caller.organization is None:
        return found
    own = set(_connectors(context))
    return [each for each in found if each.way is Way.ACCEPTED and each.name in own]


def _connectors(context: Context) -> Sequence[str]:
    organization = context.caller.organization
    return [
        connector.name
        for connector in context.settings.inbound_connectors
        if organization in (None, connector.organization)
    ]


def _usage(name: str, count: int, last: LastUse | None) -> ConnectorUsageRow:
    return ConnectorUsageRow(
        identity=name,
        message_count=count,
        last_used_time=datetime.fromtimestamp(last.at, UTC) if last else None,
        last_client_address=last.peer if last else None,
    )


OPERATIONS = (
    Operation(
        "Get",
        "MailFlowStatusReport",
        "Show how much mail came, left, waited and was refused, over time.",
        GetMailFlowStatusReport,
        MailFlowRow,
        TRACE,
        get_mail_flow,
        columns=("date", "event_type", "message_count"),
    ),
    Operation(
        "Get",
        "InboundConnectorUsage",
        "Show how much mail inbound connectors have let in, and when and from where the last came.",
        GetInboundConnectorUsage,
        ConnectorUsageRow,
        TRACE,
        get_connector_usage,
        positions=("identity",),
        columns=("identity", "message_count", "last_used_time", "last_client_address"),
        example="Loopback",
    ),
)
