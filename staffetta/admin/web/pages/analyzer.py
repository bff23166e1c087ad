"""Header analyzer: pasted, of a file, or of a message that waits; hops as a chart and a table; to be printed."""

from collections.abc import Sequence

import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.charts import Chart, hop_bars
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import command, in_context, render, require
from staffetta.admin.web.visit import visit_of
from staffetta.analyzer.blocks import blocks_of
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.report import Report
from staffetta.analyzer.words import carried, clock, duration, secured, sending_host, summary_lines
from staffetta.operations.analyze import GetHeaderAnalysis, report_of
from staffetta.operations.errors import OperationError

_CMDLET = "Get-HeaderAnalysis"
_OCTETS_MAX = 1024 * 1024  # what comes after that of a file is body, which is told as cut
_KINDS = {"error": "bad", "warning": "warning", "good": "good", "info": "info"}


async def analyzer(request: Request) -> Response:
    require(request, _CMDLET)
    language = visit_of(request).language
    values = {"Identity": request.query_params.get("id", ""), "Headers": "", "Offline": ""}
    report, error = None, ""
    if request.method == "POST":
        values = await _sent(request)
        try:
            report = await _report(request, values)
        except OperationError as trouble:
            error = str(trouble)
    return await render(
        request,
        "analyzer.html",
        title=language("Header analyzer"),
        status=422 if error else 200,
        command=command(_CMDLET, {"Identity": values["Identity"]} if values["Identity"] else {"Headers": "…"}),
        values=values,
        error=error,
        report=report,
        summary=summary_lines(report.summary, report.total_seconds) if report else (),
        hops=[_hop(hop) for hop in report.hops] if report else (),
        hop_chart=_chart(request, report.hops) if report and len(report.hops) > 1 else None,
        blocks=list(blocks_of(report)) if report else (),
        kinds=_KINDS,
    )


async def _sent(request: Request) -> dict[str, str]:
    """A file that was chosen stands before what was pasted."""
    form = await request.form()
    text = str(form.get("Headers", ""))
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        text = (await file.read(_OCTETS_MAX)).decode("utf-8", "replace")
    return {
        "Identity": str(form.get("Identity", "")).strip(),
        "Headers": text,
        "Offline": "true" if form.get("Offline") else "",
    }


async def _report(request: Request, values: dict[str, str]) -> Report:
    context = await in_context(request)
    given = GetHeaderAnalysis(
        headers=values["Headers"][:_OCTETS_MAX] or None,
        identity=values["Identity"] or None if not values["Headers"] else None,
        offline=bool(values["Offline"]),
    )
    return await anyio.to_thread.run_sync(report_of, context, given)


def _hop(hop: Hop) -> dict[str, object]:
    received = hop.received
    delay = duration(hop.delay_seconds) if hop.delay_seconds is not None else ""
    return {
        "number": hop.number,
        "from": sending_host(received),
        "by": received.by_name or received.by_comment or "",
        "with": carried(received),
        "tls": secured(received.tls),
        "at": received.at,
        "delay": clock(hop.clock_offset_seconds) if hop.clock_offset_seconds is not None else delay,
    }


def _chart(request: Request, hops: Sequence[Hop]) -> Chart:
    _ = visit_of(request).language
    bars = [
        (f"{hop.number} {hop.received.by_name or hop.received.by_comment or '?'}", hop.delay_seconds) for hop in hops
    ]
    return hop_bars(_("Hops"), _("How long the message took to each hop, in seconds."), bars, (_("Hop"), _("Seconds")))


PAGES = (Page("/analyzer", analyzer, ("GET", "POST")),)
