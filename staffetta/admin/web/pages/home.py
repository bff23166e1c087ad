"""Home: what waits in the queues, until it says more."""

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import render
from staffetta.admin.web.visit import visit_of


async def home(request: Request) -> Response:
    _ = visit_of(request).language
    return await render(request, "home.html", title=_("Home"))


PAGES = (Page("/", home),)
