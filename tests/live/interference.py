"""A wire between a relay and its next hop that does what networks do: it swallows, loses and drips."""

import contextlib
import socket
import socketserver
import threading
from enum import Enum
from typing import cast

_PATIENCE_SECONDS = 30
_END_OF_CONTENT = b"\r\n.\r\n"


class Trouble(Enum):
    """LOST: the reply to the final dot does not come back. BLACK_HOLE: nothing does. DRIP: an octet at a time.

    STRIPPED: the offer of STARTTLS is made unreadable, as by somebody who wants to listen.
    """

    LOST = "lost"
    BLACK_HOLE = "black hole"
    DRIP = "drip"
    STRIPPED = "stripped"


class Wire:
    """Listens on `port` of loopback from `with` to its end. drip_seconds: between two octets of the next hop's."""

    def __init__(self, next_port: int, trouble: Trouble, drip_seconds: float = 0.002) -> None:
        self.next_port, self.trouble, self.drip_seconds = next_port, trouble, drip_seconds
        self.is_over = threading.Event()

    def __enter__(self) -> "Wire":
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.wire = self
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    wire: Wire


class _Connection(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        wire = cast(_Server, self.server).wire
        with contextlib.suppress(OSError):
            if wire.trouble is Trouble.BLACK_HOLE:
                while self.request.recv(65536):
                    pass
                return
            with socket.create_connection(("127.0.0.1", wire.next_port), timeout=_PATIENCE_SECONDS) as away:
                self.has_ended = False
                threading.Thread(target=self.send_on, args=(away,), daemon=True).start()
                self.send_back(wire, away)

    def send_on(self, away: socket.socket) -> None:
        tail = b""
        with contextlib.suppress(OSError):
            while octets := self.request.recv(65536):
                tail = (tail + octets)[-len(_END_OF_CONTENT) :]
                self.has_ended |= tail == _END_OF_CONTENT
                away.sendall(octets)
            away.shutdown(socket.SHUT_WR)

    def send_back(self, wire: Wire, away: socket.socket) -> None:
        while octets := away.recv(65536):
            if wire.trouble is Trouble.LOST and self.has_ended:
                return
            if wire.trouble is not Trouble.DRIP:
                is_stripped = wire.trouble is Trouble.STRIPPED
                self.request.sendall(octets.replace(b"STARTTLS", b"XXXXXXXX") if is_stripped else octets)
                continue
            for octet in octets:
                self.request.sendall(bytes([octet]))
                wire.is_over.wait(wire.drip_seconds)
