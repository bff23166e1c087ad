"""Following the MIME structure of content, line by line, in octets (RFC 2045, RFC 2046 §5.1).

It reads as much as the conversion to 7-bit must know, and says where what is; it judges and changes nothing.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

PARTS_DEPTH_MAX = 100  # of multiparts within multiparts; real mail has fewer than ten
HEADER_OCTETS_MAX = 1024 * 1024  # of one part; what is longer is not a header section

_PARAMETER_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


class ConversionError(Exception):
    """The content cannot be made 7-bit safely. The text says why; answer 5.6.3 (RFC 3463 §3.7)."""


class _Place(Enum):
    HEADER = "header section"
    BODY = "body of a part without parts"
    BETWEEN = "preamble or epilogue of a multipart"


@dataclass(slots=True)
class Part:
    """What a header section says of its part. lines: the header section, its empty line not included."""

    lines: list[bytes] = field(default_factory=list)
    content_type: bytes = b""
    boundary: bytes | None = None
    transfer_encoding: bytes = b""
    has_mime_version: bool = False

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith(b"multipart/") and self.boundary is not None

    @property
    def is_message(self) -> bool:
        return self.content_type == b"message/rfc822"


def _read_part(lines: list[bytes]) -> Part:
    """Unfold the header section and pick the fields of RFC 2045 §3; of several, the first counts."""
    part = Part(lines)
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", b"".join(lines))
    for line in unfolded.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if name == b"content-type" and not part.content_type:
            part.content_type = value.partition(b";")[0].strip().lower() or b"text/plain"
            if match := _PARAMETER_BOUNDARY.search(value):
                part.boundary = re.sub(rb"\\(.)", rb"\1", match[1]) if match[1] is not None else match[2]
        elif name == b"content-transfer-encoding" and not part.transfer_encoding:
            part.transfer_encoding = value.partition(b";")[0].strip().lower()
        elif name == b"mime-version":
            part.has_mime_version = True
    return part


class MimeWalk:
    """Follows the MIME structure line by line (RFC 2046 §5.1); subclasses say what becomes of header and body."""

    def __init__(self) -> None:
        self._rest = b""
        self._boundaries: list[bytes] = []  # outermost first
        self._signed_depth: int | None = None  # len(_boundaries) inside the outermost multipart/signed
        self._place = _Place.HEADER
        self._header: list[bytes] = []
        self._header_octets = 0
        self._is_top = True

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the content. Raises ConversionError."""
        *lines, self._rest = (self._rest + octets).split(b"\n")
        for line in lines:
            self._line(line + b"\n")

    def end(self) -> None:
        """The content is over. Raises ConversionError."""
        if self._rest:
            self._line(self._rest)
        if self._place is _Place.HEADER:
            self._end_header(b"")
        self.leave_part()

    def enter_part(self, part: Part, separator: bytes) -> None:
        """A header section is complete. separator: the empty line after it, or nothing at the content's end."""
        raise NotImplementedError

    def body(self, line: bytes) -> None:
        """A line of a part that has no parts."""
        raise NotImplementedError

    def structure(self, line: bytes) -> None:
        """A boundary, or a line of a preamble or epilogue."""
        raise NotImplementedError

    def leave_part(self) -> None:
        """The body of a part is over (called for every kind of part, before its closing boundary)."""

    @property
    def is_signed(self) -> bool:
        return self._signed_depth is not None

    def _line(self, line: bytes) -> None:
        if self._boundaries and line.startswith(b"--") and self._boundary(line):
            return
        if self._place is _Place.BODY:
            self.body(line)
        elif self._place is _Place.BETWEEN:
            self.structure(line)
        elif line in (b"\r\n", b"\n"):
            self._end_header(line)
        else:
            self._header.append(line)
            self._header_octets += len(line)
            if self._header_octets > HEADER_OCTETS_MAX:
                raise ConversionError("a part's header section is too long")

    def _boundary(self, line: bytes) -> bool:
        """Handle a delimiter of any open multipart; the innermost that matches counts."""
        mark = line[2:].rstrip()
        for depth in range(len(self._boundaries), 0, -1):
            boundary = self._boundaries[depth - 1]
            if mark not in (boundary, boundary + b"--"):
                continue
            if self._place is _Place.HEADER:
                self._end_header(b"")
            self.leave_part()
            is_close = mark != boundary
            del self._boundaries[depth - 1 if is_close else depth :]
            if self._signed_depth is not None and len(self._boundaries) < self._signed_depth:
                self._signed_depth = None
            self._place = _Place.BETWEEN if is_close else _Place.HEADER
            self.structure(line)
            return True
        return False

    def _end_header(self, separator: bytes) -> None:
        part = _read_part(self._header)
        self._header, self._header_octets = [], 0
        if not b"".join(part.lines).isascii():
            raise ConversionError("a header section is not ASCII")
        if part.is_multipart and part.boundary is not None:
            if len(self._boundaries) >= PARTS_DEPTH_MAX:
                raise ConversionError("parts are nested too deep")
            self._place = _Place.BETWEEN
        else:
            self._place = _Place.HEADER if part.is_message else _Place.BODY
        self.enter_part(part, separator)
        self._is_top = False
        if part.is_multipart and part.boundary is not None:
            self._boundaries.append(part.boundary)
            if part.content_type == b"multipart/signed" and self._signed_depth is None:
                self._signed_depth = len(self._boundaries)
