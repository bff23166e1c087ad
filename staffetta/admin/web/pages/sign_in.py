"""Signing in and out. Where nobody can sign in yet, the one-time code that the relay printed makes the first person.

Rule: where to go after sign-in is a path of ours, never an address that somebody else chose.
"""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web import sessions
from staffetta.admin.web.guard import SIGN_IN, Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import redirect, render
from staffetta.admin.web.visit import caller_of, visit_of
from staffetta.operations.errors import OperationError

_TEXT_LENGTH_MAX = 1000
_FIRST = "/first-administrator"
_ERRORS = (N_("Name or password is wrong."),)
"""What an operation says there, and is said in the visitor's language."""


async def show(request: Request) -> Response:
    """The form; who has signed in is led on."""
    visit = visit_of(request)
    if visit.caller is not None:
        return redirect(_after(request.query_params.get("next", "")))
    if not await anyio.to_thread.run_sync(visit.console.office.has_administrator):
        return redirect(_FIRST)
    return await _form(request, "sign-in.html", {"next": request.query_params.get("next", "")})


async def sign_in(request: Request) -> Response:
    """Check a password."""
    visit = visit_of(request)
    values = await _values(request, ("name", "password", "next"))
    address = request.client.host if request.client else None

    def work() -> str:
        office = visit.console.office
        return office.sign_in(name=values["name"], password=values["password"], address=address)

    try:
        secret = await anyio.to_thread.run_sync(work)
    except OperationError as error:
        return await _form(request, "sign-in.html", values, error)
    return _entered(request, secret, values["next"])


async def show_first(request: Request) -> Response:
    """The form for the one-time code."""
    if await anyio.to_thread.run_sync(visit_of(request).console.office.has_administrator):
        return redirect(SIGN_IN)
    return await _form(request, "first.html", {})


async def first(request: Request) -> Response:
    """Make the first administrator, and sign him in."""
    visit = visit_of(request)
    values = await _values(request, ("code", "name", "password"))
    address = request.client.host if request.client else None

    def work() -> str:
        office, name, password = visit.console.office, values["name"], values["password"]
        office.first_administrator(code=values["code"].strip(), name=name, password=password, address=address)
        return office.sign_in(name=name, password=password, address=address)

    try:
        secret = await anyio.to_thread.run_sync(work)
    except OperationError as error:
        return await _form(request, "first.html", values, error)
    return _entered(request, secret, "")


async def sign_out(request: Request) -> Response:
    """End the sign-in, here and in the directory."""
    visit, caller = visit_of(request), caller_of(request)
    await anyio.to_thread.run_sync(visit.console.office.sign_out, visit.secret, caller)
    response = redirect(SIGN_IN, out=1)
    sessions.forget_secret(request, response)
    return response


def is_own_path(text: str) -> bool:
    """Whether this leads to a page of ours whatever the browser makes of it."""
    return text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text


def _after(text: str) -> str:
    return text if is_own_path(text) else "/"


def _entered(request: Request, secret: str, after: str) -> Response:
    response = redirect(_after(after))
    sessions.keep_secret(request, response, secret)
    return response


async def _values(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    form = await request.form()
    return {name: str(form.get(name, ""))[:_TEXT_LENGTH_MAX] for name in names}


async def _form(
    request: Request, template: str, values: dict[str, str], error: OperationError | None = None
) -> Response:
    _ = visit_of(request).language
    return await render(
        request,
        template,
        title=_("Sign in"),
        status=422 if error else 200,
        values=values,
        error=_(str(error)) if error else "",
    )


PAGES = (
    Page(SIGN_IN, show, is_open=True),
    Page(SIGN_IN, sign_in, ("POST",), is_open=True),
    Page(_FIRST, show_first, is_open=True),
    Page(_FIRST, first, ("POST",), is_open=True),
    Page("/sign-out", sign_out, ("POST",)),
)
