"""People: who may sign in, with which roles, and where he is signed in; to be added, helped and shut out.

Rule: what is done here is an operation each, by a form of its own; a password is shown once, on the next page.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.problems import status_of
from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.generic import listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import carry_out, command, in_context, may, redirect, render, require, say
from staffetta.admin.web.pages.switching import switch_page
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import caller_of, queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import Result
from staffetta.settings.objects import DEFAULT_ORGANIZATION

_LIST, _INVITE, _ACT = "/people", "/people/invite", "/people/act"
_COLUMNS = ("Name", "Enabled", "Roles", "Organization", "LastSignInUTC")
_DEEDS: Mapping[str, tuple[str, str]] = {
    "password": ("Set-Administrator", N_("He has a new password, and his sign-ins have ended.")),
    "factors": ("Set-Administrator", N_("No code is asked for any more, and his passkeys open no more.")),
    "join": ("Add-RoleGroupMember", N_("He is in the role group from now on.")),
    "leave": ("Remove-RoleGroupMember", N_("He is in the role group no more.")),
    "end": ("Remove-SignIn", N_("The sign-in has ended.")),
}

Row = Mapping[str, Any]


async def show(request: Request) -> Response:
    """The list, and the details of the one that the address names."""
    _ = visit_of(request).language
    rows = [{**properties(row), "_key": properties(row)["Name"]} for row in await _rows(request, "Get-Administrator")]
    opened = next((row for row in rows if row["_key"] == request.query_params.get("show")), None)
    return await render(
        request,
        "people.html",
        title=_("People"),
        command=command("Get-Administrator"),
        listing=listed(rows, _COLUMNS, queried(request)),
        opened=opened,
        may_change=may(request, "Set-Administrator"),
        once=new_once(),
        **(await _details(request, opened) if opened else {}),
    )


async def invite(request: Request) -> Response:
    """Add somebody, with a role at once; whoever adds him hands him the password."""
    require(request, "New-Administrator")
    _ = visit_of(request).language
    if request.method != "POST":
        return await _invitation(request, {})
    form = await request.form()
    values = {name: str(form.get(name, "")).strip() for name in ("Name", "Organization", "Group")}
    given = {name: values[name] for name in ("Name", "Organization") if values[name]}

    async def work() -> Response:
        try:
            result = await carry_out(request, "New-Administrator", given)
        except RoleMissing:
            raise
        except OperationError as error:
            return await _invitation(request, values, error)
        if values["Group"]:
            result = Result(result.rows, ())  # that he has no role yet is not so
        say(request, _("He can sign in. Hand him the password; he changes it under his name."), result)
        if values["Group"]:
            await _do(request, "join", {"Identity": values["Group"], "Member": values["Name"]})
        return redirect(_LIST, show=values["Name"])

    return await once(request, form, work)


async def act(request: Request) -> Response:
    """Do something about one person."""
    form = await request.form()
    name, what, value = (str(form.get(each, "")) for each in ("id", "do", "value"))
    if what not in _DEEDS:
        return redirect(_LIST, show=name)
    given: Mapping[str, Mapping[str, object]] = {
        "password": {"Identity": name, "ResetPassword": True},
        "factors": {"Identity": name, "ResetSecondFactors": True},
        "join": {"Identity": value, "Member": name},
        "leave": {"Identity": value, "Member": name},
        "end": {"Identity": value},
    }

    async def work() -> Response:
        await _do(request, what, given[what])
        return redirect(_LIST, show=name)

    return await once(request, form, work)


async def _do(request: Request, what: str, given: Mapping[str, object]) -> None:
    """Let the next page say what came of it."""
    cmdlet, words = _DEEDS[what]
    try:
        say(request, visit_of(request).language(words), await carry_out(request, cmdlet, given))
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        say(request, str(error), is_error=True)


async def _details(request: Request, person: Row) -> dict[str, Any]:
    groups = [properties(row) for row in await _rows(request, "Get-RoleGroup")]
    signed_in = await _rows(request, "Get-SignIn", Administrator=person["Name"])
    return {
        "groups": [each["Name"] for each in groups if person["Name"] in each["Members"]],
        "other_groups": [each["Name"] for each in groups if person["Name"] not in each["Members"]],
        "sign_ins": [properties(row) for row in signed_in],
        "is_self": caller_of(request).name == person["Name"],
        "open_command": command("Get-Administrator", {"Identity": person["Name"]}),
    }


async def _rows(request: Request, cmdlet: str, **parameters: object) -> Any:
    return (await carry_out(request, cmdlet, parameters)).rows


async def _invitation(request: Request, values: Mapping[str, str], error: OperationError | None = None) -> Response:
    _ = visit_of(request).language
    organizations = await organizations_to_give(request)
    status = 200 if error is None else status_of(error) if isinstance(error, Unavailable) else 422
    is_beside = error is not None and error.parameter == "Name"
    return await render(
        request,
        "invite.html",
        title=_("Add a person"),
        status=status,
        command=command("New-Administrator", {"Name": values["Name"]}) if values.get("Name") else None,
        values=values,
        errors={"Name": str(error)} if is_beside else {},
        error="" if error is None or is_beside else str(error),
        groups=[properties(row) for row in await _rows(request, "Get-RoleGroup")],
        organizations=organizations,
        once=new_once(),
    )


async def organizations_to_give(request: Request) -> list[str]:
    """Return the organisations of which one may be somebody's only one; nothing where there is no choice."""
    names = [each.name for each in (await in_context(request)).settings.organizations]
    found = list(dict.fromkeys((DEFAULT_ORGANIZATION, *names)))
    return found if caller_of(request).organization is None and len(found) > 1 else []


PAGES = (
    Page(_LIST, show),
    Page(_INVITE, invite, ("GET", "POST")),
    Page(_ACT, act, ("POST",)),
    switch_page(
        _LIST,
        "Set-Administrator",
        on=N_("He may sign in again, with the roles that he had."),
        off=N_("He can sign in no more, and his sign-ins end. His roles are kept."),
    ),
)
