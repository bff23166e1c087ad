"""A listener: an address where clients connect, and the connections that came of it."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from staffetta.net.tls import ServerContext
from staffetta.reception.authentication import Authenticator
from staffetta.reception.connection import Connection
from staffetta.reception.desk import Desk
from staffetta.settings.model import Listener as Declared
from staffetta.settings.model import Settings
from staffetta.smtp import reply
from staffetta.spool.spool import Spool

_BACKLOG = 4096  # connections that wait to be accepted; the kernel caps it (net.core.somaxconn)
_SWEEP_SECONDS = 1.0


class Listener:
    """One of the settings' listeners, running between start() and drain().

    declared: holds until a restart. get_settings: the snapshot of now. tls: instead of the declared certificate.
    authenticator: shared by all listeners; left out, one of its own.
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
    ) -> None:
        self.name = declared.name
        self.declared = declared
        context = tls or _declared_context(declared)
        self.desk = Desk(declared, spool, get_settings, context, authenticator or Authenticator())
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port, once started; useful where 0 was declared."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        """`IP:port` as it is now; IPv6 in brackets."""
        return f"{self.declared.address.rpartition(':')[0]}:{self.port if self._server else 0}"

    async def start(self, listening: socket.socket | None = None) -> None:
        """Take connections, from a bound socket where one is given. Raises OSError."""
        loop = asyncio.get_running_loop()
        host, _, port = self.declared.address.rpartition(":")
        listening = listening or socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        )
        listening.setblocking(False)
        self._server = await loop.create_server(lambda: Connection(self.desk, loop), sock=listening, backlog=_BACKLOG)
        self._sweep(loop)

    async def drain(self, grace_seconds: float) -> None:
        """Take nobody new, send idle clients away, let transactions end within the grace, then end the rest."""
        self.desk.is_draining = True
        if self._server is not None:
            self._server.close()
        for visitor in list(self.desk.visitors):
            visitor.leave_when_idle()
        await self.desk.wait_until_empty(grace_seconds)
        for visitor in list(self.desk.visitors):
            visitor.hang_up(reply.SHUTTING_DOWN, "closed")
        await self.desk.wait_until_empty(_SWEEP_SECONDS)
        self.close()

    def close(self) -> None:
        """Stop at once: clients that are still there lose their connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for visitor in list(self.desk.visitors):
            visitor.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.desk.sweep(loop.time())
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


def _declared_context(declared: Declared) -> ServerContext | None:
    """The declared certificate may hold the key as well."""
    if declared.certificate is None:
        return None
    key: Path = declared.private_key or declared.certificate
    return ServerContext.load(declared.certificate.read_bytes(), key.read_bytes())
