"""A web side to call: a real server on a loopback port, an office on disk, and a client of the standard library."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from staffetta.admin.connections import Bounds
from staffetta.admin.http import WebServer, console_tls
from staffetta.operations.office import Office as RealOffice
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Console
from tests.unit.operations.office import Office

CALLERS = {
    "all": Caller("ada", frozenset(Role), "api"),
    "view": Caller("vic", frozenset({Role.VIEW_ONLY}), "api"),
    "fabrikam": Caller("fay", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="fabrikam"),
}


class FakeStatus:
    def __init__(self, *obstacles: str) -> None:
        self._obstacles = obstacles
        self.refreshed = 0

    def obstacles(self) -> Sequence[str]:
        return self._obstacles

    async def refresh_metrics(self) -> None:
        self.refreshed += 1

    def exposed(self) -> Collector:
        return REGISTRY


class OfficeWithTokens(RealOffice):
    """An office where a token is the name of a caller."""

    def caller(self, text: str, address: str | None) -> Caller | None:
        return CALLERS.get(text)


def office_with_tokens(office: Office) -> OfficeWithTokens:
    return OfficeWithTokens(office.directory, lambda: office.settings, lambda: office.now())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Web:
    """Calls by HTTP, one connection each."""

    address: str
    office: Office
    status: FakeStatus
    servers: list[WebServer]

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = "all",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        octets = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, octets, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read().decode())
        finally:
            connection.close()


@contextmanager
def serving(
    folder: Path, *obstacles: str, declared: Console | None = None, bounds: Bounds | None = None
) -> Iterator[Web]:
    """A web side that lives for the block, on an event loop in a thread of its own. declared: with its certificate."""
    declared = declared or Console()
    status = FakeStatus(*obstacles)
    stop = threading.Event()
    with Office(folder) as office:
        listening = socket.create_server(("127.0.0.1", 0))
        host, port = listening.getsockname()[:2]

        async def live() -> None:
            tls = console_tls(declared)
            server = WebServer(status, office_with_tokens(office), listening, declared, tls, bounds or Bounds())
            servers.append(server)
            server.start()
            try:
                await asyncio.to_thread(stop.wait)
            finally:
                await server.stop()

        servers: list[WebServer] = []
        thread = threading.Thread(target=asyncio.run, args=(live(),))
        thread.start()
        try:
            yield Web(f"{host}:{port}", office, status, servers)
        finally:
            stop.set()
            thread.join()
