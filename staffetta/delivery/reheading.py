"""Content under another header section: Graph's addresses, and Exchange's internal fields that stay at home.

Rule: the body is read from where it is, as often as it is asked for; only the header section is in memory.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from staffetta.mail.content import Content
from staffetta.mail.header import INTERNAL_FIELDS, HeaderSection, section_end


@dataclass(frozen=True, slots=True)
class Reheaded:
    """Content with another header section. replaced: octets of the old one."""

    source: Content
    replaced: int
    header: bytes

    @property
    def size(self) -> int:
        return self.source.size - self.replaced + len(self.header)

    @property
    def whole(self) -> bytes | None:
        whole = self.source.whole
        return None if whole is None else self.header + whole[self.replaced :]

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.header:
            yield self.header
        left = self.replaced
        async for chunk in self.source.chunks():
            if left < len(chunk):
                yield chunk[left:]
            left = max(0, left - len(chunk))


async def header_of(content: Content) -> bytes:
    """The header section; reception has seen to it that it is not large. Raises OSError."""
    octets = b""
    async for chunk in content.chunks():
        octets += chunk
        if (end := section_end(octets)) is not None:
            return octets[:end]
    return octets


async def without_internal_fields(content: Content) -> Content:
    """Return the content without what Exchange tells its own servers; itself where that is nothing. Raises OSError."""
    header = await header_of(content)
    kept, removed = HeaderSection(header).without(INTERNAL_FIELDS)
    return Reheaded(content, len(header), kept) if removed else content
