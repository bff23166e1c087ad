"""The source of a message that waits: shown, or taken along, by who may read mail, and written down each time.

Rule: to look at it is a form and not a link, since it is written down; what the message says is text, and nothing else.
"""

import base64
from collections.abc import AsyncIterator, Iterator

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, in_context, render, require
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import NotFound, OperationError, RoleMissing, Unavailable
from staffetta.operations.message_content import whole_content
from staffetta.operations.message_export import NAME
from staffetta.operations.tracing import queue_id_of

OCTETS_SHOWN_MAX = 65_536


async def source(request: Request) -> Response:
    require(request, NAME)
    _ = visit_of(request).language
    identity = await _identity(request)
    text, is_cut, error, status = "", False, "", 200
    if request.method == "POST":
        try:
            (row,) = (await carry_out(request, NAME, {"Identity": identity, "OctetsMax": OCTETS_SHOWN_MAX})).rows
            shown = row.model_dump()
            text, is_cut = readable(base64.b64decode(shown["binary_data"])), shown["is_cut"]
        except (RoleMissing, Unavailable):
            raise
        except OperationError as trouble:
            error, status = str(trouble), 404 if isinstance(trouble, NotFound) else 422
    return await render(
        request,
        "source.html",
        title=_("Source of a message"),
        status=status,
        command=command(NAME, {"Identity": identity}),
        identity=identity,
        text=text,
        is_shown=request.method == "POST" and not error,
        is_cut=is_cut,
        octets_max=OCTETS_SHOWN_MAX,
        error=error,
    )


async def download(request: Request) -> Response:
    require(request, NAME)
    identity = await _identity(request)
    context = await in_context(request)
    pieces = await anyio.to_thread.run_sync(whole_content, context, identity, NAME)
    name = f"{queue_id_of(identity, 'Identity')}.eml"
    return StreamingResponse(
        _in_thread(pieces),
        media_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def readable(octets: bytes) -> str:
    """Return a source as text that shows each of its signs: what would turn or hide others is spelt out."""
    text = octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(sign if sign.isprintable() or sign in "\n\t" else _spelt(sign) for sign in text)


def _spelt(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


async def _identity(request: Request) -> str:
    form = await request.form() if request.method == "POST" else request.query_params
    return str(form.get("id", "")).strip()


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await anyio.to_thread.run_sync(next, pieces, b""):
        yield piece


PAGES = (
    Page("/trace/source", source, ("GET", "POST")),
    Page("/trace/source.eml", download, ("POST",)),
)
