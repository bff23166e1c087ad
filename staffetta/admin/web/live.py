"""Parts of pages that are sent again whenever they change, by server-sent events (the WHATWG's HTML standard, §9.2).

Rule 1: what is sent is the part as its page has it, made by the same handler: scripts only put it in its place.
Rule 2: looking at a live page is no use of the console: a sign-in that nobody uses ends, and the stream with it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.office import NotAuthenticated
from staffetta.admin.web.guard import Handler, Page, look_again
from staffetta.admin.web.streams import Stream
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import OperationError

MEDIA_TYPE = "text/event-stream"
_END = "event: end\ndata:\n\n"
_NOTHING_NEW = ":\n\n"  # by which a browser that has gone is noticed

Part = Callable[[Request], Awaitable[str]]


def live_page(path: str, part: Part, seconds: float) -> Page:
    """Return the address at which the part of a page is heard of. seconds: between two looks at it."""
    return Page(f"/live{path}", _handler(part, seconds), is_use=False)


def _handler(part: Part, seconds: float) -> Handler:
    async def answer(request: Request) -> Response:
        visit = visit_of(request)
        streams = visit.console.memory.streams
        streams.take(visit.key)
        try:
            first = await part(request)
        except BaseException:
            streams.give_back(visit.key)
            raise
        return Stream(_events(request, part, first, seconds), MEDIA_TYPE, lambda: streams.give_back(visit.key), {})

    return answer


async def _events(request: Request, part: Part, last: str, seconds: float) -> AsyncIterator[str]:
    console = visit_of(request).console
    yield _event(last)
    while await console.memory.streams.rest(console.pause, seconds):
        try:
            await look_again(request)
            shown = await part(request)
        except (NotAuthenticated, OperationError):
            break
        yield _event(shown) if shown != last else _NOTHING_NEW
        last = shown
    yield _END


def _event(text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: part\n{lines}\n"
