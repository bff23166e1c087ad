"""A web server on a real socket that can misbehave: HTTP/1.1 by h11, TLS where it is given a context.

A handler takes a Request and returns an Answer, or a Fault instead of one. Every request is kept.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11


class Fault(Enum):
    """Instead of an answer, after the whole request was read."""

    SILENCE = "silence"
    CLOSE = "close"
    RESET = "reset"


@dataclass
class Request:
    """path: without the query. headers: names in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, status: int, value: Any, **headers: str) -> "Answer":
        """headers: with underscores for hyphens."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


Handler = Callable[[Request], Awaitable[Answer | Fault]]


@dataclass
class Web:
    """See the head of this file. tls: a server's context, None for clear HTTP on loopback."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{'localhost' if self.tls else self.host}:{self.port}"

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Web"]:
        server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            while await self._one(http, reader, writer):
                http.start_next_cycle()
        writer.close()

    async def _one(self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False: the connection is over."""
        head = await _event(http, reader)
        if not isinstance(head, h11.Request):
            return False
        body = bytearray()
        while not isinstance(event := await _event(http, reader), h11.EndOfMessage):
            if isinstance(event, h11.ConnectionClosed):
                return False
            body += event.data
        request = _request(head, bytes(body))
        self.requests.append(request)
        answer = await self.handler(request)
        if answer is Fault.SILENCE:
            await reader.read()
            return False
        if answer is Fault.RESET:
            writer.transport.abort()
            return False
        if answer is Fault.CLOSE:
            return False
        assert isinstance(answer, Answer)
        headers = [("Content-Length", str(len(answer.body))), *answer.headers.items()]
        writer.write(http.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        writer.write((http.send(h11.Data(data=answer.body)) or b"") + (http.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return http.our_state is h11.DONE and http.their_state is h11.DONE


async def _event(http: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(65536))
    return event


def _request(head: h11.Request, body: bytes) -> Request:
    url = urlsplit(head.target.decode())
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Request(head.method.decode(), url.path, parse_qs(url.query), headers, body)
