"""Content as it comes in: in memory while it is small, in a draft of the spool beyond."""

from collections.abc import Callable

from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.header import HeaderSection, section_end
from staffetta.spool.spool import Draft, SpoolUnavailable


class Intake:
    """The content of one transaction.

    open_draft: the spool's; called once the content is larger than in_memory_octets_max.
    header_octets_max: of the header section; beyond it, is_header_too_large, and nothing more is kept.
    edit: given the header section as it came, returns the octets to keep in its place; not asked when it is too large.
    trouble: why the spool could not take it; then nothing more is kept either.
    """

    __slots__ = (
        "_draft",
        "_edit",
        "_header_octets_max",
        "_in_memory_octets_max",
        "_open_draft",
        "_parts",
        "_section",
        "_size",
        "has_eight_bit",
        "is_header_too_large",
        "trouble",
    )

    def __init__(
        self,
        open_draft: Callable[[], Draft],
        *,
        in_memory_octets_max: int,
        header_octets_max: int,
        edit: Callable[[HeaderSection], bytes] | None = None,
    ) -> None:
        self._open_draft = open_draft
        self._in_memory_octets_max = in_memory_octets_max
        self._header_octets_max = header_octets_max
        self._edit = edit
        self._parts: list[bytes] = []
        self._size = 0
        self._draft: Draft | None = None
        self._section: HeaderSection | None = None
        self.has_eight_bit = False
        self.is_header_too_large = False
        self.trouble: str | None = None

    @property
    def is_refused(self) -> bool:
        return self.is_header_too_large or self.trouble is not None

    @property
    def is_in_file(self) -> bool:
        """Whether content flows on to a draft instead of staying in memory."""
        return self._draft is not None

    def write(self, octets: bytes) -> None:
        """Take a piece of canonical content. Never raises; what went wrong is in is_header_too_large and trouble."""
        if self.is_refused:
            return
        self.has_eight_bit = self.has_eight_bit or not octets.isascii()
        self._parts.append(octets)
        self._size += len(octets)
        if self._size <= self._in_memory_octets_max:
            return
        try:
            self._flow()
        except SpoolUnavailable as error:
            self.trouble = str(error) or "unavailable"
            self.discard()

    def header(self) -> HeaderSection:
        """Return the header section as it came; may set is_header_too_large.

        Ask when all has come, or it is too early to tell.
        """
        if self._section is None:
            octets = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            end = section_end(octets)
            return self._found(octets, len(octets) if end is None else end, [])
        return self._section

    async def finish(self, prefix: bytes) -> Content:
        """Return the content with `prefix` in front. Raises SpoolUnavailable."""
        if self._draft is not None:
            return await self._draft.finish(prefix)
        return MemoryContent(b"".join((prefix, *self._parts)))

    def discard(self) -> None:
        """Forget it all."""
        self._parts.clear()
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def _flow(self) -> None:
        """To the draft, once the header section has been found: nothing can be changed in a draft afterwards."""
        if self._section is None:
            self._look_for_header()
        if self._section is None or self.is_header_too_large:
            return
        if self._draft is None:
            self._draft = self._open_draft()
        for part in self._parts:
            self._draft.write(part)
        self._parts.clear()

    def _look_for_header(self) -> None:
        beginning, *others = self._parts
        end = section_end(beginning)
        if end is None:
            beginning, others = b"".join(self._parts), []
            end = section_end(beginning)
        if end is not None or len(beginning) > self._header_octets_max:
            self._found(beginning, len(beginning) if end is None else end, others)
        if self.is_header_too_large:
            self.discard()

    def _found(self, octets: bytes, end: int, others: list[bytes]) -> HeaderSection:
        """octets, others: all that has come. end: of the header section, within octets."""
        self.is_header_too_large = end > self._header_octets_max
        self._section = HeaderSection(octets[: min(end, self._header_octets_max)])
        if self._edit is not None and not self.is_header_too_large:
            kept = self._edit(self._section)
            if kept != self._section.octets:
                self._parts = [kept, octets[end:], *others]
                self.has_eight_bit = self.has_eight_bit or not kept.isascii()
        return self._section
