"""How much work it would be to open a key with its password, by what its file says, before that work is done.

A PFX and an encrypted key name how often their password is hashed, up to 2^31 times: minutes in which the interpreter
does nothing else. Files of tools have from 2,048 to some hundred thousand.

Rule: an iteration count is an INTEGER of a few octets behind something else in its SEQUENCE: the salt, in MacData (RFC
7292 §4) and PBKDF2 (RFC 8018 §A.2), as is the cost of scrypt (RFC 7914 §7). Not what stands first (versions) or after
[0] (serial numbers). What looks alike counts too.
"""

from collections.abc import Iterator

ROUNDS_MAX = 2_000_000  # of a file, together; half a second
OCTETS_MAX = 65_536
_DEPTH_MAX = 60
_INTEGER, _OCTET_STRING, _CONSTRUCTED, _VERSION = 0x02, 0x04, 0x20, 0xA0
_INTEGER_OCTETS_MAX = 8


class TooMuchWork(ValueError):
    """The text says what is too much."""


def check_effort(octets: bytes) -> None:
    """Look through BER (DER included). Raises TooMuchWork; what is no BER passes, since nothing opens it."""
    if len(octets) > OCTETS_MAX:
        raise TooMuchWork(f"it has {len(octets)} octets; a key with its chain has {OCTETS_MAX} at most")
    rounds = sum(_rounds(octets, _DEPTH_MAX))
    if rounds > ROUNDS_MAX:
        raise TooMuchWork(f"its password is hashed {rounds} times; export it again, with {ROUNDS_MAX} at most")


def _rounds(octets: bytes, depth: int) -> Iterator[int]:
    """Yield the counts of one level and all below."""
    if not depth:
        raise TooMuchWork("it is nested too deeply")
    last_tag = None
    for tag, content in _elements(octets):
        if tag == _INTEGER and last_tag not in (None, _VERSION) and len(content) <= _INTEGER_OCTETS_MAX:
            yield max(0, int.from_bytes(content, "big", signed=True))
        last_tag = tag
        if tag == _OCTET_STRING | _CONSTRUCTED:
            content = b"".join(piece for _, piece in _elements(content))
        if tag & _CONSTRUCTED or tag == _OCTET_STRING:
            yield from _rounds(content, depth - 1)


def _elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tags and contents as far as they can be read."""
    at = 0
    while at + 2 <= len(octets):
        tag, start, end = _head(octets, at)
        if end is None:
            at = _after(octets, start)
            yield tag, octets[start : at - 2]
        else:
            yield tag, octets[start:end]
            at = end


def _head(octets: bytes, at: int) -> tuple[int, int, int | None]:
    """Return tag, start and end of the content; end None: of indefinite length, up to an end mark."""
    tag, length, start = octets[at], octets[at + 1], at + 2
    if length == 0x80:
        return tag, start, None
    if length > 0x80:
        size = length & 0x7F
        length = int.from_bytes(octets[start : start + size], "big")
        start += size
    return tag, start, start + length


def _after(octets: bytes, at: int) -> int:
    """Return where the end mark of what begins here is over; where there is none, as if it came last."""
    open_ones = 1
    while at + 2 <= len(octets):
        if octets[at : at + 2] == b"\0\0":
            open_ones -= 1
            at += 2
            if not open_ones:
                return at
            continue
        _, start, end = _head(octets, at)
        open_ones += end is None
        at = start if end is None else end
    return len(octets) + 2
