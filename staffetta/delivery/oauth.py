"""Access tokens for next hops: got when they are needed, kept, and renewed before they end.

Rule 1: of each token source one request is under way at a time; who comes meanwhile waits for it, or, while the old
token is still good, takes that one.
Rule 2: renewal is due after three quarters of a token's life, give or take, so that relays do not ask in step; while it
fails, the old token is used until shortly before its end.
Rule 3: after a refusal the server is left alone for a while: a thousand messages make one request, not a thousand.
Rule 4: tokens and secrets stand in no log, trace or error.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
import structlog

from staffetta import metrics
from staffetta.mail.codes import explain
from staffetta.net import oauth
from staffetta.net.https import https_client
from staffetta.net.oauth import Grant, OAuthRefused, OAuthTrouble
from staffetta.settings.model import Settings
from staffetta.settings.roads import TokenSource
from staffetta.settings.secrets import SecretUnavailable, read_secret
from staffetta.settings.token_files import keep_refresh_token, read_refresh_token

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 20.0
RENEW_AFTER = (0.7, 0.8)  # of its life; drawn between the two
LAST_USE_SECONDS = 60.0  # before its end: a request must still arrive with it
BETWEEN_TRIALS_SECONDS = 30.0

_log = structlog.get_logger()


class TokenUnavailable(Exception):
    """There is no token now. The text says of which source, what happened, and what to do.

    code: "AADSTS7000215", "invalid_client" and the like; None where the server did not refuse.
    retry_after_seconds: until the server is asked again.
    """

    def __init__(self, text: str, code: str | None, retry_after_seconds: float) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after_seconds = retry_after_seconds


@dataclass(slots=True)
class _Kept:
    """A source's token. Times are seconds since 1970; token is empty while there is none."""

    source: TokenSource
    token: str = field(default="", repr=False)
    got_at: float = 0.0
    renew_at: float = 0.0
    usable_until: float = 0.0
    not_before: float = 0.0
    trouble: TokenUnavailable | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class AccessTokens:
    """See the head of this file. Belongs to the event loop that calls it.

    get_settings: the snapshot of now. now: seconds since 1970. draw: 0 to 1, for the spread of renewals.
    """

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        *,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._get_settings = get_settings
        self._now = now
        self._draw = draw
        self._kept: dict[str, _Kept] = {}
        self._http: httpx2.AsyncClient | None = None

    async def token(self, name: str) -> str:
        """Return an access token of the source of that name. Raises TokenUnavailable."""
        kept = self._kept_of(name)
        if self._is_fresh(kept) or (self._is_usable(kept) and kept.asking.locked()):
            return kept.token
        async with kept.asking:
            if not self._is_fresh(kept):
                await self._renew(kept)
        return kept.token

    def forget(self, name: str, token: str) -> None:
        """Use this token no more, since a server has refused it; another one is got when it is asked for."""
        kept = self._kept.get(name)
        if kept is not None and kept.token == token:
            kept.token = ""

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()

    def _kept_of(self, name: str) -> _Kept:
        source = next((known for known in self._get_settings().token_sources if known.name == name), None)
        if source is None:
            raise TokenUnavailable(f"the settings have no token source {name}", None, BETWEEN_TRIALS_SECONDS)
        kept = self._kept.get(name)
        if kept is None or kept.source != source:  # what was got for other settings is worth nothing
            kept = self._kept[name] = _Kept(source)
            metrics.TOKEN_AGE.labels(name).set_function(lambda: self._age(kept))
        return kept

    def _age(self, kept: _Kept) -> float:
        return self._now() - kept.got_at if kept.token else 0.0

    def _is_fresh(self, kept: _Kept) -> bool:
        return bool(kept.token) and self._now() < kept.renew_at

    def _is_usable(self, kept: _Kept) -> bool:
        return bool(kept.token) and self._now() < kept.usable_until

    async def _renew(self, kept: _Kept) -> None:
        """Get another token, or leave the old one where it is still good. Raises TokenUnavailable."""
        if self._now() >= kept.not_before:
            try:
                self._take(kept, await self._ask(kept.source))
            except (OAuthTrouble, SecretUnavailable, OSError, ValueError) as error:
                self._note(kept, error)
        if not self._is_usable(kept):
            assert kept.trouble is not None
            raise kept.trouble

    def _take(self, kept: _Kept, grant: Grant) -> None:
        now = self._now()
        low, high = RENEW_AFTER
        kept.token, kept.got_at, kept.trouble = grant.access_token, now, None
        # One that lives for less than a minute is used once, at once.
        kept.usable_until = now + max(grant.expires_in_seconds - LAST_USE_SECONDS, 1.0)
        kept.renew_at = min(now + grant.expires_in_seconds * (low + (high - low) * self._draw()), kept.usable_until)
        kept.not_before = 0.0
        metrics.TOKEN_REQUESTS.labels(kept.source.name, "got").inc()
        metrics.TOKEN_EXPIRY.labels(kept.source.name).set(now + grant.expires_in_seconds)

    def _note(self, kept: _Kept, error: Exception) -> None:
        asked = error.retry_after_seconds if isinstance(error, OAuthTrouble) else None
        wait = max(asked or 0.0, BETWEEN_TRIALS_SECONDS)
        code = error.code if isinstance(error, OAuthRefused) else None
        kept.not_before = self._now() + wait
        kept.trouble = TokenUnavailable(f"no token of {kept.source.name}: {_in_words(error)}", code, wait)
        metrics.TOKEN_REQUESTS.labels(kept.source.name, "failed").inc()
        _log.warning(
            "no token", source=kept.source.name, error=str(kept.trouble), is_old_one_good=self._is_usable(kept)
        )

    async def _ask(self, source: TokenSource) -> Grant:
        if self._http is None:
            self._http = https_client(connect_seconds=CONNECT_SECONDS, reply_seconds=REPLY_SECONDS)
        client = await asyncio.to_thread(oauth.client_of, source, read_secret)
        if source.refresh_token_file is None:
            return await oauth.client_credentials(self._http, client, self._now())
        path = source.refresh_token_file
        try:
            old = await asyncio.to_thread(read_refresh_token, path)
        except FileNotFoundError:
            raise SecretUnavailable(f"nobody has logged in; run: staffetta oauth login {source.name}") from None
        grant = await oauth.refresh(self._http, client, old, self._now())
        if grant.refresh_token is not None and grant.refresh_token != old:
            try:
                await asyncio.to_thread(keep_refresh_token, path, grant.refresh_token)
            except OSError as error:  # the access token is good; the old refresh token may be, next time
                _log.error("refresh token not kept", source=source.name, file=str(path), error=error.strerror)
        return grant


def _in_words(error: Exception) -> str:
    if isinstance(error, OAuthRefused):
        known = explain(f"{error.code} {error.error}: {error.description}")
        return f"{error}. {known.cause} {known.fix}" if known else str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    return str(error)
