"""What a visitor chooses for himself: language, theme, and the one organisation that he looks at."""

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web import sessions
from staffetta.admin.web.guard import THEMES, Page
from staffetta.admin.web.languages import NAMES
from staffetta.admin.web.page import redirect
from staffetta.admin.web.pages.sign_in import is_own_path
from staffetta.admin.web.visit import visit_of


async def choose(request: Request) -> Response:
    """Keep what was sent, and lead back."""
    form = await request.form()
    after = str(form.get("next", ""))
    response = redirect(after if is_own_path(after) else "/")
    allowed = {
        sessions.LANGUAGE: ("language", tuple(NAMES)),
        sessions.THEME: ("theme", THEMES),
        sessions.ORGANIZATION: ("organization", ("", *visit_of(request).organizations)),
    }
    for cookie, (field, values) in allowed.items():
        if form.get(field) in values:
            sessions.keep_choice(request, response, cookie, str(form.get(field)))
    return response


PAGES = (Page("/preferences", choose, ("POST",), is_open=True),)
