"""Dot-stuffing: canonical content to what travels between 354 and the final dot (RFC 5321 §4.5.2).

A dot is doubled after every LF, so that content cut anywhere comes out the same, and nothing that some server might
take for a line start (CWE-147, SMTP smuggling) begins with a single dot.
"""

FINAL_DOT = b".\r\n"


def stuff(octets: bytes) -> bytes:
    """Return whole content as it travels, the final dot not included; a missing CRLF at the end is added."""
    if b"\n." in octets:
        octets = octets.replace(b"\n.", b"\n..")
    if octets[:1] == b".":
        octets = b"." + octets
    return octets if octets[-2:] == b"\r\n" or not octets else octets + b"\r\n"


class DotStuffer:
    """The same for content in pieces."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def stuff(self, piece: bytes) -> bytes:
        """Return the piece as it travels. piece: not empty."""
        is_line_start = self._tail[-1:] == b"\n"
        self._tail = (self._tail + piece[-2:])[-2:]
        if b"\n." in piece:
            piece = piece.replace(b"\n.", b"\n..")
        return b"." + piece if is_line_start and piece[:1] == b"." else piece

    def end(self) -> bytes:
        """Return what must precede the final dot: nothing, or the CRLF that the content lacks."""
        return b"" if self._tail == b"\r\n" else b"\r\n"
