"""What handlers make pages with: operations carried out in the visitor's name, templates, and ways to another page."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from staffetta.admin.office import carry_out as carry_out_for
from staffetta.admin.web import assets
from staffetta.admin.web.commands import Command, command_of
from staffetta.admin.web.jobs import Job, Tell
from staffetta.admin.web.languages import N_, NAMES, Language, languages
from staffetta.admin.web.menu import menu_of
from staffetta.admin.web.values import kind_of, marked, words
from staffetta.admin.web.visit import Flash, caller_of, visit_of
from staffetta.mail.sentence import Sentence
from staffetta.operations.errors import NotFound
from staffetta.operations.registry import WHAT_IF, Context, Result, check_role, find

__all__ = [
    "Flash",
    "advice",
    "begin",
    "carry_out",
    "command",
    "foreseen",
    "in_context",
    "may",
    "redirect",
    "render",
    "render_part",
    "require",
    "say",
    "trouble",
]


async def carry_out(
    request: Request, cmdlet: str, parameters: Mapping[str, object] | None = None, *, only_ask: bool = False
) -> Result:
    """Execute an operation in the name of who signed in. parameters: by outside name. Raises OperationError."""
    console = visit_of(request).console
    return await carry_out_for(console.office, caller_of(request), find(cmdlet), parameters or {}, only_ask=only_ask)


async def begin(
    request: Request, key: str, cmdlet: str, parameters: Mapping[str, object], values: Mapping[str, str]
) -> Job:
    """Begin an operation that takes long, in the name of who signed in, unless one of this key is under way.

    values: of the form, to be kept; no secret is among them. Raises RoleMissing, Unavailable.
    """
    require(request, cmdlet)
    console, caller = visit_of(request).console, caller_of(request)

    async def work(tell: Tell) -> Result:
        return await carry_out_for(console.office, caller, find(cmdlet), parameters, tell=tell)

    return await console.memory.jobs.begin(key, values, work)


def may(request: Request, cmdlet: str) -> bool:
    """Whether there is such an operation, and whoever signed in may do it."""
    try:
        return bool(find(cmdlet).roles & caller_of(request).roles)
    except NotFound:
        return False


def require(request: Request, cmdlet: str) -> None:
    """Let nobody in who may not do this operation: for pages that show more of it than its rows. Raises RoleMissing."""
    check_role(find(cmdlet), caller_of(request))


def command(cmdlet: str, parameters: Mapping[str, object] | None = None) -> Command:
    """Return what a page or an action is as a cmdlet and on the command line."""
    return command_of(find(cmdlet), parameters or {})


def say(request: Request, text: str, result: Result | None = None, *, is_error: bool = False) -> None:
    """Let the next page of this visitor say this, with the warnings and rows of what was done."""
    visit = visit_of(request)
    flash = Flash(text, result.warnings if result else (), result.rows if result else (), is_error)
    visit.console.memory.say(visit.key, flash)


def foreseen(result: Result) -> list[str]:
    """Return what an operation said that it would do (-WhatIf), each sentence without the words before it."""
    return [
        str(each.values["what"]) if isinstance(each, Sentence) else each.removeprefix(_WHAT_IF)
        for each in result.warnings[1:]
        if each.startswith(_WHAT_IF)
    ]


def advice(result: Result) -> list[str]:
    """Return what it said besides."""
    return [each for each in result.warnings[1:] if not each.startswith(_WHAT_IF)]


_WHAT_IF = WHAT_IF.partition("{")[0]


def redirect(path: str, **query: object) -> Response:
    """Lead to another page after a form (303, so that going back sends nothing twice)."""
    left = {name: value for name, value in query.items() if value is not None}
    return RedirectResponse(f"{path}?{urlencode(left, doseq=True)}" if left else path, status_code=303)


async def in_context(request: Request) -> Context:
    """Return what operations of this visitor work with: for settings that a page shows beside them."""
    office, caller = visit_of(request).console.office, caller_of(request)
    return await anyio.to_thread.run_sync(office.context, caller)


async def render(
    request: Request,
    template: str,
    *,
    title: str,
    status: int = 200,
    command: Command | None = None,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """Return a page. title: translated already. command: what the page is elsewhere. values: for the template."""
    visit = visit_of(request)
    shown = {
        "title": title,
        "command": command,
        "menu": menu_of(visit.caller) if visit.caller else (),
        "flashes": visit.console.memory.told(visit.key) if visit.caller else (),
        **values,
    }
    text = render_part(request, template, path=request.url.path, **shown)
    return HTMLResponse(text, status_code=status, headers=dict(headers or {}))


def render_part(request: Request, template: str, *, path: str, **values: Any) -> str:
    """Return a part of the page at `path`, or all of it."""
    visit = visit_of(request)
    shown = {
        "visit": visit,
        "caller": visit.caller,
        "csrf": visit.csrf,
        "path": path,
        "address": path + (f"?{request.url.query}" if request.url.query else ""),
        "query": request.query_params,
        **values,
    }
    return environment_of(visit.language.code).get_template(template).render(shown)


async def trouble(request: Request, status: int, text: str) -> Response:
    """Return the page that says what went wrong, and what to do."""
    _ = visit_of(request).language
    title = _(_TITLES[status]) if status in _TITLES else HTTPStatus(status).phrase
    return await render(request, "trouble.html", title=title, status=status, text=text)


_TITLES = {
    400: N_("This cannot be read"),
    401: N_("Your session has ended"),
    403: N_("This is not for you"),
    404: N_("There is no such thing"),
    405: N_("This cannot be done here"),
    409: N_("It is there already"),
    413: N_("This is too large"),
    429: N_("Too many tries"),
    503: N_("Not now"),
}


@cache
def environment_of(code: str) -> Environment:
    """Return what templates are read with in a language; a name that is not there is an error."""
    language: Language = languages()[code]
    environment = Environment(
        loader=PackageLoader("staffetta.admin.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=language.shown,
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {"asset": assets.address_of, "languages": NAMES, "kind_of": kind_of}
    environment.filters |= {"marked": marked, "zip": zip}
    # What the registry says is said in the language too; it is no template, so signs for values in it are text.
    environment.globals |= {"told": language, "words": lambda name: language(words(name))}
    environment.globals |= {"shown": language.shown, "lang_of": language.of}
    return environment
