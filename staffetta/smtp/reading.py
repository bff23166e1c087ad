"""Lines out of what the peer sends (RFC 5321 §2.3.8), and the octets between them.

Rule 1: a line ends with CR LF. A bare LF is a fault where it is seen, and so is what follows it up to CR LF: a client
that was made to write an address with an LF in it sent one line, and the second half must not become another.
Rule 2: of a line that is too long only the beginning is kept, whatever comes of it.
"""

from staffetta.smtp import reply
from staffetta.smtp.reply import Reply

LINE_OCTETS_MAX = 2048  # RFC 5321 §4.5.3.1.4 asks for 512; parameters and long addresses need more
AUTH_LINE_OCTETS_MAX = 12288  # of the AUTH command and of a response (RFC 4954 §4): tokens are long
SHOWN_OCTETS_MAX = 256  # of a line, in what we tell about it


class LineReader:
    """See the head of this file. fault: how to refuse the line that line() returned last; None where it is one."""

    __slots__ = ("_input", "_is_broken", "_overlong", "_position", "fault")

    def __init__(self) -> None:
        self.fault: Reply | None = None
        self._input = b""
        self._position = 0
        self._overlong = b""  # the beginning of a line that is too long, while its end has not come
        self._is_broken = False  # by a bare LF, while its CR LF has not come

    def receive(self, data: bytes) -> None:
        """Store what the peer sent."""
        if self._position:
            self._input = self._input[self._position :] + data
            self._position = 0
        else:
            self._input = self._input + data if self._input else data

    @property
    def has_more(self) -> bool:
        """Whether octets have come that nobody has read."""
        return len(self._input) > self._position

    def take(self) -> bytes:
        """Return and forget all that has come and was not read yet."""
        octets = self._input[self._position :] if self._position else self._input
        self._input, self._position = b"", 0
        return octets

    def put_back(self, octets: bytes) -> None:
        """Give back what take() took too much."""
        self._input = octets

    def line(self, octets_max: int = LINE_OCTETS_MAX) -> bytes | None:
        """Return the next line without its end, or with a fault a part of it; None where its end has not come.

        octets_max: of the line, its end included; a line that begins with AUTH may have AUTH_LINE_OCTETS_MAX.
        """
        end = self._input.find(b"\n", self._position)
        length = (len(self._input) if end < 0 else end + 1) - self._position
        if length > octets_max and self._input[self._position : self._position + 5].upper() == b"AUTH ":
            octets_max = AUTH_LINE_OCTETS_MAX
        if end < 0:
            if length > octets_max:
                octets = self.take()
                self._overlong = self._overlong or octets[:SHOWN_OCTETS_MAX]
                self._input = octets[-1:]  # a CR, it may be
            return None
        line = self._input[self._position : end + 1]
        self._position = end + 1
        if self._position == len(self._input):
            self._input, self._position = b"", 0
        is_whole = line.endswith(b"\r\n")
        if self._overlong or length > octets_max:
            line = self._overlong or line
            self._overlong = b""
            self.fault = reply.LINE_OVERLONG
        elif self._is_broken or not is_whole:
            self.fault = reply.LINE_END
        else:
            self.fault = None
            line = line[:-2]
        self._is_broken = not is_whole
        return line
