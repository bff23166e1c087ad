"""What is said to the supervisor that started us (systemd's sd_notify), and the sockets that it hands down.

Rule: without a supervisor all of this does nothing, so that nobody asks whether there is one.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress

_FIRST_DESCRIPTOR = 3
_MICROSECONDS = 1_000_000


class Supervisor:
    """The one that the environment names; see sd_notify(3) for the words. watchdog_seconds: 0 where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(environment.get("WATCHDOG_USEC", "0")) / _MICROSECONDS if is_for_us else 0.0

    def ready(self, status: str) -> None:
        """We run. status: a few words for people."""
        self._tell(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    @contextmanager
    def reloading(self, status: str) -> Iterator[None]:
        """While the settings are read again. status: for afterwards."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self.ready(status)

    def stopping(self) -> None:
        """We finish what is under way."""
        self._tell("STOPPING=1\nSTATUS=Draining")

    def watch(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Tell twice in each of the watchdog's intervals that the event loop turns; return how to end that."""
        handles: list[asyncio.TimerHandle] = []

        def tell() -> None:
            self._tell("WATCHDOG=1")
            handles[:] = [loop.call_later(self.watchdog_seconds / 2, tell)]

        if self.watchdog_seconds:
            tell()

        def end() -> None:
            for handle in handles:
                handle.cancel()

        return end

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.sendto(words.encode(), self._address)


class HandedDown:
    """Listening sockets that the supervisor has bound for us, by address; see sd_listen_fds(3)."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._sockets: dict[tuple[int, str, int], socket.socket] = {}
        is_for_us = environment.get("LISTEN_PID") == str(os.getpid())
        count = int(environment.get("LISTEN_FDS", "0")) if is_for_us else 0
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES") if count else ():
            environment.pop(name, None)  # they are ours, and no child's
        for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count):
            os.set_inheritable(descriptor, False)
            handed = socket.socket(fileno=descriptor)
            if handed.family in (socket.AF_INET, socket.AF_INET6):
                host, port = handed.getsockname()[:2]
                self._sockets[handed.family, host, port] = handed
            else:
                handed.close()

    def keep(self, family: int, host: str, port: int, taken: socket.socket) -> None:
        """Have one more, which root has bound before it became another user."""
        self._sockets[family, host, port] = taken

    def take(self, family: int, host: str, port: int) -> socket.socket | None:
        """Return the one of this address, once; None where there is none."""
        return self._sockets.pop((family, host, port), None)

    @property
    def addresses(self) -> list[str]:
        """Those that nobody has taken, as `IP:port`."""
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for _, host, port in self._sockets]
