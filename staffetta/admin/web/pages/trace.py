"""Message trace: a search box beside a form, newest first; a row opens its timeline, from our 250 to its end.

Rule 1: all that a page shows is in its address, so that it can be sent to somebody.
Rule 2: pages follow each other by the last row of the one before, however much has come meanwhile.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import fields_of
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import carry_out, command, may, render
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import Unread, find

_CMDLET = "Get-MessageTraceV2"
_DETAIL = "Get-MessageTraceDetailV2"
_ROWS = 50
_FILTERS = ("SenderAddress", "RecipientAddress", "Status", "Connector", "Subject", "FromIP", "StartDate", "EndDate")
_SPANS = (
    ("1h", N_("Last hour"), timedelta(hours=1)),
    ("24h", N_("Last 24 hours"), timedelta(hours=24)),
    ("", N_("Last 48 hours"), None),
    ("7d", N_("Last 7 days"), timedelta(days=7)),
    ("30d", N_("Last 30 days"), timedelta(days=30)),
    ("all", N_("All that is kept"), timedelta(days=3650)),
)
_KINDS = {"Delivered": "good", "Failed": "bad", "Pending": "warning", "GettingStatus": "info"}
_STEPS = {
    **dict.fromkeys(("Receive", "Deliver", "Send", "Complete"), "good"),
    **dict.fromkeys(("Fail", "Expire", "Delete"), "bad"),
    **dict.fromkeys(("Defer", "Unknown", "Hold"), "warning"),
}
_TITLES = {
    "Receive": N_("Message received"),
    "Attempt": N_("Delivery attempted"),
    "Deliver": N_("Delivered to the mailbox"),
    "Send": N_("Handed to the next hop"),
    "Defer": N_("Deferred"),
    "Fail": N_("Not delivered"),
    "Unknown": N_("The outcome of the attempt is not known"),
    "Expire": N_("Not delivered in time"),
    "Notify": N_("Sender notified"),
    "Hold": N_("Held"),
    "Release": N_("Released"),
    "Retry": N_("To be tried now"),
    "Delete": N_("Deleted"),
    "Redirect": N_("Sent another way"),
    "Complete": N_("Taken as delivered"),
}
_MESSAGES = ("notification", "notification_of")

Row = Mapping[str, Any]


async def trace(request: Request) -> Response:
    _ = visit_of(request).language
    query = queried(request)
    given = _given(query)
    rows: Sequence[Row] = ()
    unread: Unread | None = None
    errors: dict[str, str] = {}
    try:
        result = await carry_out(request, _CMDLET, {**given, "ResultSize": _ROWS + 1})
        rows, unread = [properties(row) for row in result.rows], result.unread
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        errors[error.parameter or ""] = str(error)
    shown = rows[:_ROWS]
    opened = next((row for row in shown if row["RowId"] == query.get("show")), None)
    parameters = {each.name: each for each in find(_CMDLET).parameters}
    named = ("Search", *_FILTERS)
    return await render(
        request,
        "trace.html",
        title=_("Message trace"),
        status=422 if errors else 200,
        command=command(_CMDLET, given),
        rows=shown,
        filters=fields_of([parameters[name] for name in _FILTERS], query, errors),
        search_error=errors.get("Search", ""),
        error=next((text for name, text in errors.items() if name not in named), ""),
        spans=[(code, _(label)) for code, label, span in _SPANS],
        span=query.get("span", ""),
        search=query.get("Search", ""),
        kinds=_KINDS,
        link=lambda **changed: _link(query, changed),
        more=shown[-1]["RowId"] if len(rows) > _ROWS else "",
        unread=unread,
        opened=opened,
        steps=await _timeline(request, opened) if opened else (),
        may_analyze=may(request, "Get-HeaderAnalysis"),
        open_command=command(_DETAIL, _of(opened)) if opened else None,
    )


def _given(query: Mapping[str, str]) -> dict[str, object]:
    """What is asked of the operation; a span counts back from now, where no time is given."""
    found: dict[str, object] = {
        name: query[name].strip() for name in ("Search", *_FILTERS, "StartingRow") if query.get(name, "").strip()
    }
    span = next((span for code, _, span in _SPANS if code == query.get("span")), None)
    has_times = {"StartDate", "EndDate"} & found.keys() or "after:" in query.get("Search", "").lower()
    if span is not None and not has_times:
        found["StartDate"] = (datetime.now(UTC) - span).isoformat(timespec="seconds")
    return found


def _link(query: Mapping[str, str], changed: Mapping[str, object]) -> str:
    """The query of the same list, changed."""
    whole: dict[str, object] = {**{name: value for name, value in query.items() if name != "show"}, **changed}
    return "?" + urlencode({name: value for name, value in whole.items() if value not in (None, "")})


def _of(row: Row) -> dict[str, object]:
    return {"MessageTraceId": row["QueueId"], "RecipientAddress": row["RecipientAddress"]}


async def _timeline(request: Request, row: Row) -> Sequence[dict[str, object]]:
    """What happened to a message on its way to one recipient, the first first."""
    _ = visit_of(request).language
    result = await carry_out(request, _DETAIL, _of(row))
    return [_step(properties(each), _) for each in result.rows]


def _step(event: Row, _: Any) -> dict[str, object]:
    facts = dict(event["Facts"])
    reply, linked = facts.pop("reply", None), [facts.pop(name) for name in _MESSAGES if name in facts]
    return {
        "at": event["Date"],
        "kind": _STEPS.get(event["Event"], "info"),
        "title": _(_TITLES.get(event["Event"], event["Event"])),
        "reply": reply,
        "meaning": event["Meaning"],
        "messages": [(queue_id, _link({}, {"Search": f"id:{queue_id}"})) for queue_id in linked],
        "facts": facts,
    }


PAGES = (Page("/trace", trace),)
