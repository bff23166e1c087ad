"""Signing in and out. Where nobody can sign in yet, the one-time code that the relay printed makes the first person.

Rule 1: where to go after sign-in is a path of ours, never an address that somebody else chose.
Rule 2: no password is asked for on a line that others can read: with TLS, or from this machine itself.
"""

from collections.abc import Callable

import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.office import is_private
from staffetta.admin.web import sessions
from staffetta.admin.web.guard import SIGN_IN, Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import redirect, render, trouble
from staffetta.admin.web.visit import caller_of, visit_of
from staffetta.operations.errors import OperationError
from staffetta.operations.passkeys import Visitor
from staffetta.operations.signing_in import CodeNeeded, SignInRefused, TooManyTries

_TEXT_LENGTH_MAX, _ANSWER_LENGTH_MAX = 1000, 20_000
_FIRST = "/first-administrator"
_ERRORS = (
    N_("Name or password is wrong."),
    N_("There were too many wrong tries. Wait some minutes, and try again."),
    N_("This code is wrong, or was used already."),
    N_("This took too long. Sign in again."),
)
"""What an operation says there, and is said in the visitor's language."""
_IN_CLEAR = N_(
    "No password is asked for here, since others could read it on its way. Give the console a certificate "
    "(console.certificate and console.private_key in the settings file), put a proxy with TLS before it, or come "
    "through a tunnel: ssh -L 8025:127.0.0.1:8025 and http://localhost:8025."
)

_log = structlog.get_logger()


async def show(request: Request) -> Response:
    """The form; who has signed in is led on."""
    visit = visit_of(request)
    if visit.caller is not None:
        return redirect(_after(request.query_params.get("next", "")))
    if not await anyio.to_thread.run_sync(visit.console.office.signing_in.has_administrator):
        return redirect(_FIRST)
    return await _form(request, "sign-in.html", {"next": request.query_params.get("next", "")})


async def sign_in(request: Request) -> Response:
    """Check a password."""
    values = await _values(request, ("name", "password", "next"))
    door, address = visit_of(request).console.office.signing_in, _address(request)

    def work() -> str:
        return door.sign_in(name=values["name"], password=values["password"], address=address)

    return await _enter(request, work, "sign-in.html", values)


async def sign_in_with_code(request: Request) -> Response:
    """Check the code that is asked for after a password."""
    values = await _values(request, ("ticket", "code", "next"))
    door, address = visit_of(request).console.office.signing_in, _address(request)

    def work() -> str:
        return door.sign_in_with_code(ticket=values["ticket"], code=values["code"], address=address)

    return await _enter(request, work, "sign-in-code.html", values)


async def sign_in_with_passkey(request: Request) -> Response:
    """Check a passkey, in the place of password and code."""
    form = await request.form()
    answer = str(form.get("answer", ""))[:_ANSWER_LENGTH_MAX]
    door, address, visitor = visit_of(request).console.office.signing_in, _address(request), visitor_of(request)
    values = {"next": str(form.get("next", ""))[:_TEXT_LENGTH_MAX]}

    def work() -> str:
        return door.sign_in_with_passkey(visitor, answer, address)

    return await _enter(request, work, "sign-in.html", values)


async def show_first(request: Request) -> Response:
    """The form for the one-time code."""
    if await anyio.to_thread.run_sync(visit_of(request).console.office.signing_in.has_administrator):
        return redirect(SIGN_IN)
    return await _form(request, "first.html", {})


async def first(request: Request) -> Response:
    """Make the first administrator, and sign him in."""
    values = await _values(request, ("code", "name", "password"))
    office, address = visit_of(request).console.office, _address(request)

    def work() -> str:
        name, password = values["name"], values["password"]
        office.first_administrator(code=values["code"].strip(), name=name, password=password, address=address)
        return office.signing_in.sign_in(name=name, password=password, address=address)

    return await _enter(request, work, "first.html", values)


async def sign_out(request: Request) -> Response:
    """End the sign-in, here and in the directory."""
    visit, caller = visit_of(request), caller_of(request)
    await anyio.to_thread.run_sync(visit.console.office.signing_in.sign_out, visit.secret, caller)
    response = redirect(SIGN_IN, out=1)
    sessions.forget_secret(request, response)
    return response


def is_own_path(text: str) -> bool:
    """Whether this leads to a page of ours whatever the browser makes of it."""
    return text.startswith("/") and not text.startswith("//") and text.isprintable() and "\\" not in text


def visitor_of(request: Request) -> Visitor:
    """Return who answers a passkey's challenge, and on which page."""
    return Visitor(visit_of(request).secret, f"{request.url.scheme}://{request.headers.get('host', '')}")


async def _enter(request: Request, work: Callable[[], str], template: str, values: dict[str, str]) -> Response:
    """Do what gives the secret of a sign-in, and lead on with it; show the form again where it gives none."""
    visit = visit_of(request)
    if not is_private(request):
        return await trouble(request, 403, visit.language(_IN_CLEAR))
    try:
        secret = await anyio.to_thread.run_sync(work)
    except CodeNeeded as needed:
        return await _form(request, "sign-in-code.html", {**values, "ticket": needed.ticket, "code": ""})
    except OperationError as error:
        _log.warning("sign-in refused", address=_address(request), reason=error.kind)
        if isinstance(error, SignInRefused):
            await visit.console.pause(error.wait_seconds)
        return await _form(request, template, values, error)
    response = redirect(_after(values.get("next", "")))
    sessions.keep_secret(request, response, secret)
    return response


def _after(text: str) -> str:
    return text if is_own_path(text) else "/"


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


async def _values(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    form = await request.form()
    return {name: str(form.get(name, ""))[:_TEXT_LENGTH_MAX] for name in names}


async def _form(
    request: Request, template: str, values: dict[str, str], error: OperationError | None = None
) -> Response:
    _ = visit_of(request).language
    if not is_private(request):
        return await trouble(request, 403, _(_IN_CLEAR))
    return await render(
        request,
        template,
        title=_("Sign in"),
        status=200 if error is None else 429 if isinstance(error, TooManyTries) else 422,
        values=values,
        options=visit_of(request).console.office.signing_in.passkeys.to_sign_in(visitor_of(request)),
        error=_(str(error)) if error else "",
    )


PAGES = (
    Page(SIGN_IN, show, is_open=True),
    Page(SIGN_IN, sign_in, ("POST",), is_open=True),
    Page(f"{SIGN_IN}/code", sign_in_with_code, ("POST",), is_open=True),
    Page(f"{SIGN_IN}/passkey", sign_in_with_passkey, ("POST",), is_open=True),
    Page(_FIRST, show_first, is_open=True),
    Page(_FIRST, first, ("POST",), is_open=True),
    Page("/sign-out", sign_out, ("POST",)),
)
