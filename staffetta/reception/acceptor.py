"""Takes connections off a listening socket, a few per turn of the event loop, so that a flood of them starves nobody.

Who is turned away at the door costs a system call or three and no memory: no transport, no session.
"""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable

import structlog

_PER_TURN = 512
_TURN_SECONDS = 0.01  # whichever comes first; deliveries and sessions under way come in between
_BACKLOG = 4096  # connections that wait to be accepted; the kernel caps it (net.core.somaxconn)
_REST_SECONDS = 0.5  # when there are no descriptors: sessions end, and a busy loop would hinder that
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = structlog.get_logger()


class Acceptor:
    """See the head of this file.

    turn_away: given the peer's IP address, returns what to say before closing, or None to let it in.
    """

    def __init__(
        self,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        make_protocol: Callable[[], asyncio.Protocol],
        turn_away: Callable[[str], bytes | None],
    ) -> None:
        self._listening = listening
        self._loop = loop
        self._make_protocol = make_protocol
        self._turn_away = turn_away
        self._entering: set[asyncio.Task[object]] = set()
        self._resting: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def start(self) -> None:
        """Listen. Raises OSError."""
        self._listening.setblocking(False)
        self._listening.listen(_BACKLOG)
        self._loop.add_reader(self._listening, self._on_ready)

    def close(self) -> None:
        """Take nobody any more; may be called twice."""
        if self._resting is not None:
            self._resting.cancel()
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
            self._listening.close()

    def _on_ready(self) -> None:
        until = time.monotonic() + _TURN_SECONDS
        for _ in range(_PER_TURN):
            if time.monotonic() > until:
                return
            try:
                connected, peer = self._listening.accept()
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._rest(error)
                return  # nobody waits, or the one that did has gone
            self._let_in(connected, peer[0])

    def _let_in(self, connected: socket.socket, peer: str) -> None:
        connected.setblocking(False)
        farewell = self._turn_away(peer)
        if farewell is not None:
            with contextlib.suppress(OSError):  # it may have gone, which is what it is asked to do
                connected.send(farewell)
            connected.close()
            return
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._make_protocol, connected))
        self._entering.add(task)
        task.add_done_callback(self._entered)

    def _entered(self, task: "asyncio.Task[object]") -> None:
        self._entering.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.info("connection broken", reason=str(error))

    def _rest(self, error: OSError) -> None:
        _log.warning("cannot accept connections for a moment", error=error.strerror)
        self._loop.remove_reader(self._listening)
        self._resting = self._loop.call_later(_REST_SECONDS, self._loop.add_reader, self._listening, self._on_ready)
