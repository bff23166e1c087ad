"""The attacker: says what it is told over a socket, whatever that is, and keeps what the server answers.

The same client attacks any server, so that it knows nothing of ours.
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Say:
    """Octets, and how many replies to wait for; None: say nothing more, and read until the server closes."""

    octets: bytes
    replies: int | None = 1


@dataclass(frozen=True, slots=True)
class Secure:
    """Shake hands. The reply to STARTTLS has been read."""


Turn = Say | Secure


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server answered, as lines; the greeting is not among them.

    left: reverse-paths of what it sent on. has_closed: whether it ended the session, and did not leave us waiting.
    """

    lines: tuple[str, ...]
    has_closed: bool = True
    left: tuple[str, ...] = ()

    @property
    def replies(self) -> tuple[str, ...]:
        """Last lines of replies."""
        return tuple(line for line in self.lines if line[3:4] == " ")

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(line[:3] for line in self.replies)


class _Conversation:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.octets = b""
        self.has_closed = False

    def read_replies(self, count: int | None) -> None:
        """Read so many replies more, or until the server closes."""
        before = len(Seen(self.lines).replies)
        while count is None or len(Seen(self.lines).replies) < before + count:
            try:
                piece = self.connection.recv(65536)
            except TimeoutError:
                return
            except OSError:
                piece = b""
            if not piece:
                self.has_closed = True
                return
            self.octets += piece

    @property
    def lines(self) -> tuple[str, ...]:
        """Whole lines that have come."""
        return tuple(line.decode("utf-8", "backslashreplace") for line in self.octets.split(b"\r\n")[:-1])


def converse(port: int, turns: Sequence[Turn], *, source: str) -> Seen:
    """Hold the conversation from an address of loopback; it ends when the server closes, or says nothing for long."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0))
    with connection:
        talk = _Conversation(connection)
        talk.read_replies(1)
        greeting = len(talk.lines)
        for turn in turns:
            if talk.has_closed:
                break
            try:
                if isinstance(turn, Secure):
                    connection = talk.connection = _secured(connection)
                    continue
                connection.sendall(turn.octets)
            except OSError:
                turn = Say(b"", None)  # it has heard enough; what it had to say may still be there
            talk.read_replies(turn.replies)
        return Seen(talk.lines[greeting:], talk.has_closed)


def _secured(connection: socket.socket) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
