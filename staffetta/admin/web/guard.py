"""Stands before every page: who visits, may this form be his, and what is said where something goes wrong.

Rule 1: no handler runs for a page that is not open before somebody has signed in; roles are the registry's to check.
Rule 2: a form is taken from a page of ours alone: by its Origin, by what the browser says of its site, and by a token
that is bound to the secret in the cookie.
Rule 3: forms are read in the event loop that carries the mail, and anybody may send one: a stranger's is small, and
text is UTF-8. Other codecs that the sender may name take minutes for some megabytes (punycode).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message

from staffetta.admin.office import NotAuthenticated, Unreadable
from staffetta.admin.problems import status_of
from staffetta.admin.web import headers, sessions
from staffetta.admin.web.languages import N_, NAMES, languages, preferred
from staffetta.admin.web.page import trouble
from staffetta.admin.web.visit import Console, Visit, caller_of, is_same, new_secret, visit_of
from staffetta.operations.errors import OperationError
from staffetta.operations.roles import Caller

Handler = Callable[[Request], Awaitable[Response]]

FORM_OCTETS_MAX, STRANGER_FORM_OCTETS_MAX = 4_194_304, 65_536
FIELDS_MAX, FILES_MAX = 2000, 4
FORM_SECONDS = 60
THEMES = ("auto", "light", "dark")
SIGN_IN = "/sign-in"
_HARMLESS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Page:
    """An address of the console. is_open: for visitors who have not signed in, too.

    is_use: whether asking for it is a use of the console, which puts off the end of a sign-in.
    """

    path: str
    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    is_open: bool = False
    is_use: bool = True


class ForeignForm(Exception):
    """A form that no page of ours sent, or one from before the last sign-in."""


def guarded(console: Console, page: Page) -> Handler:
    """Return the handler with the guard before it."""

    async def answer(request: Request) -> Response:
        visit = request.state.visit = _stranger(console, request)
        try:
            visit = request.state.visit = await _visit(console, request, is_use=page.is_use)
            request = Request(request.scope, _limited(request, visit.caller is None))
            if not page.is_open:
                caller_of(request)
            if request.method not in _HARMLESS:
                await _check_form(request)
            response = await page.handler(request)
        except NotAuthenticated:
            response = await _to_sign_in(request)
        except ForeignForm:
            response = await trouble(request, 403, visit.language(_FOREIGN))
        except Unreadable as error:
            response = await trouble(request, 413 if error.is_too_large else 400, str(error))
        except HTTPException as error:
            response = await trouble(request, error.status_code, error.detail)
        except OperationError as error:
            response = await trouble(request, status_of(error), str(error))
        return _finished(request, response)

    return answer


_FOREIGN = N_(
    "This form was not sent by a page of this console, or the page is older than your sign-in. Nothing was changed. "
    "Go back, load the page again, and send it again."
)
_ENDED = N_("Your session has ended, and what you sent was not carried out. Sign in, and send it again.")


async def look_again(request: Request) -> None:
    """See who visits by now, for an answer that goes on. Raises NotAuthenticated, Unavailable."""
    request.state.visit = await _visit(visit_of(request).console, request, is_use=False)
    caller_of(request)


def _stranger(console: Console, request: Request) -> Visit:
    """The visit of whoever it is, as far as the request alone tells."""
    chosen = sessions.chosen_in(request)
    code = chosen.language if chosen.language in NAMES else preferred(request.headers.get("accept-language", ""))
    return Visit(
        console=console,
        secret=sessions.secret_in(request) or new_secret(),
        caller=None,
        person=None,
        language=languages()[code],
        theme=chosen.theme if chosen.theme in THEMES else "auto",
    )


async def _visit(console: Console, request: Request, *, is_use: bool) -> Visit:
    """Raises Unavailable."""
    address = request.client.host if request.client else None
    secret, wanted = sessions.secret_in(request), sessions.chosen_in(request).organization

    def work() -> tuple[Caller | None, tuple[str, ...]]:
        person = console.office.signing_in.signed_in(secret, address, is_use=is_use) if secret else None
        if person is None or person.organization is not None:
            return person, ()
        return person, tuple(each.name for each in console.office.context(person).settings.organizations)

    person, organizations = await anyio.to_thread.run_sync(work)
    caller = person
    if person is not None and wanted in organizations:
        caller = replace(person, organization=wanted)
    return replace(visit_of(request), caller=caller, person=person, organizations=organizations)


async def _check_form(request: Request) -> None:
    """Raises ForeignForm, Unreadable."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForeignForm
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignForm
    _check_charset(request.headers.get("content-type", ""))
    try:
        with anyio.fail_after(FORM_SECONDS):
            form = await request.form(max_files=FILES_MAX, max_fields=FIELDS_MAX, max_part_size=FORM_OCTETS_MAX)
    except TimeoutError:
        raise Unreadable(f"The form did not come within {FORM_SECONDS} seconds.") from None
    if not is_same(str(form.get("csrf", "")), visit_of(request).csrf):
        raise ForeignForm


def _check_charset(content_type: str) -> None:
    """Raises Unreadable where a charset is named that is not UTF-8; no browser names one."""
    _, parameters = parse_options_header(content_type)
    charset = parameters.get(b"charset", b"utf-8").decode("latin-1")
    if charset.strip().lower() not in ("utf-8", "utf8"):
        raise Unreadable("The form is not UTF-8.")


async def _to_sign_in(request: Request) -> Response:
    """A page that was asked for comes after sign-in; what was sent is not kept."""
    was_signed_in = bool(sessions.secret_in(request))
    if request.method not in _HARMLESS:
        return await trouble(request, 401, visit_of(request).language(_ENDED))
    after = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    ended = "&ended=1" if was_signed_in and request.url.path != "/" else ""
    return RedirectResponse(f"{SIGN_IN}?next={quote(after, safe='')}{ended}", status_code=303)


def _finished(request: Request, response: Response) -> Response:
    for name, value in headers.PAGE.items():
        response.headers.setdefault(name, value)
    has_cookie = any(name == b"set-cookie" for name, _ in response.raw_headers)
    if not sessions.secret_in(request) and not has_cookie:
        sessions.keep_secret(request, response, visit_of(request).secret)
    return response


def _limited(request: Request, is_stranger: bool) -> Callable[[], Awaitable[Message]]:
    """Receive no more than a form may have."""
    octets_max = STRANGER_FORM_OCTETS_MAX if is_stranger else FORM_OCTETS_MAX
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > octets_max:
            raise Unreadable(f"The form has more than {octets_max} octets.", is_too_large=True)
        return message

    return receive
