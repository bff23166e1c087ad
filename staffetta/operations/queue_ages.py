"""Get-QueueAge: how long what waits has waited, by where it goes. Ours; Exchange shows the age of one message alone."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.operations.access import not_found
from staffetta.operations.duties import TRACE
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.visibility import own_mail
from staffetta.trace.ages import Ages, ages
from staffetta.trace.search import DATABASE_NAME

_LIMITS = (300, 3600, 4 * 3600, 86_400)
"""Seconds: an attempt or two, a greylisting, a warning to the sender, and a day."""


class GetQueueAge(Input):
    identity: Annotated[str | None, Field(description="Queue, as Get-Queue shows it: `route\\destination`.")] = None
    result_size: ResultSize = RESULTS_DEFAULT


class QueueAgeRow(Output):
    identity: Annotated[str, Field(description="Queue, as Get-Queue shows it: `route\\destination`.")]
    next_hop_connector: Annotated[str, Field(description="The route.")]
    next_hop_domain: Annotated[str, Field(description="Where they go.")]
    up_to_5_minutes: Annotated[int, Field(description="Recipients that have waited no longer than that.")]
    up_to_1_hour: Annotated[int, Field(description="Longer than 5 minutes, up to an hour.")]
    up_to_4_hours: Annotated[int, Field(description="Longer than an hour, up to 4 hours.")]
    up_to_1_day: Annotated[int, Field(description="Longer than 4 hours, up to a day.")]
    over_1_day: Annotated[int, Field(description="Longer than a day.")]
    oldest_date_received: Annotated[datetime, Field(description="When the one came that waits longest, UTC.")]


def get_queue_age(context: Context, given: GetQueueAge) -> Iterable[Output]:
    folder = spool_folder(context.settings)
    found: list[QueueAgeRow] = []
    if (folder / DATABASE_NAME).exists():
        now = context.now()
        with spool_told(), not_available():
            found = list(map(_row, ages(folder, [now - limit for limit in _LIMITS], own=own_mail(context))))
    if given.identity is None:
        return found[: given.result_size]
    wanted = [row for row in found if row.identity.casefold() == given.identity.casefold()]
    if not wanted:
        raise not_found(context, given.identity)
    return wanted


def _row(ages: Ages) -> QueueAgeRow:
    fresh, hour, hours, day, over = ages.counts
    return QueueAgeRow(
        identity=f"{ages.route}\\{ages.destination}",
        next_hop_connector=ages.route,
        next_hop_domain=ages.destination,
        up_to_5_minutes=fresh,
        up_to_1_hour=hour,
        up_to_4_hours=hours,
        up_to_1_day=day,
        over_1_day=over,
        oldest_date_received=datetime.fromtimestamp(ages.oldest_at, UTC),
    )


OPERATIONS = (
    Operation(
        "Get",
        "QueueAge",
        "Show how long what waits has waited, by where it goes, the fullest queue first.",
        GetQueueAge,
        QueueAgeRow,
        TRACE,
        get_queue_age,
        positions=("identity",),
        columns=("identity", "up_to_5_minutes", "up_to_1_hour", "up_to_4_hours", "up_to_1_day", "over_1_day"),
        example="outside\\example.net",
    ),
)
