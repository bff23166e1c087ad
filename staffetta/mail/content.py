"""Content: header section and body as carried (RFC 5321 §2.3.1).

Everywhere in the product content is canonical: lines end in CRLF, no bare CR or LF, no dot-stuffing, no final dot.
Small content is one bytes object from socket to spool to the next socket; large content is never whole in memory.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

CHUNK_OCTETS = 256 * 1024  # large enough that a thread switch per chunk does not matter, small enough to hold many


class Content(Protocol):
    """Readable content. It may be read any number of times."""

    @property
    def size(self) -> int:
        """Octets in all."""

    @property
    def whole(self) -> bytes | None:
        """All octets where they are in memory; None where they must be read by chunks()."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield non-empty pieces of at most about CHUNK_OCTETS, in order."""


@dataclass(frozen=True, slots=True)
class MemoryContent:
    """Content that is in memory as one piece."""

    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    @property
    def whole(self) -> bytes | None:
        return self.octets

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.octets), CHUNK_OCTETS):
            yield self.octets[start : start + CHUNK_OCTETS]
