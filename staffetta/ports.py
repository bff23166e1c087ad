"""The ports that we listen on: bound once, and kept by the process that other processes come and go under.

Rule 1: who listens gets a duplicate. While the original is open, the kernel goes on taking connections, whoever ends.
Rule 2: over a restart a socket is known by its use (`listener relay`), and kept where the address has not changed.
"""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import structlog

from staffetta.settings.model import Settings
from staffetta.supervisor import HandedDown

Handed = Mapping[str, tuple[str, int]]
"""By use: the address as declared, and the descriptor."""
NOTHING: Handed = MappingProxyType({})

_log = structlog.get_logger()


class CannotListen(Exception):
    """An address cannot be listened on. Stop what has it, or set another address."""


@dataclass(frozen=True, slots=True)
class _Port:
    declared: str
    socket: socket.socket


class Ports:
    """See the head of this file."""

    def __init__(self, handed: Handed = NOTHING, handed_down: HandedDown | None = None) -> None:
        """handed: what a process of ours has bound already. handed_down: what systemd has."""
        self._ports = {use: _Port(declared, socket.socket(fileno=number)) for use, (declared, number) in handed.items()}
        self._handed_down = handed_down or HandedDown({})
        self.inherit(is_on=False)

    def settle(self, settings: Settings) -> None:
        """Bind what the settings ask for and is not bound yet, and close the rest. Raises CannotListen."""
        self.add(settings)
        for use in self._ports.keys() - dict(uses(settings)).keys():
            self._ports.pop(use).socket.close()
        if self._handed_down.addresses:
            _log.warning("sockets handed down that no setting asks for", addresses=self._handed_down.addresses)

    def add(self, settings: Settings) -> None:
        """Bind what is not bound yet; all or nothing. Raises CannotListen."""
        new: dict[str, _Port] = {}
        try:
            for use, address in uses(settings):
                if use not in self._ports or self._ports[use].declared != address:
                    new[use] = _Port(address, bind(address, self._handed_down))
        except CannotListen:
            for port in new.values():
                port.socket.close()
            raise
        for use in new.keys() & self._ports.keys():
            self._ports[use].socket.close()
        self._ports |= new

    def take(self, use: str) -> socket.socket:
        """Return a duplicate, to be listened on and closed. Raises CannotListen where it is not among ours."""
        port = self._ports.get(use)
        if port is None:
            raise CannotListen(f"The address of {use} is not bound; a new one needs `staffetta restart`.")
        return port.socket.dup()

    def handed(self) -> Handed:
        """Return them for another process."""
        return {use: (port.declared, port.socket.fileno()) for use, port in self._ports.items()}

    def address(self, use: str) -> str:
        """Return `IP:port` as it is, also where the system chose the port."""
        port = self._ports[use]
        return f"{port.declared.rpartition(':')[0]}:{port.socket.getsockname()[1]}"

    def inherit(self, *, is_on: bool = True) -> None:
        """Whether a program that is started from now on gets them."""
        for port in self._ports.values():
            port.socket.set_inheritable(is_on)

    def close(self) -> None:
        """Take no connection any more, as soon as whoever has a duplicate has closed it too."""
        for port in self._ports.values():
            port.socket.close()
        self._ports.clear()


def uses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is listened for and where, as (use, address)."""
    yield from ((use_of(listener.name), listener.address) for listener in settings.listeners)
    if settings.console:
        yield CONSOLE, settings.console.address
    if settings.capture:
        yield CAPTURE, settings.capture.address


def use_of(listener: str) -> str:
    """Return the use of a listener's port."""
    return f"listener {listener}"


CONSOLE, CAPTURE = "console", "capture"


def bind_low(address: str, handed_down: HandedDown) -> None:
    """Take a port that only root may, and keep it for bind(). Raises CannotListen."""
    family, host, port = _parts(address)
    handed_down.keep(family, host, port, bind(address, handed_down))


def bind(address: str, handed_down: HandedDown) -> socket.socket:
    """Take `IP:port`, or what systemd has of it; return a socket to be listened on. Raises CannotListen."""
    family, host, port = _parts(address)
    if handed := handed_down.take(family, host, port):
        return handed
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise CannotListen(f"Cannot listen on {address}: {error.strerror}.") from error
    return taken


def _parts(address: str) -> tuple[int, str, int]:
    host, _, port = address.rpartition(":")
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET, host.strip("[]"), int(port)
