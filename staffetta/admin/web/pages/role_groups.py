"""Role groups: who is in them, and what each may see and do, cmdlet by cmdlet."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.generic import listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, may, render
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of

_COLUMNS = ("Name", "Roles", "Members")


async def role_groups(request: Request) -> Response:
    _ = visit_of(request).language
    rows = [properties(row) for row in (await carry_out(request, "Get-RoleGroup")).rows]
    shown = [{**row, "_key": row["Name"]} for row in rows]
    open_row = next((row for row in shown if row["_key"] == request.query_params.get("show")), None)
    entries = await _entries(request, open_row["Roles"]) if open_row else []
    return await render(
        request,
        "role-groups.html",
        title=_("Role groups"),
        command=command("Get-RoleGroup"),
        listing=listed(shown, _COLUMNS, queried(request)),
        open_row=open_row,
        open_command=command("Get-RoleGroup", {"Identity": open_row["Name"]}) if open_row else None,
        changes=[each for each in entries if each["IsChange"]],
        looks=[each for each in entries if not each["IsChange"]],
        may_change=may(request, "Add-RoleGroupMember"),
    )


async def _entries(request: Request, roles: Sequence[str]) -> list[Mapping[str, Any]]:
    """What somebody with these roles may do, each once."""
    found: dict[str, Mapping[str, Any]] = {}
    for role in roles:
        result = await carry_out(request, "Get-ManagementRoleEntry", {"Identity": f"{role}\\*"})
        found |= {row["Name"]: row for row in map(properties, result.rows)}
    return [found[name] for name in sorted(found, key=lambda name: name.partition("-")[::-1])]


PAGES = (Page("/role-groups", role_groups),)
