"""Access tokens by hand: the login of a person by device code (RFC 8628), and a trial of a token source."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from staffetta.mail.codes import explain
from staffetta.net import oauth
from staffetta.net.https import https_client
from staffetta.net.oauth import DeviceCode, Grant, OAuthRefused, OAuthTrouble
from staffetta.operations.errors import BadValue, NotFound, OperationError, Unavailable
from staffetta.settings.model import Settings
from staffetta.settings.roads import TokenSource
from staffetta.settings.secrets import SecretUnavailable, read_secret
from staffetta.settings.token_files import keep_refresh_token, read_refresh_token

__all__ = ["DeviceCode", "TokenFacts", "check", "log_in"]

_CONNECT_SECONDS = 10.0
_REPLY_SECONDS = 20.0
_SLOWER_BY_SECONDS = 5.0  # RFC 8628 §3.5, on slow_down

Show = Callable[[DeviceCode], None]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What an access token says of itself. Nothing but the end is known of one that cannot be read.

    permissions: roles of an application or scopes of a person. user: who consented, None for an application.
    """

    source: str
    expires_in_seconds: float
    audience: str | None = None
    permissions: tuple[str, ...] = ()
    user: str | None = None


def log_in(settings: Settings, name: str, show: Show, *, sleep: Sleep = asyncio.sleep) -> Path:
    """Have a person consent on another screen, keep the refresh token, and return the file that holds it.

    show: tells the person which code to type where. Raises NotFound, BadValue, Unavailable, OperationError.
    """
    source = _source(settings, name)
    path = source.refresh_token_file
    if path is None:
        raise BadValue(
            f"The token source {name} has no refresh_token_file, where the consent would be kept. Write one; without "
            "it the application sends in its own name, and nobody has to log in."
        )
    grant = asyncio.run(_log_in(source, show, sleep))
    if grant.refresh_token is None:
        raise OperationError(
            f"{source.token_endpoint} gave no refresh token. Add offline_access to the scope of {name}."
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_refresh_token(path, grant.refresh_token)
    except OSError as error:
        raise OperationError(f"The consent cannot be kept in {path}: {error.strerror}.") from None
    return path


def check(settings: Settings, name: str) -> TokenFacts:
    """Get a token now, as the relay would, and return what it says. Raises as log_in()."""
    source = _source(settings, name)
    return _facts(source, asyncio.run(_ask(source)))


def _source(settings: Settings, name: str) -> TokenSource:
    found = next((source for source in settings.token_sources if source.name == name), None)
    if found is None:
        known = ", ".join(source.name for source in settings.token_sources) or "none is declared"
        raise NotFound(f"There is no token source {name}; known: {known}.")
    return found


async def _log_in(source: TokenSource, show: Show, sleep: Sleep) -> Grant:
    scope = source.scope if "offline_access" in source.scope.split() else f"{source.scope} offline_access"
    http = https_client(connect_seconds=_CONNECT_SECONDS, reply_seconds=_REPLY_SECONDS)
    try:
        async with aclosing(http):
            client = oauth.client_of(source.model_copy(update={"scope": scope}), read_secret)
            endpoint = source.device_endpoint or oauth.device_endpoint(source.token_endpoint)
            code = await oauth.begin_device_login(http, endpoint, client, time.time())
            show(code)
            interval = code.interval_seconds
            while True:
                await sleep(interval)
                try:
                    return await oauth.device_grant(http, client, code, time.time())
                except OAuthRefused as refused:
                    if refused.error not in ("authorization_pending", "slow_down"):
                        raise
                    interval += _SLOWER_BY_SECONDS if refused.error == "slow_down" else 0
    except (OAuthTrouble, SecretUnavailable, OSError, ValueError) as error:
        raise _told(error) from None


async def _ask(source: TokenSource) -> Grant:
    http = https_client(connect_seconds=_CONNECT_SECONDS, reply_seconds=_REPLY_SECONDS)
    try:
        async with aclosing(http):
            client = oauth.client_of(source, read_secret)
            path = source.refresh_token_file
            if path is None:
                return await oauth.client_credentials(http, client, time.time())
            if not path.exists():
                raise SecretUnavailable(f"nobody has logged in; run: staffetta oauth login {source.name}")
            grant = await oauth.refresh(http, client, read_refresh_token(path), time.time())
            if grant.refresh_token is not None:  # the old one may be worth nothing from now on
                keep_refresh_token(path, grant.refresh_token)
            return grant
    except (OAuthTrouble, SecretUnavailable, OSError, ValueError) as error:
        raise _told(error) from None


def _told(error: Exception) -> OperationError:
    if isinstance(error, OAuthRefused):
        known = explain(f"{error.code} {error.error}")
        return OperationError(f"{error}\n{known.cause} {known.fix}" if known else str(error))
    if isinstance(error, OAuthTrouble):
        return Unavailable(str(error))
    if isinstance(error, OSError):
        return OperationError(f"{error.filename or 'a file'}: {error.strerror or error}")
    return OperationError(str(error))


def _facts(source: TokenSource, grant: Grant) -> TokenFacts:
    """Read the token on its own word: it is ours, and who must judge it is the server that is sent it."""
    try:
        claims = json.loads(extract_compact(grant.access_token.encode("ascii")).payload)
    except (JoseError, ValueError):
        claims = {}
    claims = claims if isinstance(claims, dict) else {}
    roles = claims.get("roles")
    permissions: Sequence[object] = roles if isinstance(roles, list) else str(claims.get("scp") or "").split()
    audience, user = claims.get("aud"), claims.get("upn") or claims.get("preferred_username")
    return TokenFacts(
        source=source.name,
        expires_in_seconds=grant.expires_in_seconds,
        audience=audience if isinstance(audience, str) else None,
        permissions=tuple(map(str, permissions)),
        user=user if isinstance(user, str) else None,
    )
