"""The replies of others, read with suspicion (RFC 5321 §4.2, RFC 2034 §4).

Rule 1: whatever comes, memory is bounded, and what cannot be a reply is a RemoteProtocolError.
Rule 2: the text is kept verbatim for people, but holds nothing that could steer a terminal or a log.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

REPLY_LINES_MAX = 2000  # an EHLO reply has a dozen; nobody has a use for more than this
REPLY_OCTETS_MAX = 64 * 1024  # all of an incomplete reply
LINE_OCTETS_MAX = 512  # RFC 5321 §4.5.3.1.5; longer ones are read all the same

# RFC 2034 §4: status-code = ("2" / "4" / "5") "." *3digit "." *3digit, then a space or the end
_ENHANCED_CODE = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_FIRST_DIGITS = b"2345"
_DIGITS = b"0123456789"


class RemoteProtocolError(Exception):
    """The peer does not speak SMTP. Close the connection; what was in flight is deferred, or unknown after the dot."""


@dataclass(frozen=True, slots=True)
class RemoteReply:
    """One reply of a server.

    code: 200 to 599. lines: the text of each line without its code and line end; at least one, each may be empty.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """Completed (2yz)."""
        return self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """Go on (3yz)."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    @property
    def enhanced_code(self) -> str | None:
        """The enhanced code where there is one whose class agrees with the code (RFC 2034 §4), else None."""
        match = _ENHANCED_CODE.match(self.lines[0])
        return match[1] if match and match[1][0] == str(self.code // 100) else None

    def __str__(self) -> str:
        """One line: the code and all lines, joined by a space."""
        return f"{self.code} {' '.join(self.lines)}"


@dataclass(slots=True)
class ReplyReader:
    """Cuts octets into replies, however the octets come."""

    _rest: bytes = b""
    _lines: list[str] = field(default_factory=list)
    _octets: int = 0  # of the lines in _lines

    def receive(self, octets: bytes) -> Iterator[RemoteReply]:
        """Yield the replies that are now complete; good ones also before a bad one.

        Raises RemoteProtocolError; the reader is of no use afterwards.
        """
        *lines, self._rest = (self._rest + octets).split(b"\n")
        for line in lines:
            if reply := self._line(line):
                yield reply
        if self._octets + len(self._rest) > REPLY_OCTETS_MAX:
            raise RemoteProtocolError(f"the reply is longer than {REPLY_OCTETS_MAX} octets")

    @property
    def is_between_replies(self) -> bool:
        """Whether nothing of a further reply has come."""
        return not self._rest and not self._lines

    def forget(self) -> None:
        """Throw away what has come of a further reply (RFC 3207 §4.2)."""
        self._rest, self._octets = b"", 0
        self._lines.clear()

    def _line(self, line: bytes) -> RemoteReply | None:
        """Reply-line = Reply-code [ SP textstring ] CRLF; a hyphen for the space where more follow.

        Of the codes of several lines the last counts: where they differ, against RFC 5321 §4.2.1, it ends the reply.
        """
        code, text, is_last = _read_line(line) if len(line) > LINE_OCTETS_MAX else _read_usual_line(line)
        if is_last:
            is_usual = not self._lines and len(line) <= LINE_OCTETS_MAX
            reply = _single_line_reply(code, text) if is_usual else RemoteReply(code, (*self._lines, text))
            self._lines.clear()
            self._octets = 0
            return reply
        self._lines.append(text)
        self._octets += len(line)
        if len(self._lines) >= REPLY_LINES_MAX or self._octets > REPLY_OCTETS_MAX:
            raise RemoteProtocolError(f"the reply is longer than {REPLY_LINES_MAX} lines or {REPLY_OCTETS_MAX} octets")
        return None


def _read_line(line: bytes) -> tuple[int, str, bool]:
    """Return code, text and whether it is the reply's last line. Raises RemoteProtocolError."""
    line = line.removesuffix(b"\r")
    code, separator = line[:3], line[3:4]
    is_code = len(code) == 3 and code[0] in _FIRST_DIGITS and code[1] in _DIGITS and code[2] in _DIGITS
    if not is_code or separator not in (b" ", b"-", b""):
        raise RemoteProtocolError(f"not a reply: {_printable(line[:80])!r}")
    return int(code), _printable(line[4:]), separator != b"-"


# A server says the same few lines again and again. The caches stay below a MiB, since longer lines are not kept.
_read_usual_line = lru_cache(maxsize=512)(_read_line)


@lru_cache(maxsize=512)
def _single_line_reply(code: int, text: str) -> RemoteReply:
    return RemoteReply(code, (text,))


def _printable(octets: bytes) -> str:
    """Decode, and show what is not printable as an escape."""
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
