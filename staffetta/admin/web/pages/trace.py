"""Message trace: a search box beside a form, newest first; a row opens its timeline, from our 250 to its end.

Rule 1: all that a page shows is in its address, so that it can be sent to somebody.
Rule 2: pages follow each other by the last row of the one before, however much has come meanwhile. In another order
than the newest first they are pages of the newest rows that match, and it is said where there are more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import fields_of
from staffetta.admin.web.generic import Listing, listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.live import live_page
from staffetta.admin.web.page import carry_out, command, may, render, render_part
from staffetta.admin.web.pages.timeline import DETAIL, named, story_of
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import Unread, find

CMDLET = "Get-MessageTraceV2"
EXPORT = "Export-MessageTrace"
_ROWS = 50
SORTED_MAX = 1000  # of which an order is made; more would be read for each page of it
_COLUMNS = ("Received", "SenderAddress", "RecipientAddress", "Subject", "Status", "Connector")
_NEWEST = "-Received"
LIVE_SECONDS = 2.0
FILTERS = ("SenderAddress", "RecipientAddress", "Status", "Connector", "Subject", "FromIP", "StartDate", "EndDate")
_SPANS = (
    ("1h", N_("Last hour"), timedelta(hours=1)),
    ("24h", N_("Last 24 hours"), timedelta(hours=24)),
    ("", N_("Last 48 hours"), None),  # the operation's own
    ("7d", N_("Last 7 days"), timedelta(days=7)),
    ("30d", N_("Last 30 days"), timedelta(days=30)),
    ("all", N_("All that is kept"), timedelta(days=3650)),
)
_DEFAULT_SPAN = timedelta(hours=48)
_KINDS = {"Delivered": "good", "Failed": "bad", "Pending": "warning", "GettingStatus": "info"}
Row = Mapping[str, Any]


async def trace(request: Request) -> Response:
    _ = visit_of(request).language
    query = queried(request)
    found = await _found(request, query)
    opened = next((row for row in found.rows if row["RowId"] == query.get("show")), None)
    parameters = {each.name: each for each in find(CMDLET).parameters}
    in_form = ("Search", *FILTERS)
    return await render(
        request,
        "trace.html",
        title=_("Message trace"),
        status=422 if found.errors else 200,
        command=command(CMDLET, found.given),
        filters=fields_of([parameters[name] for name in FILTERS], query, found.errors),
        search_error=found.errors.get("Search", ""),
        error=next((text for name, text in found.errors.items() if name not in in_form), ""),
        spans=[(code, _(label)) for code, label, span in _SPANS],
        span=query.get("span", ""),
        search=query.get("Search", ""),
        opened=opened,
        story=await story_of(request, opened) if opened else None,
        may_export=may(request, EXPORT),
        fixed=link_to(query, _fixed(query)),
        is_live="live" in query,
        live_address=f"/live/trace{link_to(query, {})}",
        open_command=command(DETAIL, named(opened)) if opened else None,
        **_shown(query, found, opened),
    )


async def live_rows(request: Request) -> str:
    """The list alone, as it is by now."""
    query = queried(request)
    found = await _found(request, query)
    return render_part(request, "parts/trace-rows.html", path="/trace", **_shown(query, found, None))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a query finds. rows: of the page. more: the RowId after which there are more. listing: where it is sorted.

    is_cut: more match than were put in order. unread: what was not looked at.
    """

    given: Mapping[str, object]
    rows: Sequence[Row] = ()
    more: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    listing: Listing | None = None
    is_cut: bool = False
    unread: Unread | None = None


async def _found(request: Request, query: Mapping[str, str]) -> _Found:
    given = given_by_query(query)
    is_sorted = query.get("sort", "").removeprefix("-") in _COLUMNS and query.get("sort") != _NEWEST
    wanted = SORTED_MAX if is_sorted else _ROWS
    if is_sorted:
        given.pop("StartingRow", None)
    try:
        result = await carry_out(request, CMDLET, {**given, "ResultSize": wanted + 1})
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        return _Found(given, errors={error.parameter or "": str(error)})
    rows = [properties(row) for row in result.rows]
    if is_sorted:
        listing = listed(rows[:wanted], _COLUMNS, {name: text for name, text in query.items() if name != "q"})
        return _Found(given, listing.rows, listing=listing, is_cut=len(rows) > wanted or result.unread is not None)
    shown = rows[:_ROWS]
    return _Found(given, shown, shown[-1]["RowId"] if len(rows) > _ROWS else "", unread=result.unread)


def _shown(query: Mapping[str, str], found: _Found, opened: Row | None) -> Mapping[str, Any]:
    """What the list is made of."""
    return {
        "rows": found.rows,
        "columns": _COLUMNS,
        "sort": query.get("sort", _NEWEST),
        "kinds": _KINDS,
        "link": lambda **changed: link_to(query, changed),
        "more": found.more,
        "listing": found.listing,
        "is_cut": found.is_cut,
        "unread": found.unread,
        "open_row": opened["RowId"] if opened else "",
        "is_wrong": bool(found.errors),
    }


def given_by_query(query: Mapping[str, str]) -> dict[str, object]:
    """What is asked of the operation; a span counts back from now, where no time is given."""
    found: dict[str, object] = {
        name: query[name].strip() for name in ("Search", *FILTERS, "StartingRow") if query.get(name, "").strip()
    }
    span = next((span for code, _, span in _SPANS if code == query.get("span")), None)
    if span is not None and not _has_times(query):
        found["StartDate"] = (datetime.now(UTC) - span).isoformat(timespec="seconds")
    return found


def _has_times(query: Mapping[str, str]) -> bool:
    has_dates = any(query.get(name, "").strip() for name in ("StartDate", "EndDate"))
    return has_dates or "after:" in query.get("Search", "").lower()


def _fixed(query: Mapping[str, str]) -> Mapping[str, object]:
    """What makes an address show tomorrow what it shows now: both ends of the time, where they count back from now."""
    if _has_times(query):
        return {"show": None, "live": None}
    now = datetime.now(UTC) + timedelta(seconds=1)  # which is cut off below
    span = next((span for code, _, span in _SPANS if code == query.get("span")), None) or _DEFAULT_SPAN
    ends = {"StartDate": f"{now - span:%Y-%m-%dT%H:%M:%SZ}", "EndDate": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    return {**ends, "span": None, "live": None}


def link_to(query: Mapping[str, str], changed: Mapping[str, object]) -> str:
    """Return the query of the same list, changed; None takes a name out."""
    whole: dict[str, object] = {**{name: value for name, value in query.items() if name != "show"}, **changed}
    return "?" + urlencode({name: value for name, value in whole.items() if value not in (None, "")})


PAGES = (Page("/trace", trace), live_page("/trace", live_rows, LIVE_SECONDS))
