"""A token for a program: what for, which roles, how long, of which organisation. It is shown once, by the next page."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.problems import status_of
from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, redirect, render, require, say
from staffetta.admin.web.pages.people import organizations_to_give
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.roles import Role

_NEW = "New-ApiToken"
_DAYS = ("30", "90", "180", "366")
_DAYS_FIRST = "90"


async def new(request: Request) -> Response:
    """Ask, and make it."""
    require(request, _NEW)
    if request.method != "POST":
        return await _form(request, {"Days": _DAYS_FIRST}, ())
    form = await request.form()
    values = {name: str(form.get(name, "")).strip() for name in ("Name", "Days", "Organization")}
    roles = [str(each) for each in form.getlist("Roles")]
    given: dict[str, object] = {name: value for name, value in values.items() if value}

    async def work() -> Response:
        _ = visit_of(request).language
        try:
            result = await carry_out(request, _NEW, {**given, "Roles": roles})
        except RoleMissing:
            raise
        except OperationError as error:
            return await _form(request, values, roles, error)
        say(request, _("The token was made. Copy it now: it is kept nowhere."), result)
        return redirect("/tokens", show=values["Name"])

    return await once(request, form, work)


async def _form(
    request: Request, values: Mapping[str, str], roles: "list[str] | tuple[()]", error: OperationError | None = None
) -> Response:
    _ = visit_of(request).language
    errors = {error.parameter or "": str(error)} if error else {}
    organizations = await organizations_to_give(request)
    return await render(
        request,
        "token.html",
        title=_("Make a token"),
        status=200 if error is None else status_of(error) if isinstance(error, Unavailable) else 422,
        command=command(_NEW, {"Name": values["Name"], "Roles": roles}) if values.get("Name") and roles else None,
        values=values,
        roles=roles,
        all_roles=[role.value for role in Role],
        days=_DAYS,
        errors=errors,
        error=next((text for name, text in errors.items() if name not in ("Name", "Roles", "Days")), ""),
        organizations=organizations,
        once=new_once(),
    )


PAGES = (Page(f"/tokens/do/{_NEW}", new, ("GET", "POST")),)
