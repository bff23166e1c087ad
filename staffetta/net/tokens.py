"""Access tokens: JSON Web Tokens of identity providers, verified by the keys that they publish (RFC 7519, RFC 7517).

Rule 1: only signatures by an issuer's own key pair count; secrets shared with us, and `none`, do not.
Rule 2: keys are read when they are needed and kept. An unknown key makes us read again, but seldom: whoever sends
tokens of made-up keys must not make us ask the issuer each time.
Rule 3: an issuer that cannot be reached keeps nobody out whose key we have, for a day.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, KeySet
from joserfc.jws import extract_compact

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
LEEWAY_SECONDS = 60  # of exp and nbf, for clocks that differ
FRESH_SECONDS = 3600.0
STALE_SECONDS = 86_400.0
BETWEEN_READINGS_SECONDS = 60.0
_READING_SECONDS = 5.0
_KEYS_OCTETS_MAX = 1_048_576
_HTTPS = "https://"
# What joserfc and json raise for headers and claims that are JSON, but of other types, or nested too deeply.
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError)


class TrustedIssuer(Protocol):
    """Whose tokens are taken; settings.objects.TokenIssuer is one."""

    @property
    def issuer(self) -> str: ...
    @property
    def audience(self) -> Sequence[str]: ...
    @property
    def keys(self) -> str: ...
    @property
    def user_claim(self) -> str: ...


class TokenRefused(Exception):
    """The token is not good; the text says why, for trace and log."""


class KeysUnavailable(Exception):
    """The issuer's keys cannot be had now."""


@dataclass(slots=True)
class _Kept:
    """Keys of one place. read_at, tried_at: seconds since 1970."""

    keys: KeySet | None = None
    read_at: float = 0.0
    tried_at: float = 0.0
    trouble: str = ""


class Tokens:
    """See the head of this file. Calls block while keys are read, so an event loop makes them in a thread."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._reading = threading.Lock()

    def user_of(self, token: str, issuers: Iterable[TrustedIssuer]) -> str:
        """Return the value of the issuer's user claim. Raises TokenRefused, KeysUnavailable."""
        named = _issuer_named_in(token)
        issuer = next((known for known in issuers if known.issuer == named), None)
        if issuer is None:
            raise TokenRefused(f"its issuer {named!r} is not among token_issuers")
        try:
            claims = jwt.decode(token, lambda obj: self._key(obj, issuer.keys), algorithms=list(ALGORITHMS)).claims
            self._claims(issuer).validate(claims)
        except _UNREADABLE as error:
            raise TokenRefused(str(error)) from None
        user = claims.get(issuer.user_claim)
        if not isinstance(user, str) or not user:
            raise TokenRefused(f"it has no claim {issuer.user_claim!r}, which should name the account")
        return user

    def _claims(self, issuer: TrustedIssuer) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._now()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer.issuer},
            aud={"essential": True, "values": list(issuer.audience)},
            exp={"essential": True},
        )

    def _key(self, obj: GuestProtocol, place: str) -> Any:
        """Return the key that a token names, or where it names none the only one."""
        kid = obj.headers().get("kid")
        with self._reading:
            kept = self._kept.setdefault(place, _Kept())
            found = None
            if kept.keys is not None and 0 <= self._now() - kept.read_at < FRESH_SECONDS:
                found = _find(kept.keys, kid)
            if found is None:
                self._read_again(kept, place)
                found = _find(kept.keys, kid) if kept.keys is not None else None
        if kept.keys is None:
            raise KeysUnavailable(f"{place}: {kept.trouble}")
        if found is None:
            raise TokenRefused(f"its key {kid!r} is not among those of {place}")
        return found

    def _read_again(self, kept: _Kept, place: str) -> None:
        now = self._now()
        if 0 <= now - kept.tried_at < BETWEEN_READINGS_SECONDS:  # below 0: the clock was set back
            return
        kept.tried_at = now
        try:
            kept.keys, kept.read_at, kept.trouble = read_keys(place), now, ""
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            kept.trouble = str(error) or type(error).__name__
            if now - kept.read_at > STALE_SECONDS:
                kept.keys = None


def read_keys(place: str) -> KeySet:
    """Read a JSON Web Key Set from an https address or a file. Blocks; raises OSError, or ValueError and the like."""
    octets = _read_from_web(place) if "://" in place else Path(place).read_bytes()
    return KeySet.import_key_set(json.loads(octets))


def _read_from_web(place: str) -> bytes:
    if not place.startswith(_HTTPS):
        raise ValueError("keys are read over https alone")
    with _opener.open(place, timeout=_READING_SECONDS) as response:
        octets: bytes = response.read(_KEYS_OCTETS_MAX)
    return octets


class _StayOnHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith(_HTTPS):
            raise ValueError(f"it leads to {newurl}, and keys are read over https alone")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_StayOnHttps)


def _issuer_named_in(token: str) -> object:
    """The `iss` of a token, on its own word: it says which keys to try."""
    try:
        claims = json.loads(extract_compact(token.encode("ascii")).payload)
        return claims.get("iss")
    except _UNREADABLE:
        raise TokenRefused("it is not a JSON Web Token") from None


def _find(keys: KeySet, kid: str | None) -> Any:
    every = list(keys)
    if kid is None:
        return every[0] if len(every) == 1 else None
    return next((key for key in every if key.kid == kid), None)
