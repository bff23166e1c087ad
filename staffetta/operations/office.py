"""Where operations are carried out: the directory and the file's settings of now, for whoever calls."""

import time
from collections.abc import Callable

from staffetta.directory.store import Directory
from staffetta.directory.tokens import holder
from staffetta.operations.access import told
from staffetta.operations.first_administrator import FirstAdministrator, make_first_administrator
from staffetta.operations.registry import Context
from staffetta.operations.roles import Caller, Role
from staffetta.operations.signing_in import SigningIn
from staffetta.settings.model import Settings


class Office:
    """Calls block for milliseconds; an event loop makes them in a thread. signing_in: of people, at the console."""

    def __init__(
        self, directory: Directory, get_settings: Callable[[], Settings], now: Callable[[], float] = time.time
    ) -> None:
        """get_settings: the snapshot of now, of the file or merged. now: seconds since 1970."""
        self._directory = directory
        self._get_settings = get_settings
        self._now = now
        self.signing_in = SigningIn(directory, get_settings)

    def caller(self, text: str, address: str | None) -> Caller | None:
        """Return who holds the token of this text; None where it is unknown, expired or revoked.

        address: the client's. Raises Unavailable.
        """
        with told():
            token = holder(self._directory, text)
        if token is None:
            return None
        roles = frozenset(map(Role, token.roles))
        return Caller(token.name, roles, "api", organization=token.organization, address=address)

    def first_administrator(
        self, *, code: str, name: str, password: str | None, address: str | None
    ) -> FirstAdministrator:
        """Do as make_first_administrator does."""
        settings = self._get_settings()
        return make_first_administrator(
            self._directory, settings, code=code, name=name, password=password, address=address
        )

    def context(self, caller: Caller) -> Context:
        """Return what an operation of this caller works with. Raises Unavailable."""
        with told():
            return Context.of(self._get_settings().declared, self._directory, caller, self._now)
