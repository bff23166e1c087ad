"""A listener: an address where clients connect, and the connections that came of it."""

import asyncio
import math
import socket
from collections.abc import Callable
from pathlib import Path

from staffetta.net.certificate_files import CertificateFiles
from staffetta.net.proxy import plain_address
from staffetta.net.tls import ServerContext
from staffetta.reception.acceptor import Acceptor
from staffetta.reception.authentication import Authenticator
from staffetta.reception.connection import Connection
from staffetta.reception.crowd import Crowd
from staffetta.reception.desk import Desk
from staffetta.settings.model import Listener as Declared
from staffetta.settings.model import Settings
from staffetta.smtp import reply
from staffetta.spool.spool import Spool

_TICK_SECONDS = 0.25
_TICKS_PER_SWEEP = 4
_CLOSING_SECONDS = 1.0


class Listener:
    """One of the settings' listeners, running between start() and drain().

    declared: holds until a restart. get_settings: the snapshot of now. tls: instead of the declared certificate.
    authenticator, crowd: shared by all listeners; left out, of its own.
    Raises OSError or ValueError where the declared certificate or key cannot be read or used.
    """

    def __init__(
        self,
        declared: Declared,
        *,
        spool: Spool,
        get_settings: Callable[[], Settings],
        tls: ServerContext | None = None,
        authenticator: Authenticator | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self.name = declared.name
        self.declared = declared
        self._files = CertificateFiles(*_declared_files(declared))
        context = tls or _declared_context(declared)
        self.desk = Desk(declared, spool, get_settings, context, authenticator or Authenticator(), crowd or Crowd())
        self._acceptor: Acceptor | None = None
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port, once started; useful where 0 was declared."""
        assert self._acceptor is not None
        return self._acceptor.port

    @property
    def address(self) -> str:
        """`IP:port` as it is now; IPv6 in brackets."""
        return f"{self.declared.address.rpartition(':')[0]}:{self.port if self._acceptor else 0}"

    async def start(self, listening: socket.socket | None = None) -> None:
        """Take connections, from a bound socket where one is given. Raises OSError."""
        loop = asyncio.get_running_loop()
        host, _, port = self.declared.address.rpartition(":")
        listening = listening or socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        )
        self._acceptor = Acceptor(listening, loop, lambda: Connection(self.desk, loop), self._farewell)
        self._acceptor.start()
        self._tick(loop)

    def renew(self, *, only_changed: bool) -> bool:
        """Read the declared certificate and key again, for handshakes from now on, and return whether that was done.

        Files that cannot be used, such as a certificate whose key is not written yet, leave what was read before.
        only_changed: not where they are those read last. Raises OSError, ValueError.
        """
        has_changed = self._files.have_changed()
        if self.declared.certificate is None or (only_changed and not has_changed):
            return False
        self.desk.tls = _declared_context(self.declared)
        return True

    async def drain(self, grace_seconds: float) -> None:
        """Take nobody new, send idle clients away, let transactions end within the grace, then end the rest."""
        self.desk.is_draining = True
        if self._acceptor is not None:
            self._acceptor.close()
        for visitor in list(self.desk.visitors):
            visitor.leave_when_idle()
        await self.desk.wait_until_empty(grace_seconds)
        for visitor in list(self.desk.visitors):
            visitor.hang_up(reply.SHUTTING_DOWN, "closed")
        await self.desk.wait_until_empty(_CLOSING_SECONDS)
        self.close()

    def close(self) -> None:
        """Stop at once: clients that are still there lose their connection."""
        if self._acceptor is not None:
            self._acceptor.close()
        if self._ticking is not None:
            self._ticking.cancel()
        for visitor in list(self.desk.visitors):
            visitor.abort()

    def _farewell(self, peer: str) -> bytes | None:
        return self.desk.farewell(plain_address(peer), asyncio.get_running_loop().time())

    def _tick(self, loop: asyncio.AbstractEventLoop, ticks: int = 0, due_at: float = math.inf) -> None:
        """Look how late the event loop is, and at every fourth tick at deadlines."""
        now = loop.time()
        self.desk.crowd.note_lateness(now - due_at, now)
        if ticks % _TICKS_PER_SWEEP == 0:
            self.desk.sweep(now)
        self._ticking = loop.call_at(now + _TICK_SECONDS, self._tick, loop, ticks + 1, now + _TICK_SECONDS)


def _declared_files(declared: Declared) -> tuple[Path, ...]:
    """Certificate and key; the declared certificate may hold the key as well."""
    if declared.certificate is None:
        return ()
    return declared.certificate, declared.private_key or declared.certificate


def _declared_context(declared: Declared) -> ServerContext | None:
    files = _declared_files(declared)
    return ServerContext.load(*(path.read_bytes() for path in files)) if files else None
