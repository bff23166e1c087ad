"""What somebody sees and changes of his own ways in: sign-ins, password, code app, passkeys.

Rule: each change comes with the password, where there is one, so that a console left open is no way to stay.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio.to_thread
import segno
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.office import NotAuthenticated, carry_out, is_private
from staffetta.admin.web import sessions
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import redirect, render, say
from staffetta.admin.web.pages.sign_in import visitor_of
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import OperationError
from staffetta.operations.passkeys import Passkey
from staffetta.operations.registry import find
from staffetta.operations.roles import Caller
from staffetta.operations.signing_in import SigningIn, SignInRefused, code_address, is_code_secret, new_code_secret

_PATH = "/account"
_ERRORS = (
    N_("This code is wrong. Type the one that the app shows now."),
    N_("Write 12 characters at least."),
    N_("Write a name of 64 characters at most."),
    N_("This passkey was not accepted. Load the page again, and try again."),
)
_SVG = {"scale": 5, "border": 4, "dark": "#000", "light": "#fff", "svgclass": "qr", "lineclass": None}

T = TypeVar("T")


async def show(request: Request) -> Response:
    """The page."""
    return await _page(request)


async def change_password(request: Request) -> Response:
    """Another password: every other sign-in ends, and this one goes on."""
    door, person = _door(request), _person(request)

    def work(form: FormData) -> str:
        return door.change_password(person, _text(form, "NewPassword"))

    changed = await _proved(request, work)
    if isinstance(changed, Response):
        return changed
    response = redirect(_PATH)
    sessions.keep_secret(request, response, changed)
    return response


async def start_codes(request: Request) -> Response:
    """Ask for a code from now on."""
    door, person = _door(request), _person(request)
    done = await _proved(request, lambda form: door.start_codes(person, _text(form, "secret"), _text(form, "Code")))
    return done if isinstance(done, Response) else _said(request, N_("From now on a code is asked for."))


async def stop_codes(request: Request) -> Response:
    """Ask for no code any more."""
    door, person = _door(request), _person(request)
    done = await _proved(request, lambda form: door.stop_codes(person))
    return done if isinstance(done, Response) else _said(request, N_("No code is asked for any more."))


async def add_passkey(request: Request) -> Response:
    """Keep a passkey that the browser made."""
    door, person, visitor = _door(request), _person(request), visitor_of(request)

    def work(form: FormData) -> None:
        door.passkeys.make(visitor, person, _text(form, "Name"), _text(form, "answer"))

    done = await _proved(request, work)
    return done if isinstance(done, Response) else _said(request, N_("The passkey signs you in from now on."))


async def remove_passkey(request: Request) -> Response:
    """Take a passkey back."""
    door, person = _door(request), _person(request)
    done = await _proved(request, lambda form: door.passkeys.remove(person, _text(form, "credential")))
    return done if isinstance(done, Response) else _said(request, N_("The passkey opens no more."))


async def end_sign_in(request: Request) -> Response:
    """End one of the sign-ins."""
    form = await request.form()
    office, person = visit_of(request).console.office, _person(request)
    await carry_out(office, person, find("Remove-SignIn"), {"Identity": _text(form, "identity")})
    return _said(request, N_("The sign-in has ended."))


async def _proved(request: Request, work: Callable[[FormData], T]) -> T | Response:
    """Do the work once the password is checked; the page again, with what is wrong, where it is not."""
    form = await request.form()
    visit, person = visit_of(request), _person(request)

    def both() -> T:
        visit.console.office.signing_in.prove(person, _text(form, "Password"))
        return work(form)

    try:
        return await anyio.to_thread.run_sync(both)
    except OperationError as error:
        if isinstance(error, SignInRefused):
            await visit.console.pause(error.wait_seconds)
        return await _page(request, error, part=request.url.path.rpartition("/")[2], form=form)


async def _page(
    request: Request, error: OperationError | None = None, *, part: str = "", form: FormData | None = None
) -> Response:
    visit, person, door, visitor = visit_of(request), _person(request), _door(request), visitor_of(request)
    _ = visit.language
    is_possible = is_private(request) and visitor.host != ""

    def work() -> dict[str, Any]:
        return {
            "has_password": door.has_password(person),
            "has_code_app": door.has_code_app(person),
            "passkeys": [_shown(each) for each in door.passkeys.of(person)],
            "options": door.passkeys.to_make(visitor, person) if is_possible else "",
        }

    facts = await anyio.to_thread.run_sync(work)
    rows: list[Any] = []
    if person.roles:
        result = await carry_out(visit.console.office, person, find("Get-SignIn"), {"Administrator": person.name})
        rows = [properties(row) for row in result.rows]
    secret = sent if is_code_secret(sent := _text(form, "secret")) else new_code_secret()
    address = code_address(secret, person.name, visitor.host)
    return await render(
        request,
        "account.html",
        title=_("Your account"),
        status=422 if error else 200,
        error=_(str(error)) if error else "",
        wrong_part=part,
        sign_ins=rows,
        own=door.identity_of(visit.secret),
        secret=secret,
        code=Markup(segno.make(address, error="m").svg_inline(**_SVG)),  # numbers and colours alone
        person=person,
        **facts,
    )


def _shown(passkey: Passkey) -> dict[str, Any]:
    used = passkey.used_at
    return {
        "credential": passkey.credential.hex(),
        "name": passkey.name,
        "made": datetime.fromtimestamp(passkey.created_at, UTC),
        "used": None if used is None else datetime.fromtimestamp(used, UTC),
    }


def _said(request: Request, text: str) -> Response:
    say(request, visit_of(request).language(text))
    return redirect(_PATH)


def _person(request: Request) -> Caller:
    """Who signed in, whatever organisation he looks at."""
    person = visit_of(request).person
    if person is None:
        raise NotAuthenticated
    return person


def _door(request: Request) -> SigningIn:
    return visit_of(request).console.office.signing_in


def _text(form: FormData | None, name: str) -> str:
    value = form.get(name, "") if form else ""
    return value[:20_000] if isinstance(value, str) else ""


PAGES = (
    Page(_PATH, show),
    Page(f"{_PATH}/password", change_password, ("POST",)),
    Page(f"{_PATH}/codes", start_codes, ("POST",)),
    Page(f"{_PATH}/no-codes", stop_codes, ("POST",)),
    Page(f"{_PATH}/passkey", add_passkey, ("POST",)),
    Page(f"{_PATH}/no-passkey", remove_passkey, ("POST",)),
    Page(f"{_PATH}/end", end_sign_in, ("POST",)),
)
