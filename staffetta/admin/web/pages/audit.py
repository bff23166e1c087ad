"""Audit: who changed what and when, and of each change what it was before and what it is since."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.commands import command_of
from staffetta.admin.web.forms import fields_of, given_by
from staffetta.admin.web.generic import listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, render
from staffetta.admin.web.values import kind_of, properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import find

_CMDLET = "Search-AdminAuditLog"
_COLUMNS = ("RunDate", "CmdletName", "ObjectModified", "Caller", "Source", "ClientIP")
_DETAILS = ("RunDate", "CmdletName", "ObjectClass", "ObjectModified", "Organization", "Caller", "Source", "ClientIP")


async def audit(request: Request) -> Response:
    operation = find(_CMDLET)
    values = {each.name: request.query_params.get(each.name, "") for each in operation.parameters}
    given = {name: value for name, value in given_by(operation.parameters, values, {}).items() if value is not None}
    rows: Sequence[Mapping[str, Any]] = ()
    errors: dict[str, str] = {}
    try:
        rows = [properties(row) for row in (await carry_out(request, _CMDLET, given)).rows]
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        errors[error.parameter or ""] = str(error)
    shown = [{**row, "_key": f"{row['RunDate'].isoformat()} {row['ObjectModified']}"} for row in rows]
    open_row = next((row for row in shown if row["_key"] == request.query_params.get("show")), None)
    return await render(
        request,
        "audit.html",
        title=visit_of(request).language("Audit"),
        status=422 if errors else 200,
        command=command_of(operation, given),
        filters=fields_of(operation.parameters, values, errors),
        error=errors.get("", ""),
        listing=listed(shown, [each for each in _COLUMNS if rows and each in rows[0]], queried(request)),
        open_row=open_row,
        details={name: open_row[name] for name in _DETAILS if name in open_row} if open_row else {},
        differences=differences(open_row["Before"], open_row["After"]) if open_row else (),
    )


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """Return the properties that differ, with both values; what is empty on both sides is left out."""
    old, new = before or {}, after or {}
    names = [*old, *(name for name in new if name not in old)]
    pairs = [(name, old.get(name), new.get(name)) for name in names]
    return [
        (name, was, now)
        for name, was, now in pairs
        if was != now and not (kind_of(was) == "nothing" and kind_of(now) == "nothing")
    ]


PAGES = (Page("/audit", audit),)
