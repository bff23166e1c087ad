"""The rows of a search as a CSV file, written while it is read, page by page; it ends with the sign-in, and at a bound.

Rule: it is asked for by a form and not by a link, since it is written down who took rows along.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.office import NotAuthenticated
from staffetta.admin.web import csv_files
from staffetta.admin.web.guard import Page, look_again
from staffetta.admin.web.page import carry_out
from staffetta.admin.web.pages.trace import EXPORT, given_by_query
from staffetta.admin.web.streams import Stream
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError
from staffetta.operations.registry import Result
from staffetta.operations.tracing import MessageTraceRow
from staffetta.settings.objects import outside_name

ROWS_MAX = 100_000
_ROWS_OF_A_READ = 1000
_COLUMNS = tuple(map(outside_name, MessageTraceRow.model_fields))


async def export(request: Request) -> Response:
    visit = visit_of(request)
    streams = visit.console.memory.streams
    given = {name: value for name, value in given_by_query(queried(request)).items() if name != "StartingRow"}
    streams.take(visit.key)
    try:
        first = await _read(request, given)
    except BaseException:
        streams.give_back(visit.key)
        raise
    name = f"message-trace-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.csv"
    return Stream(
        _lines(request, given, first),
        csv_files.MEDIA_TYPE,
        lambda: streams.give_back(visit.key),
        {"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _lines(request: Request, given: Mapping[str, object], result: Result) -> AsyncIterator[str]:
    console = visit_of(request).console
    yield csv_files.BYTE_ORDER_MARK + csv_files.lines([_COLUMNS])
    count = 0
    while True:
        rows = [properties(row) for row in result.rows]
        yield csv_files.lines(csv_files.row_of(row, _COLUMNS) for row in rows)
        count += len(rows)
        if result.unread is not None:
            after = result.unread.after
        elif len(rows) == _ROWS_OF_A_READ:
            after = rows[-1]["RowId"]
        else:
            return
        if count >= ROWS_MAX or console.memory.streams.are_ending:
            yield csv_files.lines([[_CUT.format(count=count)]])
            return
        try:
            await look_again(request)
            result = await _read(request, {**given, "StartingRow": after})
        except (NotAuthenticated, OperationError):
            yield csv_files.lines([[_CUT.format(count=count)]])
            return


async def _read(request: Request, given: Mapping[str, object]) -> Result:
    return await carry_out(request, EXPORT, {**given, "ResultSize": _ROWS_OF_A_READ})


_CUT = "Cut after {count} rows: there are more. Narrow the time, and take the rest."

PAGES = (Page("/trace/export.csv", export, ("POST",)),)
