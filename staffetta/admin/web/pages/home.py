"""Home: is mail flowing, what is stuck, what expires, what needs a decision; and what a fresh relay still lacks."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.charts import Chart, Series, stacked_bars
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.live import live_page
from staffetta.admin.web.page import carry_out, command, may, render, render_part, require
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import OperationError

_HOURS = 24
LIVE_SECONDS = 15.0
_QUEUES_SHOWN = 6
_DAYS_AHEAD = 30
_UNKNOWN_READ = 1000
_ALL_OF_THE_TRACE = timedelta(days=90)
_WAYS = (
    ("delivered", N_("Delivered")),
    ("deferred", N_("Deferred")),
    ("failed", N_("Failed")),
    ("unknown", N_("Unknown")),
    ("refused", N_("Refused")),
)

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """Of the readiness list. link: where it is done."""

    text: str
    is_done: bool
    link: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that waits for a person. count: of what `text` names. answers: what may be done, each with its form."""

    count: int
    text: str
    link: str
    answers: Sequence[tuple[str, str]] = ()
    is_more: bool = False


async def home(request: Request) -> Response:
    begin = _begin(datetime.now(UTC))
    return await render(
        request,
        "home.html",
        title=visit_of(request).language("Home"),
        command=command("Get-MailFlowStatusReport", {"StartDate": begin.strftime("%Y-%m-%dT%H:%M:%SZ")}),
        may_be_live=may(request, "Get-Queue"),
        is_live="live" in request.query_params and may(request, "Get-Queue"),
        **await _answers(request),
    )


async def live_answers(request: Request) -> str:
    """The answers alone, as they are by now, for who has any."""
    require(request, "Get-Queue")
    return render_part(request, "parts/home-answers.html", path="/", **await _answers(request))


