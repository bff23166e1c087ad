"""Taking large attachments out of content, so that they can travel apart from the message (Graph's upload sessions).

Three passes over the content, none of which holds it in memory: survey() finds what may be taken out, skeleton() is the
content without it, attachments() yields what was taken, decoded.

Rule 1: only leaves of multipart/mixed and multipart/related are taken. In a signed or encrypted message, a report, or a
message within the message a part is where it is for a reason.
Rule 2: no multipart is left without parts; where all would go, an empty text stays.
"""

import binascii
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.policy import SMTP
from string import ascii_letters, digits

from staffetta.delivery.mime_walk import MimeWalk, Part
from staffetta.mail.content import Content

_MAY_HOLD = (b"multipart/mixed", b"multipart/related")
_NAME_CHARACTERS_MAX = 200
_NOT_BASE64 = bytes(set(range(256)) - set(f"{ascii_letters}{digits}+/=".encode()))  # counts for nothing, RFC 2045 §6.8
_EMPTY_TEXT = b"Content-Type: text/plain\r\n\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that may be taken out. number: of the part, in the walk's order. parent: number of its multipart, or -1.

    carried_octets: as it stands in the content. size: decoded. content_id: without angle brackets; None: it has none.
    """

    number: int
    parent: int
    name: str
    content_type: str
    is_inline: bool
    content_id: str | None
    carried_octets: int
    size: int


@dataclass(frozen=True, slots=True)
class Survey:
    """attachments: in order. children: how many parts each multipart has, by its number."""

    attachments: tuple[Attachment, ...]
    children: dict[int, int]


async def survey(content: Content) -> Survey:
    """Find what may be taken out. Raises mime_walk.ConversionError, OSError."""
    walk = _Surveyor()
    async for chunk in content.chunks():
        walk.feed(chunk)
    walk.end()
    return Survey(tuple(walk.found), walk.children)


async def skeleton(content: Content, found: Survey, taken: Collection[Attachment]) -> bytes:
    """Return the content without what is taken out; that much is in memory. Raises as survey()."""
    walk = _Skeleton(taken, _emptied(found, taken))
    async for chunk in content.chunks():
        walk.feed(chunk)
    walk.end()
    return b"".join(walk.out)


async def attachments(content: Content, taken: Iterable[Attachment]) -> AsyncIterator[tuple[int, bytes]]:
    """Yield (number of the part, some of its decoded octets), in order. Raises as survey()."""
    walk = _Extractor({each.number for each in taken})
    async for chunk in content.chunks():
        walk.feed(chunk)
        for piece in walk.take():
            yield piece
    walk.end()
    for piece in walk.take():
        yield piece


def choose(found: Survey, size: int, octets_max: int) -> Sequence[Attachment] | None:
    """Return the fewest attachments, largest first, without which `size` octets are at most octets_max; None: never."""
    taken: list[Attachment] = []
    for attachment in sorted(found.attachments, key=lambda each: each.carried_octets, reverse=True):
        if size <= octets_max:
            break
        taken.append(attachment)
        size -= attachment.carried_octets - len(_EMPTY_TEXT)
    return taken if size <= octets_max else None


def _emptied(found: Survey, taken: Collection[Attachment]) -> set[int]:
    """Numbers of parts in whose place an empty text stays: the first of each multipart that loses all."""
    emptied: set[int] = set()
    for parent, count in found.children.items():
        of_it = [each.number for each in taken if each.parent == parent]
        if len(of_it) == count:
            emptied.add(min(of_it))
    return emptied | {each.number for each in taken if each.parent < 0}


class _NumberedWalk(MimeWalk):
    """Numbers the parts, and knows of each in which multiparts it is."""

    def __init__(self) -> None:
        super().__init__()
        self.number = -1
        self.ancestors: list[tuple[int, bytes]] = []  # number and type of each open multipart, outermost first
        self._message_depth: int | None = None  # of open boundaries, where a message within the message begins

    @property
    def is_movable(self) -> bool:
        """Whether the part just entered stands where a part may be taken out."""
        is_held = all(kind in _MAY_HOLD for _, kind in self.ancestors)
        return is_held and not self.is_signed and self._message_depth is None

    def enter_part(self, part: Part, separator: bytes) -> None:
        self.number += 1
        depth = len(self._boundaries)
        del self.ancestors[depth:]
        self.entered(part, separator)
        if part.is_multipart:
            self.ancestors.append((self.number, part.content_type))
        elif part.is_message and self._message_depth is None:
            self._message_depth = depth

    def structure(self, line: bytes) -> None:
        if self._message_depth is not None and len(self._boundaries) <= self._message_depth:
            self._message_depth = None

    def body(self, line: bytes) -> None:
        """Nothing: most walks look at bodies only in parts that they follow."""

    def entered(self, part: Part, separator: bytes) -> None:
        raise NotImplementedError


class _Decoder:
    """A part's body, line by line, to its octets. The CRLF before a boundary belongs to the boundary."""

    def __init__(self, transfer_encoding: bytes) -> None:
        self._encoding = transfer_encoding
        self._held = b""

    def line(self, line: bytes) -> bytes:
        if self._encoding == b"base64":
            return self._base64(line)
        if self._encoding == b"quoted-printable":
            line = binascii.a2b_qp(line)
        out, self._held = self._held, b"\r\n" if line.endswith(b"\r\n") else b""
        return out + line.removesuffix(b"\r\n")

    def end(self) -> bytes:
        """What is left; a CRLF is not."""
        return self._base64(b"=" * (-len(self._held) % 4)) if self._encoding == b"base64" and self._held else b""

    def _base64(self, line: bytes) -> bytes:
        kept = self._held + line.translate(None, _NOT_BASE64)
        whole = len(kept) // 4 * 4
        self._held = kept[whole:]
        try:
            return binascii.a2b_base64(kept[:whole])
        except binascii.Error:  # an end in the middle
            return b""


