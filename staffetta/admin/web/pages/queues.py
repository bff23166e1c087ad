"""Queues: where mail waits, how old it is, why, and when it is tried next; the fullest as a map of heat.

What is done about queues goes through the forms of generic.py, which say beforehand what would be done.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.charts import Chart, heat_map
from staffetta.admin.web.generic import Action, listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.live import live_page
from staffetta.admin.web.page import carry_out, command, may, render, render_part
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable

LIVE_SECONDS = 5.0
_ROWS_OF_THE_MAP = 15
_COLUMNS = ("Identity", "Status", "MessageCount", "OldestDateReceived", "NextRetryTime", "LastError")
_AGES = (
    ("UpTo5Minutes", N_("up to 5 min")),
    ("UpTo1Hour", N_("up to 1 h")),
    ("UpTo4Hours", N_("up to 4 h")),
    ("UpTo1Day", N_("up to 1 day")),
    ("Over1Day", N_("over 1 day")),
)
_TABS = (
    ("", N_("All")),
    ("Status -eq 'Retry'", N_("Deferred")),
    ("Status -eq 'Suspended'", N_("Suspended")),
)
_ACTIONS = (("Retry-Queue", N_("Try now")), ("Suspend-Queue", N_("Suspend")), ("Resume-Queue", N_("Resume")))
_BADGES = {"Status": {"Active": "info", "Ready": "good", "Retry": "warning", "Suspended": "off"}}


async def queues(request: Request) -> Response:
    _ = visit_of(request).language
    shown = await _shown(request)
    key = shown["open_key"]
    return await render(
        request,
        "queues.html",
        title=_("Queues"),
        status=422 if shown["error"] else 200,
        command=command("Get-Queue", {"Filter": shown["filter"]} if shown["filter"] else {}),
        is_live="live" in request.query_params,
        open_command=command("Get-Queue", {"Identity": key}),
        **shown,
    )


async def live_queues(request: Request) -> str:
    """The queues alone, as they are by now."""
    return render_part(request, "parts/queues-list.html", path="/queues", **await _shown(request))


async def _shown(request: Request) -> Mapping[str, Any]:
    """What the page is made of."""
    _ = visit_of(request).language
    wanted = request.query_params.get("Filter", "").strip()
    given = {"Filter": wanted} if wanted else {}
    found: Sequence[Mapping[str, Any]] = []
    error = ""
    try:
        found = [
            properties(row)
            for row in (await carry_out(request, "Get-Queue", {**given, "ResultSize": "Unlimited"})).rows
        ]
    except (RoleMissing, Unavailable):
        raise
    except OperationError as trouble:
        error = str(trouble)
    ages = [properties(row) for row in (await carry_out(request, "Get-QueueAge", {"ResultSize": "Unlimited"})).rows]
    by_queue = {row["Identity"]: row for row in ages}
    rows = [{**row, **_aged(by_queue.get(row["Identity"])), "_key": row["Identity"]} for row in found]
    shown = request.query_params.get("show")
    open_row = next((row for row in rows if row["_key"] == shown), None)
    return {
        "error": error,
        "listing": listed(rows, _COLUMNS, queried(request)),
        "filter": wanted,
        "tabs": [
            (f"/queues?Filter={quote(each)}" if each else "/queues", _(label), each == wanted) for each, label in _TABS
        ],
        "map": _map(request, ages[:_ROWS_OF_THE_MAP]) if ages else None,
        "left_out": max(0, len(ages) - _ROWS_OF_THE_MAP),
        "open_row": open_row,
        "open_key": open_row["_key"] if open_row else "",
        "open_ages": [(_(label), by_queue[shown][name]) for name, label in _AGES] if shown in by_queue else (),
        "actions": [
            Action(cmdlet, _(label), f"/queues/do/{cmdlet}") for cmdlet, label in _ACTIONS if may(request, cmdlet)
        ],
        "badges": _BADGES,
    }


def _aged(row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {"OldestDateReceived": row["OldestDateReceived"] if row else None}


def _map(request: Request, rows: Sequence[Mapping[str, Any]]) -> Chart:
    _ = visit_of(request).language
    return heat_map(
        _("Destination and age"),
        _("Recipients that wait, for each of the fullest queues, by how long they have waited."),
        [row["NextHopDomain"] for row in rows],
        [_(label) for _name, label in _AGES],
        [[row[name] for name, _label in _AGES] for row in rows],
        name_word=_("Destination"),
        hrefs=[f"/queues?show={quote(row['Identity'], safe='')}" for row in rows],
    )


PAGES = (Page("/queues", queues), live_page("/queues", live_queues, LIVE_SECONDS))
