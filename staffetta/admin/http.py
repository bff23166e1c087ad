"""The web side, in the relay's own event loop: health, metrics, the operations (rest.py, invoke.py), console (web/).

Rule 1: nothing here knows a room: what is true is asked of `Status` and `Office`, which the app hands in.
Rule 2: who has no token gets health, metrics, the sign-in of the console, and a try at the one-time code (first.py).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request

from staffetta.admin import first, invoke, rest
from staffetta.admin.connections import Bounds, bounded
from staffetta.admin.office import Office
from staffetta.admin.paths import PREFIX
from staffetta.admin.problems import HEADERS, problem
from staffetta.admin.web.headers import PAGE
from staffetta.admin.web.site import Site
from staffetta.net.certificate_files import CertificateFiles
from staffetta.settings.model import Console

_FOR_PROGRAMS = (f"{PREFIX}/", "/adminapi/")

_BROKEN = "This is a mistake of the relay's. The log has it, with where it happened; mail goes on."
_BROKEN_PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Staffetta</title><h1>Staffetta</h1>'


class Status(Protocol):
    """What the web side may ask of the running relay."""

    def obstacles(self) -> Sequence[str]:
        """Why the relay cannot take mail now, in words for the administrator; empty when it can. No I/O."""

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date that are too dear to keep so at all times."""

    def exposed(self) -> Collector:
        """Return the metrics to be shown."""


def create_app(status: Status, office: Office, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> FastAPI:
    """Return the ASGI application. pause: waits so many seconds."""
    console = Site(office, pause)
    app = FastAPI(title="Staffetta", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.end_streams = console.end_streams

    @app.get("/healthz")
    async def live() -> PlainTextResponse:
        return PlainTextResponse("ok\n", headers=HEADERS)

    @app.get("/readyz")
    async def ready() -> PlainTextResponse:
        obstacles = status.obstacles()
        text = "".join(f"{obstacle}\n" for obstacle in obstacles) or "ok\n"
        return PlainTextResponse(text, status_code=503 if obstacles else 200, headers=HEADERS)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        await status.refresh_metrics()
        # Prometheus asks for OpenMetrics, which alone can name the queue id of a measured message.
        render, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(render(status.exposed()), media_type=media_type, headers=HEADERS)

    @app.exception_handler(HTTPException)
    async def nowhere(request: Request, error: HTTPException) -> Response:
        if _is_for_programs(request):
            return _problem(error)
        return await console.nowhere(request, error)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        # Who logs it is the server, which is handed the error after this answer.
        if _is_for_programs(request):
            return problem(500, "InternalServerError", _BROKEN)
        return HTMLResponse(f"{_BROKEN_PAGE}<p>{_BROKEN}</p>", status_code=500, headers=PAGE)

    app.router.routes.extend([*first.routes(office), *rest.routes(office), *invoke.routes(office), *console.routes()])
    return app


def _is_for_programs(request: Request) -> bool:
    return request.url.path.startswith(_FOR_PROGRAMS) or "text/html" not in request.headers.get("accept", "")


def _problem(error: HTTPException) -> Response:
    answer = problem(error.status_code, HTTPStatus(error.status_code).phrase, error.detail)
    answer.headers.update(error.headers or {})
    return answer


class WebServer:
    """The HTTP server of one address. It handles no signals: they are the app's."""

    name = "console"

    def __init__(
        self,
        status: Status,
        office: Office,
        listening: socket.socket,
        declared: Console,
        tls: ssl.SSLContext | None = None,
        bounds: Bounds = Bounds(),  # noqa: B008  (it is frozen)
    ) -> None:
        """listening: bound already, so that a taken port is told before anything starts. tls: of console_tls()."""
        self._declared, self._tls = declared, tls
        self._files = CertificateFiles(*(path for path in (declared.certificate, declared.private_key) if path))
        app = create_app(status, office)
        self._end_streams: Callable[[], None] = app.state.end_streams
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=bounded(bounds),
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_context_factory=None if tls is None else lambda *_: tls,
            proxy_headers=bool(declared.proxies),
            forwarded_allow_ips=list(declared.proxies),
        )
        self._server = _QuietServer(config)
        self._socket = listening
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Of the console, `http://IP:port` or `https://…`; IPv6 in brackets."""
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._tls else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def renew(self, *, only_changed: bool) -> bool:
        """Do as Listener.renew() does. Raises OSError, ValueError."""
        has_changed = self._files.have_changed()
        if self._tls is None or (only_changed and not has_changed):
            return False
        # Tried elsewhere first: a certificate without its key would leave the context of use with neither.
        console_tls(self._declared)
        _load(self._tls, self._declared)
        return True

    def start(self) -> None:
        """Serve from now on. Who connects before the server has begun waits, and is not turned away."""
        self._socket.listen()
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="web")

    async def stop(self) -> None:
        """Finish the open requests, at most a second, and close."""
        self._end_streams()
        if self._task is not None:
            self._server.should_exit = True
            await self._task
        self._socket.close()


def console_tls(declared: Console | None) -> ssl.SSLContext | None:
    """Return what https needs; None where no certificate is declared. Raises OSError, ValueError."""
    if declared is None or declared.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, declared)
    return context


def _load(context: ssl.SSLContext, declared: Console) -> None:
    assert declared.certificate is not None
    context.load_cert_chain(declared.certificate, declared.private_key)


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
