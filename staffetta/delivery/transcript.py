"""What was said with a next hop, line by line, for whoever validates a connector.

Whoever wants one sets `current_transcript` around what opens channels; they write into it whatever task they are in.

Rule 1: credentials are left out, commands and responses alike, as long as an AUTH exchange goes on.
Rule 2: of content there is its size.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

LINES_MAX = 500
LINE_LENGTH_MAX = 1000  # characters; somebody else wrote them

_GOES_ON = b"334"  # RFC 4954 §4
_SEND_CONTENT = b"354"


class Direction(StrEnum):
    SENT = "C"
    RECEIVED = "S"
    NOTE = "*"


@dataclass(frozen=True, slots=True)
class Entry:
    """at: seconds since 1970."""

    at: float
    direction: Direction
    line: str

    def __str__(self) -> str:
        clock = datetime.fromtimestamp(self.at, UTC).strftime("%H:%M:%S.%f")[:-3]
        return f"{clock} {self.direction} {self.line}"


@dataclass(slots=True)
class Transcript:
    """See the head of this file. now: seconds since 1970."""

    now: Callable[[], float] = time.time
    entries: list[Entry] = field(default_factory=list)
    _unread: bytes = b""
    _is_logging_in: bool = False
    _is_content_next: bool = False

    def __str__(self) -> str:
        return "\n".join(map(str, self.entries))

    def note(self, text: str) -> None:
        """Say something of ours: a connection, what TLS came to, a trouble."""
        self._add(Direction.NOTE, text)

    def sent(self, *pieces: bytes) -> None:
        """Take what is written in one go, in clear."""
        if self._is_content_next:
            self._add(Direction.SENT, f"({sum(map(len, pieces))} octets of content)")
            return
        for number, piece in enumerate(pieces):
            lines = piece.split(b"\r\n")
            for line in lines[:-1] if lines[-1] == b"" else lines:
                self._add(Direction.SENT, self._command(line))
            if piece.startswith(b"BDAT "):
                self._add(Direction.SENT, f"({sum(map(len, pieces[number + 1 :]))} octets of content)")
                return

    def received(self, octets: bytes) -> None:
        """Take what came, in clear."""
        *lines, self._unread = (self._unread + octets).split(b"\r\n")
        for line in lines:
            self._is_content_next = line.startswith(_SEND_CONTENT)
            if self._is_logging_in and not line.startswith(_GOES_ON):
                self._is_logging_in = False
            self._add(Direction.RECEIVED, line.decode("utf-8", "replace"))

    def _command(self, line: bytes) -> str:
        if line[:5].upper() == b"AUTH ":
            self._is_logging_in = True
            verb, mechanism, *response = line.split(b" ", 2)
            return f"{verb.decode()} {mechanism.decode('ascii', 'replace')}{' (credentials)' if response else ''}"
        return "(credentials)" if self._is_logging_in else line.decode("utf-8", "replace")

    def _add(self, direction: Direction, line: str) -> None:
        if len(self.entries) < LINES_MAX:
            plain = "".join(each if each.isprintable() else "?" for each in line[:LINE_LENGTH_MAX])
            self.entries.append(Entry(self.now(), direction, plain))


current_transcript: ContextVar[Transcript | None] = ContextVar("current_transcript", default=None)
