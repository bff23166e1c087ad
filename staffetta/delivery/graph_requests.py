"""Requests to Microsoft Graph: the token, the answer with its error, and how much of a lost request may have arrived.

Rule 1: nothing is sent twice here but what was refused with 401, once, with another token.
Rule 2: where an answer is lost, it is known whether the whole request had been written: only then may Graph have acted.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from staffetta.delivery.oauth import AccessTokens
from staffetta.delivery.transcript import current_transcript
from staffetta.net.https import https_client, retry_after

_ANSWER_OCTETS_MAX = 1_048_576
_MESSAGE_LENGTH_MAX = 500
_WRITTEN = ".send_request_body.complete"


@dataclass(frozen=True, slots=True)
class Answer:
    """What Graph said. code, message: of its error, empty where it gave none. said: the JSON object of a good answer.

    request_id: by which Microsoft's support finds the request. address, tls: of the connection, as in an Outcome.
    """

    status: int
    code: str = ""
    message: str = ""
    request_id: str = ""
    retry_after_seconds: float | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None
    tls: str | None = None

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        words = f"{self.status} {self.code}" if self.code else str(self.status)
        message = f": {self.message}" if self.message else ""
        trailer = f" (request-id {self.request_id})" if self.request_id else ""
        return f"Graph answered {words}{message}{trailer}"


class NoAnswer(Exception):
    """Graph could not be asked, or its answer was lost. is_sent: whether all of the request was written before that."""

    def __init__(self, text: str, *, is_sent: bool) -> None:
        super().__init__(text)
        self.is_sent = is_sent


class GraphRequests:
    """See the head of this file. Belongs to the event loop that calls it."""

    def __init__(
        self, tokens: AccessTokens, connect_seconds: float, reply_seconds: float, now: Callable[[], float] = time.time
    ) -> None:
        self._tokens = tokens
        self._now = now
        self._seconds_max = connect_seconds + 2 * reply_seconds  # for a server that answers octet by octet
        self._http = https_client(connect_seconds=connect_seconds, reply_seconds=reply_seconds)

    async def ask(
        self, source: str, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask with an access token of that source. Raises TokenUnavailable before anything is sent, NoAnswer."""
        token = await self._tokens.token(source)
        answer = await self._once(method, url, body, {**(headers or {}), "Authorization": f"Bearer {token}"})
        if answer.status != 401:
            return answer
        self._tokens.forget(source, token)
        token = await self._tokens.token(source)
        return await self._once(method, url, body, {**(headers or {}), "Authorization": f"Bearer {token}"})

    async def have_token(self, source: str) -> None:
        """See that there is a token, so that what is asked next waits for nothing. Raises TokenUnavailable."""
        await self._tokens.token(source)

    async def put(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Put to an address that itself proves who we are, as those of upload sessions do. Raises NoAnswer."""
        return await self._once("PUT", url, body, headers)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _once(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        answer = await self._answered(method, url, body, headers)
        if (transcript := current_transcript.get()) is not None:  # the address of an upload session is a secret
            transcript.note(f"{method} {urlsplit(url)._replace(query='').geturl()}, {len(body)} octets: {answer}")
        return answer

    async def _answered(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        is_sent = False

        async def note(event: str, _info: object) -> None:
            nonlocal is_sent
            is_sent = is_sent or event.endswith(_WRITTEN)

        try:
            async with (
                asyncio.timeout(self._seconds_max),
                self._http.stream(
                    method, url, content=body, headers=dict(headers), extensions={"trace": note}
                ) as response,
            ):
                octets = bytearray()
                async for piece in response.aiter_bytes():
                    octets += piece
                    if len(octets) > _ANSWER_OCTETS_MAX:
                        break
                return self._read(response, bytes(octets))
        except httpx2.ConnectError as error:
            raise NoAnswer(f"cannot connect to {_host(url)}: {error}", is_sent=False) from None
        except httpx2.ConnectTimeout:
            raise NoAnswer(f"cannot connect to {_host(url)} in time", is_sent=False) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            what = "timed out" if isinstance(error, httpx2.TimeoutException | TimeoutError) else str(error)
            when = "after" if is_sent else "before"
            text = f"no answer of {_host(url)}: {what or type(error).__name__}, {when} the request was sent"
            raise NoAnswer(text, is_sent=is_sent) from None

    def _read(self, response: httpx2.Response, octets: bytes) -> Answer:
        try:
            said = json.loads(octets) if octets else {}
        except ValueError:
            said = {}
        said = said if isinstance(said, dict) else {}
        error = said.get("error")
        error = error if isinstance(error, dict) else {}
        address, tls = _connection(response)
        return Answer(
            status=response.status_code,
            code=str(error.get("code") or "")[:100],
            message=" ".join(str(error.get("message") or "").split())[:_MESSAGE_LENGTH_MAX],
            request_id=response.headers.get("request-id", "")[:100],
            retry_after_seconds=retry_after(response, self._now()),
            said=said,
            address=address,
            tls=tls,
        )


def _host(url: str) -> str:
    try:
        return httpx2.URL(url).host
    except httpx2.InvalidURL:
        return url


def _connection(response: httpx2.Response) -> tuple[str | None, str | None]:
    stream = response.extensions.get("network_stream")
    if stream is None:
        return None, None
    peer, tls = stream.get_extra_info("server_addr"), stream.get_extra_info("ssl_object")
    return peer[0] if peer else None, f"{tls.version()} {tls.cipher()[0]}" if tls else None
