"""The far end: an SMTP server of our own that keeps every octet.

What it announces is scripted, so that the relay meets next hops with and without each extension. It runs in threads,
one per connection, so that a test may block in another program meanwhile. It judges nothing: it is no model server.
"""

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

PATIENCE_SECONDS = 30
EVERYTHING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "SIZE 0", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True, slots=True)
class Path:
    """The argument of MAIL or RCPT: what stood between the angle brackets, and the parameters, upper-cased keywords."""

    address: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came. content: dots removed, the final dot not included."""

    reverse_path: Path
    recipients: tuple[Path, ...]
    content: bytes
    is_tls: bool


class Sink:
    """Listens on loopback from `with` to its end. `port` stays the same when it is closed and opened again.

    capabilities: EHLO keywords in order; without any, EHLO is refused as by a server of 1982.
    tls: announces STARTTLS with it. recipient_reply: what RCPT gets, by address; the default accepts all.
    """

    def __init__(
        self,
        *capabilities: str,
        tls: ssl.SSLContext | None = None,
        recipient_reply: Callable[[str], str] = lambda address: "250 2.1.5 ok",
        port: int = 0,
    ) -> None:
        self.capabilities = capabilities
        self.tls = tls
        self.recipient_reply = recipient_reply
        self.port = port
        self.arrivals: list[Arrival] = []
        self.may_confirm = threading.Event()  # cleared: content is taken, and the reply to the final dot held back
        self.may_confirm.set()
        self._changed = threading.Condition()

    def __enter__(self) -> "Sink":
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_confirm.set()
        self._server.shutdown()
        self._server.server_close()

    def keep(self, arrival: Arrival) -> None:
        with self._changed:
            self.arrivals.append(arrival)
            self._changed.notify_all()

    def wait_for(self, count: int, patience_seconds: float = PATIENCE_SECONDS) -> list[Arrival]:
        """Return the arrivals when there are at least `count` of them."""
        return self.wait_until(lambda arrivals: len(arrivals) >= count, patience_seconds)

    def wait_until(
        self, is_enough: Callable[[list[Arrival]], bool], patience_seconds: float = PATIENCE_SECONDS
    ) -> list[Arrival]:
        with self._changed:
            assert self._changed.wait_for(lambda: is_enough(self.arrivals), patience_seconds), (
                f"only {len(self.arrivals)} messages arrived in {patience_seconds} seconds"
            )
            return list(self.arrivals)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False

    def __init__(self, address: tuple[str, int], sink: Sink) -> None:
        self.sink = sink
        super().__init__(address, _Session)

    def handle_error(self, request: object, client_address: object) -> None:
        """A relay that is killed cuts its connections: nothing to tell."""


class _Session(socketserver.BaseRequestHandler):
    """One connection."""

    request: socket.socket

    def setup(self) -> None:
        self.sink = cast(_Server, self.server).sink
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = cast(BinaryIO, self.request.makefile("rb"))
        self.is_tls = False
        self.forget()

    def forget(self) -> None:
        self.reverse_path: Path | None = None
        self.recipients: list[Path] = []
        self.chunks: list[bytes] = []

    def say(self, *lines: str) -> None:
        self.request.sendall("".join(line + "\r\n" for line in lines).encode())

    def handle(self) -> None:
        self.say("220 sink.test ESMTP")
        while line := self.reader.readline():
            verb, _, rest = line.decode().rstrip("\r\n").partition(" ")
            if verb.upper() == "QUIT":
                self.say("221 2.0.0 bye")
                return
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                self.say("500 5.5.1 what?")
            else:
                handler(rest)

    def on_helo(self, rest: str) -> None:
        self.say("250 sink.test")

    def on_ehlo(self, rest: str) -> None:
        capabilities = [*self.sink.capabilities, *(["STARTTLS"] if self.sink.tls and not self.is_tls else [])]
        if not capabilities:
            return self.say("500 5.5.1 what?")
        lines = ["sink.test", *capabilities]
        self.say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")

    def on_starttls(self, rest: str) -> None:
        assert self.sink.tls is not None
        self.say("220 2.0.0 go")
        self.request = self.sink.tls.wrap_socket(self.request, server_side=True)
        self.reader = cast(BinaryIO, self.request.makefile("rb"))
        self.is_tls = True
        self.forget()

    def on_mail(self, rest: str) -> None:
        self.forget()
        self.reverse_path = _path(rest)
        self.say("250 2.1.0 ok")

    def on_rcpt(self, rest: str) -> None:
        path = _path(rest)
        reply = self.sink.recipient_reply(path.address)
        if reply.startswith("2"):
            self.recipients.append(path)
        self.say(reply)

    def on_data(self, rest: str) -> None:
        if not self.recipients:
            return self.say("503 5.5.1 no recipients")
        self.say("354 go")
        while (line := self.reader.readline()) != b".\r\n":
            if not line:
                return
            self.chunks.append(line[1:] if line.startswith(b".") else line)
        self.confirm()

    def on_bdat(self, rest: str) -> None:
        size, _, last = rest.partition(" ")
        octets = self.reader.read(int(size))
        if len(octets) < int(size):
            return
        self.chunks.append(octets)
        if not self.recipients:
            self.say("503 5.5.1 no recipients")
        elif last:
            self.confirm()
        else:
            self.say("250 2.0.0 more")

    def confirm(self) -> None:
        assert self.reverse_path is not None
        content = b"".join(self.chunks)
        self.sink.keep(Arrival(self.reverse_path, tuple(self.recipients), content, self.is_tls))
        self.forget()
        self.sink.may_confirm.wait()
        self.say("250 2.0.0 kept")

    def on_rset(self, rest: str) -> None:
        self.forget()
        self.say("250 2.0.0 ok")

    def on_noop(self, rest: str) -> None:
        self.say("250 2.0.0 ok")


def _path(rest: str) -> Path:
    match = re.fullmatch(r"(?:FROM|TO):<(.*?)>((?: [^ ]+)*)", rest, re.IGNORECASE)
    assert match, f"not a path: {rest!r}"
    return Path(match[1], tuple(match[2].split()))
