"""What every way in over HTTP shares: who calls, what was sent, and the operation carried out in a thread.

Rule 1: who calls is known before a body is read.
Rule 2: an event loop never waits for the directory or the spool.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Protocol

import anyio.to_thread
from starlette.requests import Request

from staffetta.operations.first_administrator import FirstAdministrator
from staffetta.operations.registry import Context, Operation, Result, execute, silent
from staffetta.operations.roles import Caller
from staffetta.operations.signing_in import SigningIn

BODY_OCTETS_MAX = 1_048_576


class Office(Protocol):
    """Where operations are carried out. All may block for milliseconds, and are called in a thread."""

    def caller(self, text: str, address: str | None) -> Caller | None:
        """Return who holds the token of this text; None where it is unknown, expired or revoked.

        address: the client's. Raises Unavailable.
        """

    def first_administrator(
        self, *, code: str, name: str, password: str | None, address: str | None
    ) -> FirstAdministrator:
        """Use up the one-time code. Raises OperationError."""

    @property
    def signing_in(self) -> SigningIn:
        """The door of the console."""

    def context(self, caller: Caller) -> Context:
        """Return what an operation of this caller works with."""


class NotAuthenticated(Exception):
    """Nobody calls whom we know."""


class Unreadable(Exception):
    """The body is not what it must be. The text says why; `is_too_large`: and that it was not read to its end."""

    def __init__(self, text: str, *, is_too_large: bool = False) -> None:
        super().__init__(text)
        self.is_too_large = is_too_large


def is_private(request: Request) -> bool:
    """Whether nobody else can read what is sent: with TLS, or from this machine itself."""
    if request.url.scheme == "https":
        return True
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def who_calls(office: Office, request: Request) -> Caller:
    """Return the holder of the request's bearer token (RFC 6750 §2.1). Raises NotAuthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    address = request.client.host if request.client else None
    caller = None
    if scheme.lower() == "bearer" and token.strip():
        caller = await anyio.to_thread.run_sync(office.caller, token.strip(), address)
    if caller is None:
        raise NotAuthenticated
    return caller


async def carry_out(
    office: Office,
    caller: Caller,
    operation: Operation,
    parameters: Mapping[str, object],
    *,
    only_ask: bool = False,
    tell: Callable[[str], None] = silent,
) -> Result:
    """Execute an operation. tell: is told, from another thread, what is being done. Raises OperationError."""

    def work() -> Result:
        context = replace(office.context(caller), tell=tell)
        return execute(operation, context, parameters, only_ask=only_ask)

    return await anyio.to_thread.run_sync(work)


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body, an object of JSON; nothing at all is an empty one. Raises Unreadable."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_OCTETS_MAX:
            raise Unreadable(f"The body has more than {BODY_OCTETS_MAX} octets.", is_too_large=True)
    if not body:
        return {}
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair could be kept nowhere
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Unreadable('The body is not an object; write {"Name": …}.')
    return value


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number of JSON")
