"""Content as it comes: from DATA's dotted lines or BDAT's chunks to canonical content (RFC 5321 §4.5.2, RFC 3030 §2).

Rule 1: only CRLF . CRLF ends DATA.
Rule 2: content with a bare CR, a bare LF, a NUL or an endless line is read to its end, and then has a fault.
Rule 3: how the octets were cut on their way makes no difference to what comes out.
"""

from io import IncrementalNewlineDecoder

from staffetta.smtp.events import ContentFault

LINE_OCTETS_MAX = 65_536
"""RFC 5321 §4.5.3.1.6 promises 998 octets and allows more. We pass longer lines unchanged, since folding breaks
signatures; a line beyond this is no mail, and a next hop would only refuse it later."""
LONG_LINE_OCTETS_MAX = 1_048_576
"""For clients of whom long lines are borne."""

_END = b"\r\n.\r\n"
_END_AT_START = _END[2:]
_DOT_LINE = _END[:3]
# The order in which one of several faults is told; fixed, so that it does not depend on how the octets were cut.
_PRIORITY = (ContentFault.TOO_LARGE, ContentFault.NUL, ContentFault.BARE_LINE_END, ContentFault.LINE_TOO_LONG)


class Gatherer:
    """Checks canonical content piece by piece, and gathers it into parts.

    A piece must not end between CR and LF. size: octets so far. fault: None while all is well.
    has_long_lines: whether a line was longer than LINE_OCTETS_MAX, which line_octets_max allowed.
    """

    __slots__ = (
        "_faults",
        "_gathered",
        "_line_octets",
        "_line_octets_max",
        "_part_octets",
        "_pieces",
        "_size_max",
        "has_long_lines",
        "size",
    )

    def __init__(self, *, size_max: int, part_octets: int, line_octets_max: int = LINE_OCTETS_MAX) -> None:
        self._size_max = size_max
        self._line_octets_max = line_octets_max
        self.has_long_lines = False
        self._part_octets = part_octets
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._line_octets = 0
        self._faults: set[ContentFault] = set()
        self.size = 0

    @property
    def fault(self) -> ContentFault | None:
        return next((fault for fault in _PRIORITY if fault in self._faults), None)

    def add(self, piece: bytes) -> None:
        """Take the next piece. piece: not empty."""
        self.size += len(piece)
        if _has_bare_line_end(piece):
            self._faults.add(ContentFault.BARE_LINE_END)
        if b"\0" in piece:
            self._faults.add(ContentFault.NUL)
        if self.size > self._size_max:
            self._faults.add(ContentFault.TOO_LARGE)
        line_octets = self._line_octets
        if self._has_line_beyond(piece, LINE_OCTETS_MAX):
            self._line_octets = line_octets
            self.has_long_lines = True
            if self._has_line_beyond(piece, self._line_octets_max):
                self._faults.add(ContentFault.LINE_TOO_LONG)
        if self._faults:
            self._pieces.clear()
            self._gathered = 0
        else:
            self._pieces.append(piece)
            self._gathered += len(piece)

    def _has_line_beyond(self, piece: bytes, octets_max: int) -> bool:
        """Whether this piece ends or continues a line beyond octets_max; remembers how long its last line is.

        It leaps from one line end to the last that the limit allows, so that large pieces are not cut into lines.
        """
        at = piece.find(b"\r\n")
        if at < 0:
            self._line_octets += len(piece)
            return self._line_octets > octets_max
        is_beyond = self._line_octets + at > octets_max
        last = piece.rfind(b"\r\n")
        while at < last and not is_beyond:
            at = piece.rfind(b"\r\n", at + 2, at + 2 + octets_max + 2)
            is_beyond = at < 0
        self._line_octets = len(piece) - last - 2
        return is_beyond or self._line_octets > octets_max

    def part(self, *, is_end: bool) -> bytes:
        """Return what has gathered, once it is a part or the end has come; empty otherwise."""
        if not self._pieces or (self._gathered < self._part_octets and not is_end):
            return b""
        part = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        self._gathered = 0
        return part


def _has_bare_line_end(piece: bytes) -> bool:
    """Whether there is a CR or LF outside a CRLF.

    The decoder that text files use notes the kinds of line end that it meets, in one pass in C: four times as fast as
    to count CR, LF and CRLF and compare. Latin-1, since it takes text and that makes an octet a character.
    """
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(piece.decode("latin-1"), final=True)
    return decoder.newlines not in (None, "\r\n")


class DataReader:
    """Reads what follows 354 up to the final dot."""

    __slots__ = ("_gatherer", "_held", "_is_start")

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._held = b""  # what may be the beginning of the end
        self._is_start = True

    def read(self, octets: bytes) -> bytes | None:
        """Take octets; return what follows the final dot when it was among them, else None."""
        octets = self._held + octets if self._held else octets
        if self._is_start:
            if octets.startswith(_END_AT_START):
                return octets[len(_END_AT_START) :]
            if _END_AT_START.startswith(octets):
                self._held = octets
                return None
        # Most content has no line that starts with a dot, and an attachment no dot at all: the cheap questions first.
        dot_line = octets.find(_DOT_LINE) if b"." in octets else -1
        end = octets.find(_END, dot_line) if dot_line >= 0 else -1
        if end >= 0:
            self._add(octets[: end + 2], has_dot_line=dot_line < end)
            return octets[end + len(_END) :]
        held = _overlap(octets)
        self._held = octets[len(octets) - held :]
        if held < len(octets):
            self._add(octets[: len(octets) - held], has_dot_line=dot_line >= 0)
        return None

    def _add(self, dotted: bytes, *, has_dot_line: bool) -> None:
        """Undo the stuffing. A piece never ends with CR LF, so that a dot at a line's start is seen with its CR LF."""
        if self._is_start:
            self._is_start = False
            if dotted[:1] == b".":
                dotted = dotted[1:]
        if has_dot_line:
            dotted = dotted.replace(_DOT_LINE, b"\r\n")
        if dotted:
            self._gatherer.add(dotted)


def _overlap(octets: bytes) -> int:
    """Return how many octets at the end may be the beginning of CRLF . CRLF."""
    return next((count for count in (4, 3, 2, 1) if octets[-count:] == _END[:count]), 0)


class ChunkReader:
    """Reads BDAT chunks."""

    __slots__ = ("_gatherer", "_held", "missing")

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._held = b""  # a CR whose LF may be in the next piece
        self.missing = 0

    def start(self, octets: int) -> None:
        """A chunk of so many octets follows."""
        self.missing = octets

    def read(self, octets: bytes) -> bytes | None:
        """Take octets; return what follows the chunk when it is complete, else None."""
        chunk, rest = octets[: self.missing], octets[self.missing :]
        self.missing -= len(chunk)
        piece = self._held + chunk if self._held else chunk
        self._held = b"\r" if piece.endswith(b"\r") else b""
        if self._held:
            piece = piece[:-1]
        if piece:
            self._gatherer.add(piece)
        return None if self.missing else rest

    def finish(self) -> None:
        """The last chunk is complete: a CR that still waits for its LF is a bare one."""
        if self._held:
            self._gatherer.add(self._held)
            self._held = b""