def _begin(now: datetime) -> datetime:
    """When the chart begins, at a full hour."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=_HOURS - 1)


async def _answers(request: Request) -> Mapping[str, Any]:
    now = datetime.now(UTC)
    begin = _begin(now)
    (flow, queues, certificates, tokens, blocked, unknown), steps = await asyncio.gather(
        asyncio.gather(
            _rows(request, "Get-MailFlowStatusReport", StartDate=begin.isoformat()),
            _rows(request, "Get-Queue"),
            _rows(request, "Get-CertificateExpiry", Days=_DAYS_AHEAD),
            _rows(request, "Get-ApiToken"),
            _rows(request, "Get-BlockedConnector"),
            _rows(request, "Get-Message", Status="Unknown", ResultSize=_UNKNOWN_READ),
        ),
        _readiness(request, now),
    )
    return {
        "chart_of_flow": _chart(request, flow, begin) if flow else None,
        "accepted": sum(row["MessageCount"] for row in flow if row["EventType"] == "accepted"),
        "queues": sorted(queues, key=lambda row: -row["MessageCount"])[:_QUEUES_SHOWN],
        "queues_left": max(0, len(queues) - _QUEUES_SHOWN),
        "expiring": _expiring(certificates, tokens, now),
        "decisions": _decisions(request, flow, queues, blocked, unknown),
        "steps": steps,
    }


async def _rows(request: Request, cmdlet: str, **parameters: object) -> Rows:
    """Nothing where the visitor may not ask: the part of the page is then not for him."""
    if not may(request, cmdlet):
        return []
    try:
        result = await carry_out(request, cmdlet, parameters)
    except OperationError:  # the whole relay's affairs, for an administrator of one organisation
        return []
    return [properties(row) for row in result.rows]


def _chart(request: Request, flow: Rows, begin: datetime) -> Chart:
    _ = visit_of(request).language
    counts = {(row["Date"], row["EventType"]): row["MessageCount"] for row in flow}
    times = [begin + timedelta(hours=hour) for hour in range(_HOURS)]
    series = []
    for style, (way, label) in enumerate(_WAYS, 1):
        values = [counts.get((at, way), 0) for at in times]
        hrefs = [_trace_of(at) for at in times] if way != "refused" else ()
        series.append(Series(f"{_(label)}: {sum(values):,}", values, style, hrefs))
    about = _("Recipients delivered, deferred, failed and unknown, and refusals, for each hour.")
    return stacked_bars(_("Mail of the last 24 hours, by the hour"), about, times, series, _("Time"))


def _trace_of(at: datetime) -> str:
    span = {"StartDate": f"{at:%Y-%m-%dT%H:%MZ}", "EndDate": f"{at + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"}
    return f"/trace?{urlencode(span)}"


def _expiring(certificates: Rows, tokens: Rows, now: datetime) -> Rows:
    """What ends within the month, the first first."""
    found = [
        {"name": row["Name"], "what": str(row["Use"]), "at": row["ExpiresUTC"], "link": "/certificates"}
        for row in certificates
    ]
    soon = now + timedelta(days=_DAYS_AHEAD)
    found += [
        {"name": row["Name"], "what": "token", "at": row["ExpiresUTC"], "link": "/tokens"}
        for row in tokens
        if row.get("ExpiresUTC") is not None and row["ExpiresUTC"] < soon
    ]
    return sorted(found, key=lambda each: each["at"] or now)


def _decisions(request: Request, flow: Rows, queues: Rows, blocked: Rows, unknown: Rows) -> Sequence[Decision]:
    language = visit_of(request).language
    refused = sum(row["MessageCount"] for row in flow if row["EventType"] == "refused")
    held = sum(row["SuspendedCount"] for row in queues)
    where = "/refused" if may(request, "Get-Refusal") else "/trace"
    found = (
        Decision(
            refused,
            language.several("time a sender was refused today", "times a sender was refused today", refused),
            where,
        ),
        Decision(held, language.several("recipient is held", "recipients are held", held), "/messages"),
        _of_unknown_outcome(request, unknown),
        Decision(
            len(blocked), language.several("connector is blocked", "connectors are blocked", len(blocked)), "/blocked"
        ),
    )
    return [each for each in found if each.count]


def _of_unknown_outcome(request: Request, messages: Rows) -> Decision:
    """A final reply was lost, by a next hop or by our own crash; what is held is tried only when somebody says so."""
    language = visit_of(request).language
    count = sum(len(row["Recipients"]) for row in messages)
    held = sum(row["Status"] == "Suspended" for row in messages)
    of_held = "&" + urlencode({"Filter": "Status -eq 'Suspended'"})
    answers = (
        ("Retry-Message", language("Try again now"), "", held < len(messages)),
        ("Resume-Message", language("Release what is held, to be tried"), of_held, held > 0),
        ("Complete-Message", language("Take as delivered"), "", True),
    )
    return Decision(
        count,
        language.several(
            "recipient may have been reached, and the reply was lost",
            "recipients may have been reached, and the reply was lost",
            count,
        ),
        f"/trace?{urlencode({'Search': 'status:unknown', 'span': 'all'})}",
        [
            (label, f"/messages/do/{cmdlet}?Status=Unknown{more}")
            for cmdlet, label, more, is_wanted in answers
            if is_wanted and may(request, cmdlet)
        ],
        is_more=len(messages) == _UNKNOWN_READ,
    )


async def _readiness(request: Request, now: datetime) -> Sequence[Step]:
    """What leads to the first delivered message; nothing once there has been one."""
    _ = visit_of(request).language
    start = (now - _ALL_OF_THE_TRACE).isoformat()
    trace = {"StartDate": start, "ResultSize": 1}
    if not may(request, "Get-MessageTraceV2"):
        return []
    came = await _rows(request, "Get-MessageTraceV2", **trace)  # where nothing has, one search has looked at enough
    if came and await _rows(request, "Get-MessageTraceV2", Status="Delivered", **trace):
        return []
    domains, connectors, accounts, roads = await asyncio.gather(
        _rows(request, "Get-AcceptedDomain"),
        _rows(request, "Get-InboundConnector"),
        _rows(request, "Get-SmtpAccount"),
        _rows(request, "Get-Route"),
    )
    return (
        Step(_("Say which domains are yours"), bool(domains), "/accepted-domains"),
        Step(
            _("Let somebody send: a connector, or an account that logs in"), bool(connectors or accounts), "/connectors"
        ),
        Step(_("Say where mail goes"), bool(roads), "/roads"),
        Step(_("Ask the doctor whether anything is wrong"), False, "/doctor"),
        Step(_("Send a first message, from a device or from here"), bool(came), "/send-test"),
        Step(_("See it delivered"), False, "/trace"),
    )


PAGES = (Page("/", home), live_page("/home", live_answers, LIVE_SECONDS))
