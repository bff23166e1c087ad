"""Turning objects on and off, after it was shown what that does."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.generic import IDENTITIES_MAX
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import advice, carry_out, command, foreseen, redirect, render, say
from staffetta.admin.web.visit import visit_of
from staffetta.mail.sentence import sentence
from staffetta.operations.errors import OperationError


def switch_page(path: str, cmdlet: str, on: str = "", off: str = "") -> Page:
    """Return the page below a list that asks, and then does: `PATH/switch?id=NAME&to=off`. cmdlet: takes Enabled.

    on, off: what that does, English, where the cmdlet does not say so itself.
    """

    async def switch(request: Request) -> Response:
        _ = visit_of(request).language
        form = await request.form() if request.method == "POST" else None
        source = form if form is not None else request.query_params
        ids = [str(each) for each in source.getlist("id")[:IDENTITIES_MAX]]
        to = str(source.get("to", ""))
        if not ids or to not in ("on", "off"):
            say(request, _("Choose something in the list first."), is_error=True)
            return redirect(path)
        if form is not None:
            return await once(request, form, lambda: do(request, ids, is_on=to == "on"))
        told = []
        for each in ids:
            result = await carry_out(request, cmdlet, {"Identity": each, "Enabled": to == "on"}, only_ask=True)
            words = on if to == "on" else off
            told.append((each, [*foreseen(result), *advice(result), *([sentence(words)] if words else [])]))
        return await render(
            request,
            "connectors/switch.html",
            title=_("Turn on") if to == "on" else _("Turn off"),
            command=command(cmdlet, {"Identity": ids[0], "Enabled": to == "on"}),
            list_path=path,
            told=told,
            to=to,
            once=new_once(),
        )

    async def do(request: Request, ids: Sequence[str], *, is_on: bool) -> Response:
        _ = visit_of(request).language
        for each in ids:
            try:
                result = await carry_out(request, cmdlet, {"Identity": each, "Enabled": is_on})
            except OperationError as error:
                say(request, f"{each}: {error}", is_error=True)
            else:
                say(request, f"{each}: {_('It is on.') if is_on else _('It is off.')}", result)
        return redirect(path, show=ids[0] if len(ids) == 1 else None)

    return Page(f"{path}/switch", switch, ("GET", "POST"))
