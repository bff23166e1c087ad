"""Changing a connector that is there: the wizard's steps with its values, from a link beside what is shown of it."""

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.drafts import Edited, new_draft
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, may, redirect, say
from staffetta.admin.web.pages.wizard import LINES_MAX, TEXT_LENGTH_MAX, address_of, version_of_row
from staffetta.admin.web.pages.wizard_plan import parameters_of, steps_of, values_of
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of

_INBOUND, _OUTBOUND = "/connectors", "/outbound-connectors"


async def edit_inbound(request: Request) -> Response:
    """Lead to a step: `/connectors/edit?id=Printers&step=identify`."""
    return await _edit(request, "InboundConnector", _INBOUND)


async def edit_outbound(request: Request) -> Response:
    """Lead to a step: `/outbound-connectors/edit?id=To the partner&step=routing`."""
    return await _edit(request, "OutboundConnector", _OUTBOUND)


async def _edit(request: Request, noun: str, path: str) -> Response:
    if not may(request, f"Set-{noun}"):
        await carry_out(request, f"Set-{noun}")  # which says what is missing
    name = request.query_params.get("id", "")
    (row,) = (await carry_out(request, f"Get-{noun}", {"Identity": name})).rows
    connector = properties(row)
    if connector["IsDeclared"]:
        say(request, visit_of(request).language("It stands in the settings file, and is changed there."), is_error=True)
        return redirect(path, show=connector["Name"])
    found = values_of(connector, is_out=path == _OUTBOUND)
    values = {name: text.replace("\r\n", "\n").strip() for name, text in found.items()}
    if any(len(text) > TEXT_LENGTH_MAX or text.count("\n") >= LINES_MAX for text in values.values()):
        return redirect(f"{path}/do/Set-{noun}", id=connector["Name"])  # more than a step can carry
    draft = new_draft(request, values)
    draft.edited = Edited(connector["Name"], parameters_of(draft), version_of_row(connector))
    steps = steps_of(draft)
    wanted = request.query_params.get("step", "")
    other = steps[1] if wanted else steps[0]  # a partner's steps have other names
    return redirect(address_of(draft, next((each for each in steps if each.code == wanted), other)))


PAGES = (Page(f"{_INBOUND}/edit", edit_inbound), Page(f"{_OUTBOUND}/edit", edit_outbound))
