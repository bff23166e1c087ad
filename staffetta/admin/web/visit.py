"""What a handler knows of a request: the console that answers it, who visits, in which language and theme."""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from staffetta.admin.office import NotAuthenticated, Office
from staffetta.admin.web.jobs import Jobs
from staffetta.admin.web.languages import Language
from staffetta.admin.web.streams import Streams
from staffetta.operations.registry import Output
from staffetta.operations.roles import Caller

_FLASHES_MAX = 1000
_ONCE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Flash:
    """What the next page says once. rows: what an operation gave, such as a password that is shown this once."""

    text: str
    warnings: tuple[str, ...] = ()
    rows: tuple[Output, ...] = ()
    is_error: bool = False


@dataclass
class Memory:
    """What is remembered between a form and the page after it, in memory alone; what is oldest is forgotten first.

    drafts: kept by drafts.py.
    """

    flashes: "OrderedDict[str, list[Flash]]" = field(default_factory=OrderedDict)
    answers: "OrderedDict[str, asyncio.Future[str | None]]" = field(default_factory=OrderedDict)
    drafts: "OrderedDict[str, Any]" = field(default_factory=OrderedDict)
    jobs: Jobs = field(default_factory=Jobs)
    streams: Streams = field(default_factory=Streams)

    def say(self, key: str, flash: Flash) -> None:
        """Keep what the next page of this visitor says."""
        self.flashes.setdefault(key, []).append(flash)
        while len(self.flashes) > _FLASHES_MAX:
            self.flashes.popitem(last=False)

    def told(self, key: str) -> list[Flash]:
        """Return it, and forget it."""
        return self.flashes.pop(key, [])

    def note(self, key: str) -> "asyncio.Future[str | None]":
        """Return the place of where a form leads to that must not be carried out twice; None: it came to nothing."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.answers[key] = answer
        while len(self.answers) > _ONCE_MAX:
            self.answers.popitem(last=False)
        return answer


@dataclass(frozen=True, slots=True)
class Console:
    """One per web server. pause: waits so many seconds."""

    office: Office
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Visit:
    """secret: of the cookie, before and after sign-in. caller: who signed in, narrowed to the organisation chosen.

    person: the same with all that he may see. organizations: the ones that he may choose. theme: auto, light or dark.
    """

    console: Console
    secret: str
    caller: Caller | None
    person: Caller | None
    language: Language
    theme: str
    organizations: tuple[str, ...] = ()

    @property
    def csrf(self) -> str:
        """What every form of this visitor must bring back; nobody else can know it."""
        return _derived(self.secret, "csrf")

    @property
    def key(self) -> str:
        """Stands for the visitor in memory."""
        return _derived(self.secret, "memory")


def visit_of(request: Request) -> Visit:
    """Return the visit of a request that went through the guard."""
    visit: Visit = request.state.visit
    return visit


def caller_of(request: Request) -> Caller:
    """Return who signed in. Raises NotAuthenticated."""
    caller = visit_of(request).caller
    if caller is None:
        raise NotAuthenticated
    return caller


def new_secret() -> str:
    """Make what a cookie holds before sign-in."""
    return secrets.token_urlsafe(32)


def is_same(one: str, other: str) -> bool:
    """Compare without telling by the time where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def queried(request: Request) -> Mapping[str, str]:
    """Return the query, the last value of each name."""
    return dict(request.query_params.multi_items())


def _derived(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()
