"""Every address of the console. A page of its own stands before the generic one of its entry, and so replaces it."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from staffetta.admin.office import Office
from staffetta.admin.web import assets, generic
from staffetta.admin.web.guard import Handler, Page, guarded
from staffetta.admin.web.languages import N_
from staffetta.admin.web.menu import entries
from staffetta.admin.web.pages import (
    account,
    analyzer,
    audit,
    connector_made,
    connectors,
    home,
    outbound,
    people,
    preferences,
    queues,
    refused,
    roads_out,
    role_groups,
    search,
    settings,
    sign_in,
    simulator,
    source,
    tokens,
    tools,
    trace,
    trace_file,
    wizard,
    wizard_edit,
)
from staffetta.admin.web.visit import Console, visit_of

OWN_PAGES: tuple[Page, ...] = (
    *sign_in.PAGES,
    *account.PAGES,
    *preferences.PAGES,
    *search.PAGES,
    *home.PAGES,
    *analyzer.PAGES,
    *queues.PAGES,
    *connectors.PAGES,
    *wizard.PAGES,
    *wizard_edit.PAGES,
    *connector_made.PAGES,
    *simulator.PAGES,
    *tools.PAGES,
    *settings.PAGES,
    *audit.PAGES,
    *role_groups.PAGES,
    *roads_out.PAGES,
    *outbound.PAGES,
    *people.PAGES,
    *tokens.PAGES,
    *trace.PAGES,
    *trace_file.PAGES,
    *source.PAGES,
    *refused.PAGES,
)


def pages() -> Sequence[Page]:
    """Return every page; of two with the same path the first one answers."""
    return (*OWN_PAGES, *(page for entry in entries() for page in generic.pages_of(entry)))


class Site:
    """The console of one office."""

    def __init__(self, office: Office, pause: Callable[[float], Awaitable[None]]) -> None:
        """pause: waits so many seconds."""
        self._console = Console(office, pause)

    def routes(self) -> list[Route]:
        """Return its routes."""
        found = [Route(each.path, guarded(self._console, each), methods=list(each.methods)) for each in pages()]
        return [Route(assets.PATH, assets.answer), *found]

    def end_streams(self) -> None:
        """Let answers that go on end, before the server stops."""
        self._console.memory.streams.end()

    async def nowhere(self, request: Request, error: HTTPException) -> Response:
        """Answer a browser that asks for what is not there."""
        return await guarded(self._console, Page(request.url.path, _raising(error), is_open=True))(request)


def _raising(error: HTTPException) -> Handler:
    async def answer(request: Request) -> Response:
        raise HTTPException(error.status_code, visit_of(request).language(_NOWHERE)) from None

    return answer


_NOWHERE = N_("There is no page at this address. The menu leads to every page that there is.")
