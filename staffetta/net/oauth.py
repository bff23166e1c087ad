"""Getting access tokens from an authorisation server: what is asked, and what its answers say (RFC 6749).

Grants: client credentials (§4.4), by secret or by an assertion that a certificate's key signs (RFC 7523); refresh token
(§6); device code (RFC 8628), by which a person consents on another screen.

Rule 1: no secret and no token stands in an error's text.
Rule 2: nothing is kept here and no clock is read; delivery/oauth.py does both.
"""

import base64
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from staffetta.net.https import retry_after

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_ASSERTION_SECONDS = 600
_LIFETIME_SECONDS = 3600  # where the server does not say: the usual one
_DESCRIPTION_LENGTH_MAX = 600
_ENTRA_CODE = re.compile(r"AADSTS\d+")


class Source(Protocol):
    """Whose tokens are asked for; settings.roads.TokenSource is one."""

    @property
    def token_endpoint(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> str | None: ...
    @property
    def client_certificate(self) -> Path | None: ...
    @property
    def scope(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, and for what. At most one of secret and certificate_pem (certificate and key) is given."""

    token_endpoint: str
    client_id: str
    scope: str
    secret: str | None = field(default=None, repr=False)
    certificate_pem: bytes | None = field(default=None, repr=False)


def client_of(source: Source, read_secret: Callable[[str], str]) -> Client:
    """Return who asks, with its secret read by its reference. Blocks; raises OSError, and what read_secret does."""
    return Client(
        token_endpoint=source.token_endpoint,
        client_id=source.client_id,
        scope=source.scope,
        secret=read_secret(source.client_secret) if source.client_secret is not None else None,
        certificate_pem=source.client_certificate.read_bytes() if source.client_certificate is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """What the server gave. refresh_token: None where it gave none, or the one that it was asked with stays."""

    access_token: str = field(repr=False)
    expires_in_seconds: float
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person types where. interval_seconds: how often the server may be asked whether it was done."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    expires_in_seconds: float
    interval_seconds: float


class OAuthTrouble(Exception):
    """The server cannot be reached, or what it says makes no sense.

    retry_after_seconds: what it asked for, None where it did not.
    """

    retry_after_seconds: float | None = None


class OAuthRefused(OAuthTrouble):
    """The server says no.

    error: of RFC 6749 §5.2 or RFC 8628 §3.5, such as "invalid_client". code: Entra's, such as "AADSTS7000215", or
    error where there is none. description: its words, on one line.
    """

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        found = _ENTRA_CODE.search(description)
        self.code = found[0] if found else error
        super().__init__(f"{error}: {description}" if description else error)


async def client_credentials(http: httpx2.AsyncClient, client: Client, now: float) -> Grant:
    """Ask in the application's own name. now: seconds since 1970. Raises OAuthTrouble, ValueError of a bad key."""
    form = {"grant_type": "client_credentials", "scope": client.scope}
    return _grant(await _ask(http, client.token_endpoint, form | _proof(client, now), now))


async def refresh(http: httpx2.AsyncClient, client: Client, refresh_token: str, now: float) -> Grant:
    """Ask in the name of who consented. Raises as client_credentials()."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": client.scope}
    return _grant(await _ask(http, client.token_endpoint, form | _proof(client, now), now))


async def begin_device_login(http: httpx2.AsyncClient, endpoint: str, client: Client, now: float) -> DeviceCode:
    """Begin a login by device code. endpoint: see device_endpoint(). Raises OAuthTrouble."""
    answer = await _ask(http, endpoint, {"client_id": client.client_id, "scope": client.scope}, now)
    try:
        return DeviceCode(
            device_code=str(answer["device_code"]),
            user_code=str(answer["user_code"]),
            verification_uri=str(answer.get("verification_uri") or answer["verification_url"]),  # Google's spelling
            expires_in_seconds=float(answer["expires_in"]),
            interval_seconds=float(answer.get("interval", 5)),
        )
    except (KeyError, TypeError, ValueError):
        raise OAuthTrouble("the server's answer to a device login lacks what RFC 8628 §3.2 asks for") from None


async def device_grant(http: httpx2.AsyncClient, client: Client, code: DeviceCode, now: float) -> Grant:
    """Ask whether the person has consented.

    Raises OAuthRefused("authorization_pending") or ("slow_down") until then, and otherwise as client_credentials().
    """
    form = {"grant_type": _DEVICE_GRANT, "device_code": code.device_code}
    return _grant(await _ask(http, client.token_endpoint, form | _proof(client, now), now))


def device_endpoint(token_endpoint: str) -> str:
    """Return where a device login begins with Entra and Google, which both derive from the token's."""
    if token_endpoint == "https://oauth2.googleapis.com/token":
        return "https://oauth2.googleapis.com/device/code"
    return token_endpoint.removesuffix("/token") + "/devicecode"


def _proof(client: Client, now: float) -> dict[str, str]:
    """Who we are: by secret, by assertion, or, for a public client, by its id alone."""
    proof = {"client_id": client.client_id}
    if client.secret is not None:
        proof["client_secret"] = client.secret
    elif client.certificate_pem is not None:
        proof["client_assertion_type"] = _ASSERTION_TYPE
        proof["client_assertion"] = make_assertion(client, client.certificate_pem, now)
    return proof


def make_assertion(client: Client, certificate_pem: bytes, now: float) -> str:
    """Sign who we are (RFC 7523 §3), in the form that Entra asks for: PS256, and the certificate's SHA-256 as x5t#S256.

    Raises ValueError where the file does not hold a certificate and its key.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    private = serialization.load_pem_private_key(certificate_pem, password=None)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    is_elliptic = hasattr(private, "curve")
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    header = {"alg": "ES256" if is_elliptic else "PS256", "typ": "JWT", "x5t#S256": thumbprint}
    claims = {
        "aud": client.token_endpoint,
        "iss": client.client_id,
        "sub": client.client_id,
        "jti": str(uuid.uuid4()),
        "iat": int(now),
        "nbf": int(now) - 60,  # the server's clock may be behind
        "exp": int(now) + _ASSERTION_SECONDS,
    }
    key = ECKey.import_key(pem) if is_elliptic else RSAKey.import_key(pem)
    return jwt.encode(header, claims, key, algorithms=["ES256", "PS256"])


async def _ask(http: httpx2.AsyncClient, endpoint: str, form: Mapping[str, str], now: float) -> dict[str, Any]:
    """Post a form, and return the JSON object of a good answer."""
    try:
        answer = await http.post(endpoint, data=dict(form), headers={"Accept": "application/json"})
    except httpx2.HTTPError as error:
        raise OAuthTrouble(f"{endpoint} cannot be reached: {error or type(error).__name__}") from None
    try:
        said = answer.json()
    except ValueError:
        said = None
    if answer.is_success and isinstance(said, dict):
        return said
    trouble = _refusal(said) or OAuthTrouble(f"{endpoint} answered {answer.status_code} {answer.reason_phrase}")
    trouble.retry_after_seconds = retry_after(answer, now)
    raise trouble


def _refusal(said: object) -> OAuthRefused | None:
    if not isinstance(said, dict) or not isinstance(said.get("error"), str):
        return None
    described = said.get("error_description")
    words = " ".join(described.split()) if isinstance(described, str) else ""
    return OAuthRefused(said["error"][:100], words[:_DESCRIPTION_LENGTH_MAX])


def _grant(said: dict[str, Any]) -> Grant:
    token, given = said.get("access_token"), said.get("refresh_token")
    try:
        lifetime = float(said.get("expires_in", _LIFETIME_SECONDS))
    except (TypeError, ValueError):
        lifetime = _LIFETIME_SECONDS
    if not isinstance(token, str) or not token:
        raise OAuthTrouble("the server's answer holds no access token")
    return Grant(token, lifetime, given if isinstance(given, str) else None)
