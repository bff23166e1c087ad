"""The cookies: the secret of a sign-in or of a visitor before it, and what he chose of language, theme, organisation.

Rule: the secret is for this host alone, for no script, and with TLS under a name that browsers let no other host set.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

_SECRET = "staffetta"
LANGUAGE, THEME, ORGANIZATION = "staffetta-language", "staffetta-theme", "staffetta-organization"
_YEAR_SECONDS = 365 * 86_400
_SECRET_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a visitor chose; empty where he did not."""

    language: str
    theme: str
    organization: str


def is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS with us."""
    return request.url.scheme == "https"


def secret_in(request: Request) -> str:
    """Return the secret; empty where there is none."""
    return request.cookies.get(_name(request), "")[:_SECRET_LENGTH_MAX]


def keep_secret(request: Request, response: Response, secret: str) -> None:
    """Give the browser a secret, which it forgets when it is closed."""
    response.set_cookie(_name(request), secret, path="/", secure=is_secure(request), httponly=True, samesite="lax")


def forget_secret(request: Request, response: Response) -> None:
    """Take it back."""
    response.delete_cookie(_name(request), path="/", secure=is_secure(request), httponly=True, samesite="lax")


def chosen_in(request: Request) -> Chosen:
    """Return what the visitor chose."""
    return Chosen(*(unquote(request.cookies.get(name, "")[:600]) for name in (LANGUAGE, THEME, ORGANIZATION)))


def keep_choice(request: Request, response: Response, name: str, value: str) -> None:
    """Remember a choice for a year."""
    response.set_cookie(
        name, quote(value), max_age=_YEAR_SECONDS, path="/", secure=is_secure(request), httponly=True, samesite="lax"
    )


def _name(request: Request) -> str:
    return f"__Host-{_SECRET}" if is_secure(request) else _SECRET