class _Surveyor(_NumberedWalk):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Attachment] = []
        self.children: dict[int, int] = {}
        self._decoder: _Decoder | None = None
        self._part = Part()
        self._carried = self._size = 0

    def entered(self, part: Part, separator: bytes) -> None:
        if self.ancestors:
            parent = self.ancestors[-1][0]
            self.children[parent] = self.children.get(parent, 0) + 1
        is_leaf = not part.is_multipart and not part.is_message
        self._decoder = _Decoder(part.transfer_encoding) if is_leaf and self.is_movable else None
        self._part, self._carried, self._size = part, 0, 0

    def body(self, line: bytes) -> None:
        if self._decoder is not None:
            self._carried += len(line)
            self._size += len(self._decoder.line(line))

    def leave_part(self) -> None:
        if self._decoder is None:
            return
        self._size += len(self._decoder.end())
        self._decoder = None
        parent = self.ancestors[-1][0] if self.ancestors else -1
        described = _described(self._part, self.number, parent, self._carried, self._size)
        if described is not None:
            self.found.append(described)


def _described(part: Part, number: int, parent: int, carried: int, size: int) -> Attachment | None:
    """What the part's fields say of it; None where it is a text that stands in the message itself."""
    try:
        fields = message_from_bytes(b"".join(part.lines) + b"\r\n", policy=SMTP)
        disposition = fields.get_content_disposition()
        name = fields.get_filename()
        content_id = str(fields.get("Content-ID", "")).strip().strip("<>") or None
    except (MessageError, LookupError, ValueError, AttributeError, TypeError):  # the reader's own, of odd fields
        disposition = name = content_id = None
    content_type = part.content_type.decode("ascii") or "text/plain"
    is_text = content_type.startswith("text/") and disposition != "attachment" and not name
    if is_text:
        return None
    shown = "".join(letter for letter in name or "" if letter.isprintable() and letter not in '/\\:*?"<>|')
    return Attachment(
        number=number,
        parent=parent,
        name=shown.strip(". ")[-_NAME_CHARACTERS_MAX:] or f"attachment-{number}",
        content_type=content_type,
        is_inline=disposition == "inline" and content_id is not None,
        content_id=content_id,
        carried_octets=carried,
        size=size,
    )


class _Skeleton(_NumberedWalk):
    def __init__(self, taken: Collection[Attachment], emptied: set[int]) -> None:
        super().__init__()
        self.out: list[bytes] = []
        self._taken = {each.number for each in taken}
        self._emptied = emptied
        self._is_kept = True
        self._delimiter = b""  # not yet written: it goes with the part that it opens

    def entered(self, part: Part, separator: bytes) -> None:
        self._is_kept = self.number not in self._taken
        if self._is_kept:
            self.out += [self._delimiter, *part.lines, separator]
        elif self.number in self._emptied:
            self.out += [self._delimiter, *_without_description(part.lines), _EMPTY_TEXT]
        self._delimiter = b""

    def body(self, line: bytes) -> None:
        if self._is_kept:
            self.out.append(line)

    def structure(self, line: bytes) -> None:
        super().structure(line)
        self.out.append(self._delimiter)
        self._delimiter = line

    def end(self) -> None:
        super().end()
        self.out.append(self._delimiter)


def _without_description(lines: list[bytes]) -> list[bytes]:
    """A message's own fields, without those that describe its body (RFC 2045 §3); of a part within, nothing is left."""
    kept: list[bytes] = []
    is_dropping = False
    for line in lines:
        if line[:1] not in b" \t":
            is_dropping = line.lower().startswith(b"content-")
        if not is_dropping:
            kept.append(line)
    return kept


class _Extractor(_NumberedWalk):
    def __init__(self, numbers: set[int]) -> None:
        super().__init__()
        self._numbers = numbers
        self._decoder: _Decoder | None = None
        self._out: list[tuple[int, bytes]] = []

    def take(self) -> list[tuple[int, bytes]]:
        """What has been decoded since the last call, joined by part."""
        joined: dict[int, list[bytes]] = {}
        for number, octets in self._out:
            joined.setdefault(number, []).append(octets)
        self._out.clear()
        return [(number, b"".join(pieces)) for number, pieces in joined.items()]

    def entered(self, part: Part, separator: bytes) -> None:
        self._decoder = _Decoder(part.transfer_encoding) if self.number in self._numbers else None

    def body(self, line: bytes) -> None:
        if self._decoder is not None:
            self._out.append((self.number, self._decoder.line(line)))

    def leave_part(self) -> None:
        if self._decoder is not None:
            self._out.append((self.number, self._decoder.end()))
            self._decoder = None
