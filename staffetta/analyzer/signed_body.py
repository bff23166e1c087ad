"""The body as signatures see it, and its hash (RFC 6376 §3.4.3, §3.4.4).

Rule: each step is one pass of the interpreter's own over the octets, and each form is made once for all signatures:
dkimpy makes it anew for each of them, by regular expressions that take minutes for a large body of a few long runs.
"""

import hashlib
from functools import cache

_DIGESTS = {"sha256": hashlib.sha256}


class SignedBody:
    """A body whose hashes can be asked for. octets: lines end in CRLF."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._form = cache(self._made)

    def hash(self, digest: str, *, is_relaxed: bool, length: int | None = None) -> bytes:
        """Return the hash of the canonical body. digest: sha256. length: how much is signed; None for all."""
        return _DIGESTS[digest](memoryview(self._form(is_relaxed))[:length]).digest()

    def _made(self, is_relaxed: bool) -> bytes:
        return relaxed(self._octets) if is_relaxed else simple(self._octets)


def simple(body: bytes) -> bytes:
    """Return the body without empty lines at its end; one CRLF where nothing else is there."""
    return _without_empty_lines(body) or b"\r\n"


def relaxed(body: bytes) -> bytes:
    """Return the body with one space for each run of white space, none at the end of a line, no empty lines at its
    end; empty where nothing is there."""
    body = body.replace(b"\t", b" ")
    while b"  " in body:  # halves every run
        body = body.replace(b"  ", b" ")
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    return _without_empty_lines(body.replace(b" \r\n", b"\r\n"))


def _without_empty_lines(body: bytes) -> bytes:
    """At most one CRLF stands at the end, behind something. A bare CR is something."""
    end = len(body.rstrip(b"\r\n"))
    tail = body[end:].replace(b"\r\n", b"\n\n").rstrip(b"\n")
    kept = body[: end + len(tail)]
    return kept + b"\r\n" if kept else b""
