"""Refused: who was refused and why, with a way to let him in; and the connectors that the last hour asks for.

Rule: a link leads to a form with what was seen filled in; which, the reason says (remedies.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import fields_of
from staffetta.admin.web.generic import listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, in_context, may, render
from staffetta.admin.web.pages.remedies import Remedy, remedies, wizard_for
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.explain import declared_names
from staffetta.operations.registry import find

_CMDLET, _WHY, _PROPOSALS = "Get-Refusal", "Get-RefusalExplanation", "Get-ConnectorProposal"
_FILTERS = ("PeerAddress", "Reason", "SenderAddress", "RecipientAddress", "StartDate", "EndDate")
_COLUMNS = ("At", "PeerAddress", "Sender", "Recipient", "Reason")
_LEARNING = ("15", "60", "240", "1440")

Row = Mapping[str, Any]


async def refused(request: Request) -> Response:
    _ = visit_of(request).language
    query = queried(request)
    given = {name: query[name].strip() for name in _FILTERS if query.get(name, "").strip()}
    rows: Sequence[Row] = ()
    warnings: tuple[str, ...] = ()
    errors: dict[str, str] = {}
    try:
        result = await carry_out(request, _CMDLET, given)
        rows, warnings = [properties(row) for row in result.rows], result.warnings
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        errors[error.parameter or ""] = str(error)
    keyed = [{**row, "_key": f"{row['Identity']}-{place}"} for place, row in _numbered(rows)]
    opened = next((row for row in keyed if row["_key"] == query.get("show")), None)
    why = await _why(request, opened) if opened else None
    parameters = {each.name: each for each in find(_CMDLET).parameters}
    return await render(
        request,
        "refused.html",
        title=_("Refused"),
        status=422 if errors else 200,
        command=command(_CMDLET, given),
        listing=listed(keyed, _COLUMNS, query),
        filters=fields_of([parameters[name] for name in _FILTERS], query, errors),
        warnings=warnings,
        error=next((text for name, text in errors.items() if name not in _FILTERS), ""),
        opened=opened,
        why=why,
        remedies=await _remedies(request, opened, why) if opened and why else (),
        open_command=command(_WHY, {"Identity": opened["Identity"]}) if opened else None,
    )


async def proposals(request: Request) -> Response:
    _ = visit_of(request).language
    query = queried(request)
    minutes = query.get("Minutes", "60")
    given: dict[str, object] = {"Minutes": minutes if minutes in _LEARNING else "60"}
    if query.get("PeerAddress", "").strip():
        given["PeerAddress"] = query["PeerAddress"].strip()
    rows: Sequence[Row] = ()
    warnings: tuple[str, ...] = ()
    error = ""
    try:
        result = await carry_out(request, _PROPOSALS, given)
        rows, warnings = [properties(row) for row in result.rows], result.warnings
    except (RoleMissing, Unavailable):
        raise
    except OperationError as trouble:
        error = str(trouble)
    return await render(
        request,
        "proposals.html",
        title=_("Proposed connectors"),
        status=422 if error else 200,
        command=command(_PROPOSALS, given),
        rows=[
            {**row, "wizard": wizard_for(row["PeerAddress"], row["CertificateName"]) if _may_make(request) else ""}
            for row in rows
        ],
        warnings=warnings,
        error=error,
        minutes=given["Minutes"],
        choices=_LEARNING,
        peer=query.get("PeerAddress", ""),
    )


def _numbered(rows: Sequence[Row]) -> Sequence[tuple[int, Row]]:
    """A session may be refused more than once: its refusals are numbered, the latest last, so that links last."""
    counts: dict[str, int] = {}
    found = []
    for row in reversed(rows):
        counts[row["Identity"]] = counts.get(row["Identity"], 0) + 1
        found.append((counts[row["Identity"]], row))
    return found[::-1]


async def _why(request: Request, opened: Row) -> Row | None:
    """The explanation of this refusal, with each change and the command for it."""
    result = await carry_out(request, _WHY, {"Identity": opened["Identity"]})
    rows = [properties(row) for row in result.rows]
    row = next((row for row in rows if row["At"] == opened["At"]), rows[0] if rows else None)
    return {**row, "ways": list(zip(row["Changes"], row["Commands"], strict=True))} if row else None


async def _remedies(request: Request, opened: Row, why: Row) -> Sequence[Remedy]:
    """What helps, as far as the visitor may do it."""
    declared = declared_names((await in_context(request)).settings.declared)
    return [each for each in remedies(why, opened["PeerAddress"], declared) if may(request, each.cmdlet)]


def _may_make(request: Request) -> bool:
    return may(request, "New-InboundConnector")


PAGES = (Page("/refused", refused), Page("/refused/proposals", proposals))
