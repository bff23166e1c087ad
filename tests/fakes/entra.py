"""An authorisation server in the manner of Entra ID: its grants, its rotation of refresh tokens, its error bodies.

Shapes of requests and errors are those of Microsoft's documents; the numbers and first sentences of the errors too.
Tokens are JSON Web Tokens by a key of its own, which Graph and the SMTP front door verify.
"""

import base64
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.fakes.web import Answer, Fault, Request, Web

TENANT = "5e0c4b4e-3b1f-4f0a-9b06-2f1d6d3a7a10"
GRAPH = "https://graph.microsoft.com"
OUTLOOK = "https://outlook.office365.com"

# Entra's numbers: HTTP status, error of OAuth, first sentence. {} is the application's id.
ERRORS: Mapping[int, tuple[int, str, str]] = {
    7000215: (
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure that it is the secret's value, not its ID, added to app '{}'.",
    ),
    7000222: (401, "invalid_client", "The provided client secret keys for app '{}' are expired."),
    700027: (
        401,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    ),
    700024: (401, "invalid_client", "Client assertion is not within its valid time range."),
    50027: (401, "invalid_client", "JWT token is invalid or malformed."),
    700016: (400, "unauthorized_client", "Application with identifier '{}' was not found in the directory."),
    90002: (400, "invalid_request", "Tenant not found. Check to make sure you have the correct tenant ID."),
    1002012: (400, "invalid_scope", "The provided value for scope is not valid for client credential flows."),
    65001: (
        400,
        "invalid_grant",
        "The user or administrator has not consented to use the application with ID '{}'. Send an interactive request.",
    ),
    70000: (400, "invalid_grant", "Provided grant is invalid or malformed."),
    700082: (400, "invalid_grant", "The refresh token has expired due to inactivity."),
    50076: (
        400,
        "interaction_required",
        "Due to a configuration change made by your administrator, you must use multi-factor authentication.",
    ),
    50173: (
        400,
        "invalid_grant",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
    ),
    7000218: (
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    70016: (400, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: (400, "bad_verification_code", "Invalid verification code due to user typing in wrong user code."),
    70020: (400, "expired_token", "The provided value for the input parameter 'device_code' is not valid."),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
}


@dataclass
class Application:
    """An app registration. roles: application permissions that were consented to, for each resource."""

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secrets: set[str] = field(default_factory=set)
    certificates: list[x509.Certificate] = field(default_factory=list)
    roles: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {GRAPH: ("Mail.Send", "Mail.ReadWrite"), OUTLOOK: ("SMTP.SendAsApp",)}
    )
    is_public: bool = False


@cache
def _signing_key() -> RSAKey:
    """One for all endpoints of a process, since making it takes long."""
    return RSAKey.generate_key(2048, {"kid": "fake-entra"})


@dataclass
class _Device:
    client_id: str
    user_code: str
    scope: str
    user: str | None = None


@dataclass
class _Refresh:
    client_id: str
    user: str


@dataclass
class TokenEndpoint:
    """See the head of this file.

    lifetime_seconds: of access tokens. next: what is answered instead, one for each request, oldest first: a number of
    ERRORS, an Answer, or a Fault. asked: grant types of the requests, in order.
    """

    applications: list[Application] = field(default_factory=list)
    lifetime_seconds: float = 3599
    now: Callable[[], float] = time.time
    rotates: bool = True
    next: list[int | Answer | Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.web = Web(self._answer)
        self.key = _signing_key()
        self._devices: dict[str, _Device] = {}
        self._refresh: dict[str, _Refresh] = {}
        self._seen: set[str] = set()

    @property
    def url(self) -> str:
        return f"{self.web.url}/{TENANT}/oauth2/v2.0/token"

    @property
    def issuer(self) -> str:
        return f"{self.web.url}/{TENANT}/v2.0"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["TokenEndpoint"]:
        async with self.web.listening():
            yield self

    # For whoever plays the person and the administrator.

    def consent(self, user_code: str, user: str) -> None:
        """The person has typed the code and signed in."""
        device = next(device for device in self._devices.values() if device.user_code == user_code)
        device.user = user

    def give_refresh_token(self, application: Application, user: str) -> str:
        token = f"0.{secrets.token_urlsafe(32)}"
        self._refresh[token] = _Refresh(application.client_id, user)
        return token

    def revoke(self) -> None:
        """All refresh tokens are worth nothing any more, as after a change of the password."""
        self._refresh.clear()

    # For the servers that are sent tokens.

    def claims(self, token: str, resource: str) -> Mapping[str, Any] | None:
        """Return a token's claims where it is ours, for this resource, and has not ended; else None."""
        try:
            claims = jwt.decode(token, self.key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            return None
        is_good = claims["aud"] == resource and claims["exp"] > self.now()
        return claims if is_good else None

    def make_token(self, client_id: str, resource: str, **claims: Any) -> str:
        now = int(self.now())
        standard = {
            "aud": resource,
            "iss": self.issuer,
            "iat": now,
            "nbf": now,
            "exp": int(now + self.lifetime_seconds),
            "appid": client_id,
            "tid": TENANT,
            "uti": secrets.token_urlsafe(8),
        }
        return jwt.encode({"alg": "RS256", "kid": "fake-entra"}, standard | claims, self.key, algorithms=["RS256"])

    # Inside.

    async def _answer(self, request: Request) -> Answer | Fault:
        if request.path == f"/{TENANT}/discovery/v2.0/keys":
            return Answer.of_json(200, {"keys": [self.key.as_dict(private=False)]})
        form = request.form
        self.asked.append(form.get("grant_type", "device code"))
        if self.next:
            instead = self.next.pop(0)
            return self._error(instead, form.get("client_id", "")) if isinstance(instead, int) else instead
        if request.method != "POST" or not request.path.startswith(f"/{TENANT}/oauth2/v2.0/"):
            return self._error(90002, "")
        application = next((known for known in self.applications if known.client_id == form.get("client_id")), None)
        if application is None:
            return self._error(700016, form.get("client_id", ""))
        if request.path.endswith("/devicecode"):
            return self._begin_device(application, form)
        refused = self._prove(application, form)
        if refused:
            return self._error(refused, application.client_id)
        match form.get("grant_type"):
            case "client_credentials":
                return self._client_credentials(application, form)
            case "refresh_token":
                return self._use_refresh_token(application, form)
            case "urn:ietf:params:oauth:grant-type:device_code":
                return self._end_device(application, form)
        return self._error(70000, application.client_id)

    def _prove(self, application: Application, form: Mapping[str, str]) -> int | None:
        """Return the number of what is wrong with the proof of who asks."""
        if "client_assertion" in form:
            return self._check_assertion(application, form["client_assertion"])
        if "client_secret" in form:
            return None if form["client_secret"] in application.secrets else 7000215
        return None if application.is_public and form.get("grant_type") != "client_credentials" else 7000218

    def _check_assertion(self, application: Application, assertion: str) -> int | None:
        def key_of(obj: Any) -> RSAKey:
            headers = obj.headers()
            for certificate in application.certificates:
                digest = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
                if headers.get("x5t#S256") == digest:
                    pem = certificate.public_key().public_bytes(
                        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                    )
                    return RSAKey.import_key(pem)
            raise KeyError("no such certificate")

        try:
            claims = jwt.decode(assertion, key_of, algorithms=["PS256", "RS256"]).claims
        except KeyError:
            return 700027
        except (JoseError, ValueError):
            return 50027
        if not claims["nbf"] <= self.now() <= claims["exp"]:
            return 700024
        is_ours = claims["aud"] == self.url and claims["iss"] == claims["sub"] == application.client_id
        if not is_ours or claims["jti"] in self._seen:
            return 50027
        self._seen.add(claims["jti"])
        return None

    def _client_credentials(self, application: Application, form: Mapping[str, str]) -> Answer:
        resource, slash, default = form.get("scope", "").rpartition("/")
        if not slash or default != ".default":
            return self._error(1002012, application.client_id)
        roles = list(application.roles.get(resource, ()))
        token = self.make_token(application.client_id, resource, roles=roles, idtyp="app")
        return self._token_answer(token)

    def _use_refresh_token(self, application: Application, form: Mapping[str, str]) -> Answer:
        old = form.get("refresh_token", "")
        known = self._refresh.get(old)
        if known is None or known.client_id != application.client_id:
            return self._error(70000, application.client_id)
        if self.rotates:
            del self._refresh[old]
        return self._delegated(application, known.user, form.get("scope", ""), is_new=self.rotates)

    def _begin_device(self, application: Application, form: Mapping[str, str]) -> Answer:
        device_code, user_code = secrets.token_urlsafe(24), secrets.token_hex(4).upper()
        self._devices[device_code] = _Device(application.client_id, user_code, form.get("scope", ""))
        uri = "https://microsoft.com/devicelogin"
        message = (
            f"To sign in, use a web browser to open the page {uri} and enter the code {user_code} to authenticate."
        )
        return Answer.of_json(
            200,
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": uri,
                "expires_in": 900,
                "interval": 5,
                "message": message,
            },
        )

    def _end_device(self, application: Application, form: Mapping[str, str]) -> Answer:
        device = self._devices.get(form.get("device_code", ""))
        if device is None or device.client_id != application.client_id:
            return self._error(70020, application.client_id)
        if device.user is None:
            return self._error(70016, application.client_id)
        del self._devices[form["device_code"]]
        return self._delegated(application, device.user, device.scope, is_new="offline_access" in device.scope)

    def _delegated(self, application: Application, user: str, scope: str, *, is_new: bool) -> Answer:
        wanted = [word for word in scope.split() if "://" in word]
        resource, _, permission = (wanted[0] if wanted else f"{OUTLOOK}/SMTP.Send").rpartition("/")
        resource = OUTLOOK if "outlook.office" in resource else resource
        token = self.make_token(application.client_id, resource, scp=permission, upn=user)
        return self._token_answer(token, self.give_refresh_token(application, user) if is_new else None)

    def _token_answer(self, token: str, refresh_token: str | None = None) -> Answer:
        said: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": int(self.lifetime_seconds),
            "ext_expires_in": int(self.lifetime_seconds),
            "access_token": token,
        }
        if refresh_token:
            said["refresh_token"] = refresh_token
        return Answer.of_json(200, said, Cache_Control="no-store, no-cache")

    def _error(self, number: int, client_id: str) -> Answer:
        status, error, sentence = ERRORS[number]
        trace_id, correlation_id = str(uuid.uuid4()), str(uuid.uuid4())
        timestamp = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        description = (
            f"AADSTS{number}: {sentence.format(client_id)} Trace ID: {trace_id} Correlation ID: {correlation_id} "
            f"Timestamp: {timestamp}"
        )
        body = {
            "error": error,
            "error_description": description,
            "error_codes": [number],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"{self.web.url}/error?code={number}",
        }
        return Answer.of_json(status, body)
