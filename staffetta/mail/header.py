"""Header fields: split the section from the body, find, count, unfold, replace (RFC 5322 §2.2).

Rule 1: a field is left out or replaced as a whole; all octets outside of it stay as they came.
Rule 2: nothing here is slower than a few searches over the section, since every message comes this way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

INTERNAL_FIELDS = (b"x-ms-exchange-organization-", b"x-ms-exchange-crosspremises-", b"x-crosspremisesheaders")
"""How the names of Exchange's internal header fields begin, in lower case."""

_BLANK_LINE = b"\r\n\r\n"
_LINE_OCTETS_MAX = 998  # RFC 5322 §2.1.1; values are shown and compared, never carried, so a longer one is cut


def section_end(content: bytes) -> int | None:
    """Return where the header section ends, its last CRLF included; None where its end has not come.

    content: canonical, perhaps only its beginning. Content without fields has a section of length 0.
    """
    if content.startswith(b"\r\n"):
        return 0
    end = content.find(_BLANK_LINE)
    return end + 2 if end >= 0 else None


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field stands: octets[start:end], its last CRLF included. value: where its value begins."""

    start: int
    value: int
    end: int


class HeaderSection:
    """A header section: canonical octets, without the blank line. Field names are given in lower case, as bytes."""

    __slots__ = ("_lower", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self._lower = b"\r\n" + octets.lower()

    def count(self, name: bytes) -> int:
        """Return how many fields have this name."""
        return self._lower.count(b"\r\n" + name + b":")

    def first(self, name: bytes) -> str | None:
        """Return the first field's value: unfolded, stripped, cut at 998 octets, bad UTF-8 replaced; None: no field."""
        key = b"\r\n" + name + b":"
        found = self._lower.find(key)
        if found < 0:
            return None
        return self._value(found + len(key), _LINE_OCTETS_MAX)

    def every(self, name: bytes) -> Iterator[str]:
        """Yield the value of each field of that name, whole: unfolded, stripped, bad UTF-8 replaced."""
        return (self._value(field.value + 2, len(self.octets)) for field in self.fields(name))

    def fields(self, name: bytes) -> Iterator[Field]:
        """Yield where each field of that name stands.

        Also where white space stands before the colon, which no one may write and some read (RFC 5322 §4.5).
        """
        key = b"\r\n" + name
        found = self._lower.find(key)
        while found >= 0:
            colon = found + len(key)
            while self._lower[colon : colon + 1] in (b" ", b"\t"):
                colon += 1
            if self._lower[colon : colon + 1] == b":":
                end = min(self._field_end(colon - 2) + 2, len(self.octets))
                yield Field(found, colon - 1, end)  # `octets` lacks the CRLF that `_lower` has in front
            found = self._lower.find(key, colon)

    def replaced(self, fields: Mapping[Field, bytes]) -> bytes:
        """Return the octets with other ones in the place of these fields. An empty one is a place before others."""
        kept: list[bytes] = []
        start = 0
        for field in sorted(fields, key=lambda field: (field.start, field.end)):
            kept += (self.octets[start : field.start], fields[field])
            start = field.end
        return b"".join((*kept, self.octets[start:]))

    def without(self, beginnings: tuple[bytes, ...]) -> tuple[bytes, int]:
        """Return the octets without the fields whose names begin so, and how many those were."""
        if not any(b"\r\n" + beginning in self._lower for beginning in beginnings):
            return self.octets, 0
        kept: list[bytes] = []
        removed = start = 0
        while start < len(self.octets):
            end = self._field_end(start) + 2
            if self._lower.startswith(beginnings, start + 2):  # `_lower` has a CRLF in front
                removed += 1
            else:
                kept.append(self.octets[start:end])
            start = end
        return b"".join(kept), removed

    def _value(self, after_colon: int, octets_max: int) -> str:
        start = after_colon - 2  # `octets` lacks the CRLF that `_lower` has in front
        end = self._field_end(start)
        value = self.octets[start : min(end, start + octets_max)]
        return value.replace(b"\r\n", b"").strip().decode("utf-8", "replace")

    def _field_end(self, start: int) -> int:
        """A field ends at a CRLF that no white space follows (RFC 5322 §2.2.3)."""
        end = self.octets.find(b"\r\n", start)
        while end >= 0 and self.octets[end + 2 : end + 3] in (b" ", b"\t"):
            end = self.octets.find(b"\r\n", end + 2)
        return end if end >= 0 else len(self.octets)
