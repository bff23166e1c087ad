"""Eight-bit content for a next hop without 8BITMIME: body parts become quoted-printable or base64 (RFC 6152 §3).

Rule 1: octets only. No header field is rewritten but Content-Transfer-Encoding, and only where it is no longer true.
Rule 2: two passes over the content: one finds the parts that hold octets above 127, one converts just those.
Rule 3: what cannot be converted without doubt (a header section that is not ASCII, a signed part, a part that says it
is encoded and is not) is a ConversionError, and the message goes back.

A content without MIME-Version that has octets above 127 is labelled as RFC 1428 §3 says: unknown-8bit.
"""

import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from staffetta.delivery.mime_walk import ConversionError, MimeWalk, Part
from staffetta.mail.content import Content, MemoryContent

_BASE64_LINE_OCTETS = 57  # 76 characters, RFC 2045 §6.8


class _Encoding(Enum):
    IDENTITY = "identity"
    QUOTED_PRINTABLE = b"quoted-printable"
    BASE64 = b"base64"


class _Survey(MimeWalk):
    """First pass: for every part, in order, how its body must be encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encodings: list[_Encoding] = []
        self._part = Part()

    def enter_part(self, part: Part, separator: bytes) -> None:
        self._part = part
        self.encodings.append(_Encoding.IDENTITY)

    def body(self, line: bytes) -> None:
        if self.encodings[-1] is not _Encoding.IDENTITY or line.isascii():
            return
        if self.is_signed:
            raise ConversionError("a signed part has octets above 127")
        if self._part.transfer_encoding not in (b"", b"7bit", b"8bit", b"binary"):
            raise ConversionError("a part says that it is encoded and has octets above 127")
        content_type = self._part.content_type or b"text/plain"
        if content_type.startswith((b"message/", b"multipart/")):
            raise ConversionError(f"a part of type {content_type.decode('ascii')} may not be encoded")
        is_text = content_type.startswith(b"text/")
        self.encodings[-1] = _Encoding.QUOTED_PRINTABLE if is_text else _Encoding.BASE64

    def structure(self, line: bytes) -> None:
        if not line.isascii():
            raise ConversionError("there are octets above 127 outside of any part")


class _Converter(MimeWalk):
    """Second pass: writes the content anew, with the encodings that the survey found."""

    def __init__(self, encodings: list[_Encoding]) -> None:
        super().__init__()
        self._encodings = iter(encodings)
        self._encoding = _Encoding.IDENTITY
        self._out: list[bytes] = []
        self._unencoded = bytearray()  # base64: fewer octets than a line, and the CRLF that may be the boundary's

    def take(self) -> bytes:
        """Return what has been converted since the last call; may be empty."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def enter_part(self, part: Part, separator: bytes) -> None:
        self._encoding = next(self._encodings)
        lines = part.lines
        if self._encoding is not _Encoding.IDENTITY:
            lines = _without_transfer_encoding(lines)
            if self._is_top and not part.has_mime_version:
                lines.append(b"MIME-Version: 1.0\r\n")
                if not part.content_type:
                    lines.append(b"Content-Type: text/plain; charset=unknown-8bit\r\n")
            lines.append(b"Content-Transfer-Encoding: " + self._encoding.value + b"\r\n")
        elif part.transfer_encoding in (b"8bit", b"binary"):
            lines = [*_without_transfer_encoding(lines), b"Content-Transfer-Encoding: 7bit\r\n"]
        self._out += lines
        self._out.append(separator)

    def body(self, line: bytes) -> None:
        if self._encoding is _Encoding.IDENTITY:
            self._out.append(line)
        elif self._encoding is _Encoding.QUOTED_PRINTABLE:
            self._out.append(binascii.b2a_qp(line))
        else:
            self._unencoded += line
            self._write_base64(len(self._unencoded) - 2)  # a CRLF before a boundary belongs to the boundary

    def structure(self, line: bytes) -> None:
        self._out.append(line)

    def leave_part(self) -> None:
        if self._encoding is _Encoding.BASE64:
            is_before_boundary = bool(self._boundaries)
            if is_before_boundary and self._unencoded.endswith(b"\r\n"):
                del self._unencoded[-2:]
            self._write_base64(len(self._unencoded) + _BASE64_LINE_OCTETS)
        self._encoding = _Encoding.IDENTITY

    def _write_base64(self, available: int) -> None:
        """Write whole lines out of the first `available` octets; all, where that is more than there are."""
        start = 0
        while start < len(self._unencoded) and start + _BASE64_LINE_OCTETS <= available:
            piece = bytes(self._unencoded[start : start + _BASE64_LINE_OCTETS])
            self._out.append(binascii.b2a_base64(piece, newline=False) + b"\r\n")
            start += _BASE64_LINE_OCTETS
        del self._unencoded[:start]


def _without_transfer_encoding(lines: list[bytes]) -> list[bytes]:
    """Return the header section's lines without that field and its continuation lines."""
    kept: list[bytes] = []
    is_dropping = False
    for line in lines:
        if line[:1] not in b" \t":
            is_dropping = line.partition(b":")[0].strip().lower() == b"content-transfer-encoding"
        if not is_dropping:
            kept.append(line)
    return kept


@dataclass(frozen=True, slots=True)
class _ConvertedContent:
    """Large content, converted while it is read. size: found by a pass of its own, since SIZE= must be true."""

    source: Content
    encodings: list[_Encoding]
    size: int

    @property
    def whole(self) -> bytes | None:
        return None

    def chunks(self) -> AsyncIterator[bytes]:
        return _converted_chunks(self.source, self.encodings)


async def _converted_chunks(source: Content, encodings: list[_Encoding]) -> AsyncIterator[bytes]:
    converter = _Converter(encodings)
    async for chunk in source.chunks():
        converter.feed(chunk)
        if octets := converter.take():
            yield octets
    converter.end()
    if octets := converter.take():
        yield octets


async def to_seven_bit(content: Content) -> Content:
    """Return the content without octets above 127; itself where it has none. Raises ConversionError."""
    if await is_seven_bit(content):
        return content
    survey = _Survey()
    async for chunk in content.chunks():
        survey.feed(chunk)
    survey.end()
    if content.whole is not None:
        return MemoryContent(b"".join([chunk async for chunk in _converted_chunks(content, survey.encodings)]))
    size = 0
    async for chunk in _converted_chunks(content, survey.encodings):
        size += len(chunk)
    return _ConvertedContent(content, survey.encodings, size)


async def is_seven_bit(content: Content) -> bool:
    """Whether no octet is above 127."""
    if content.whole is not None:
        return content.whole.isascii()
    async for chunk in content.chunks():
        if not chunk.isascii():
            return False
    return True
