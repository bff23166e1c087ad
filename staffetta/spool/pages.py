"""A SQLite file read page by page, without SQLite, so that a damaged page costs what stood on it and no more.

Source: https://sqlite.org/fileformat2.html. The write-ahead log counts as far as its checksums hold, as SQLite has it.
Rule 1: what a tree reaches from its root is current. What stands on any other page may be older than what was lost.
Rule 2: nothing here trusts an octet: every offset, length and page number is checked before it is used.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Values = tuple[str | int | float | bytes | None, ...]
_MAGIC = b"SQLite format 3\0"
_HEADER_OCTETS = 100  # of the database, before the tree on page 1
_WAL_HEADER_OCTETS = 32
_FRAME_HEADER_OCTETS = 24
_WAL_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
_PAGE_OCTETS_DEFAULT = 4096
_INTERIOR = {0x02, 0x05}
_INDEX = {0x02, 0x0A}
_KINDS = {0x02, 0x05, 0x0A, 0x0D}
_PAYLOAD_OCTETS_MAX = 1_000_000_000  # SQLite's own limit
_INTEGER_OCTETS = (0, 1, 2, 3, 4, 6, 8)


class BadPage(Exception):
    """These octets are not what they should be."""


@dataclass(slots=True)
class Found:
    """What stands on one page: child pages, rows in the order of their columns, and whether some of it is damaged.

    A table's integer key stands in the first column, where SQLite stores NULL.
    """

    kind: int = 0
    children: list[int] = field(default_factory=list)
    rows: list[Values] = field(default_factory=list)
    is_damaged: bool = False


class Pages:
    """The pages of a database file under its write-ahead log; both are read and never written.

    database, wal: the files' octets, mapped or read; empty where there is none.
    """

    def __init__(self, database: memoryview, wal: memoryview) -> None:
        self._database = database
        self._wal = wal
        self.page_octets = _page_octets(database, wal)
        log = read_log(wal, self.page_octets)
        self.log_damage = log.damage
        self._overlay = {number: log.frames[place] for place, number in enumerate(log.numbers)}
        self._stale = log.frames[len(log.numbers) :]
        self._stale_by_number = dict(zip(log.stale_numbers, self._stale, strict=True))
        self.count = max(len(database) // self.page_octets, max(self._overlay, default=0))

    def page(self, number: int) -> memoryview:
        """Return a page as it is now, counted from 1. Raises BadPage where the file has no such page."""
        if number in self._overlay:
            return self._overlay[number]
        start = (number - 1) * self.page_octets
        if number < 1 or start + self.page_octets > len(self._database):
            raise BadPage
        return self._database[start : start + self.page_octets]

    def read(self, number: int) -> Found:
        """Return what stands on a page of a tree."""
        try:
            page = self.page(number)
        except BadPage:
            return Found(is_damaged=True)
        return self._parse(page, _HEADER_OCTETS if number == 1 else 0, {})

    def stale(self) -> Iterator[Found]:
        """Yield what stands on pages of the log that SQLite would not read, the newest first."""
        for frame in reversed(self._stale):
            yield self._parse(frame, 0, self._stale_by_number)

    def free_pages(self) -> set[int]:
        """Return the pages that hold nothing now, as far as the list of them can be read."""
        free: set[int] = set()
        try:
            trunk = _u32(self.page(1), 32)
            while trunk and trunk not in free:
                free.add(trunk)
                page = self.page(trunk)
                count = _u32(page, 4)
                if count > self.page_octets // 4 - 2:
                    raise BadPage
                free.update(struct.unpack_from(f">{count}I", page, 8))
                trunk = _u32(page, 0)
        except BadPage:
            pass
        return free

    def version(self) -> int:
        """Return the database's user_version as it stands, 0 where that cannot be read."""
        try:
            head = self.page(1)
        except BadPage:
            return 0
        return _u32(head, 60) if bytes(head[:16]) == _MAGIC else 0

    def _parse(self, page: memoryview, start: int, above: Mapping[int, memoryview]) -> Found:
        """above: pages that are looked at before those that are current."""
        kind = page[start]
        if kind not in _KINDS:
            return Found(is_damaged=True)
        found = Found(kind)
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        pointers = start + (12 if kind in _INTERIOR else 8)
        if pointers + 2 * count > len(page):
            return Found(is_damaged=True)
        for (offset,) in struct.iter_unpack(">H", page[pointers : pointers + 2 * count]):
            try:
                self._parse_cell(page, offset, found, above)
            except (BadPage, UnicodeDecodeError):
                found.is_damaged = True
        if kind in _INTERIOR:
            found.children.append(_u32(page, start + 8))
        return found

    def _parse_cell(self, page: memoryview, at: int, found: Found, above: Mapping[int, memoryview]) -> None:
        if found.kind in _INTERIOR:
            found.children.append(_u32(page, at))
            at += 4
        if found.kind == 0x05:
            return
        size, at = _varint(page, at)
        key: int | None = None
        if found.kind not in _INDEX:
            key, at = _varint(page, at)
            key -= (key >> 63) << 64
        local = self._local_octets(size, is_index=found.kind in _INDEX)
        row = _decode(self._payload(page, at, size, local, above))
        if key is not None and row and row[0] is None:
            row = (key, *row[1:])
        found.rows.append(row)

    def _local_octets(self, size: int, *, is_index: bool) -> int:
        """Return how much of a payload stands on the page of its tree; the rest is on overflow pages."""
        usable = self.page_octets
        local_max = (usable - 12) * 64 // 255 - 23 if is_index else usable - 35
        if size <= local_max:
            return size
        local_min = (usable - 12) * 32 // 255 - 23
        local = local_min + (size - local_min) % (usable - 4)
        return local if local <= local_max else local_min

    def _payload(self, page: memoryview, at: int, size: int, local: int, above: Mapping[int, memoryview]) -> bytes:
        if at + local > len(page) or size > _PAYLOAD_OCTETS_MAX:
            raise BadPage
        pieces = [bytes(page[at : at + local])]
        rest = size - local
        following = _u32(page, at + local) if rest else 0
        while rest > 0:
            overflow = bytes(above[following] if following in above else self.page(following))
            if not any(overflow):
                raise BadPage  # what a disk gives for a lost block; mail has no page full of NUL
            pieces.append(overflow[4 : 4 + min(rest, self.page_octets - 4)])
            following = int.from_bytes(overflow[:4], "big")
            rest -= self.page_octets - 4
        if following:
            raise BadPage  # the chain goes on after the last octet, so these are not its pages
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Log:
    """A write-ahead log. frames: every page in it.

    numbers: the page numbers of the first frames, which commits cover; stale_numbers: those of the others.
    damage: why SQLite would pass in silence over commits that were synced; None where it would not.
    """

    frames: list[memoryview]
    numbers: list[int]
    stale_numbers: list[int]
    damage: str | None


def read_log(wal: memoryview, page_octets: int | None = None) -> Log:
    """Read a log as SQLite's recovery does, and say what that would miss.

    The head is synced before anything that counts, and fits a sector: a power cut does not leave half of it. A commit
    is synced before the next is written: with two of them behind a bad frame, the first one's frames were on the disk.
    """
    size = _FRAME_HEADER_OCTETS + (page_octets or _page_octets(memoryview(b""), wal))
    starts = range(_WAL_HEADER_OCTETS, len(wal) - size + 1, size)
    frames = [wal[start + _FRAME_HEADER_OCTETS : start + size] for start in starts]
    if not frames:
        return Log([], [], [], None)
    headers = [wal[start : start + _FRAME_HEADER_OCTETS] for start in starts]
    all_numbers = [_u32(header, 0) for header in headers]
    order = _WAL_MAGIC.get(_u32(wal, 0))
    if order is None or _checksum(order, wal[:24], (0, 0)) != struct.unpack_from(">II", wal, 24):
        return Log(frames, [], all_numbers, "the head of its -wal file is damaged")
    salts = wal[16:24]
    sums = _checksum(order, wal[:24], (0, 0))
    valid = committed = 0
    for place, header in enumerate(headers):
        sums = _checksum(order, frames[place], _checksum(order, header[:8], sums))
        if header[8:16] != salts or sums != struct.unpack_from(">II", header, 16):
            break
        valid = place + 1
        if _u32(header, 4):
            committed = valid
    behind = sum(header[8:16] == salts and _u32(header, 4) > 0 for header in headers[valid + 1 :])
    damage = f"frame {valid + 1} of its -wal file is damaged, and commits stand behind it" if behind > 1 else None
    return Log(frames, all_numbers[:committed], all_numbers[committed:], damage)


def tree(pages: Pages, root: int, seen: set[int]) -> Iterator[Found]:
    """Yield the pages of a tree from its root, each once; `seen` gets their numbers, without what is damaged."""
    waiting = [root]
    kinds = None
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        found = pages.read(number)
        if kinds is None:
            kinds = _INDEX if found.kind in _INDEX else _KINDS - _INDEX
        if found.kind not in kinds:
            yield Found(is_damaged=True)
            continue
        if not found.is_damaged:
            seen.add(number)
        waiting += reversed(found.children)
        yield found


def _page_octets(database: memoryview, wal: memoryview) -> int:
    sizes = []
    if len(database) >= _HEADER_OCTETS:
        size = int.from_bytes(database[16:18], "big")
        sizes.append(65_536 if size == 1 else size)
    if len(wal) > _WAL_HEADER_OCTETS:
        sizes.append(_u32(wal, 8))
    return next((size for size in sizes if 512 <= size <= 65_536 and size & (size - 1) == 0), _PAGE_OCTETS_DEFAULT)


def _u32(octets: memoryview, at: int) -> int:
    if at + 4 > len(octets):
        raise BadPage
    return int.from_bytes(octets[at : at + 4], "big")


def _varint(octets: memoryview | bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(9):
        if at >= len(octets):
            raise BadPage
        octet = octets[at]
        at += 1
        if place == 8:
            return value << 8 | octet, at
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            break
    return value, at


def _decode(record: bytes) -> Values:
    header_size, at = _varint(record, 0)
    if header_size > len(record):
        raise BadPage
    kinds = []
    while at < header_size:
        kind, at = _varint(record, at)
        kinds.append(kind)
    if at != header_size:
        raise BadPage
    values: list[str | int | float | bytes | None] = []
    for kind in kinds:
        value, at = _value(record, at, kind)
        values.append(value)
    if at != len(record):
        raise BadPage
    return tuple(values)


def _value(record: bytes, at: int, kind: int) -> tuple[str | int | float | bytes | None, int]:
    if kind in (0, 8, 9):
        return (None if kind == 0 else kind - 8), at
    if kind in (10, 11):
        raise BadPage
    size = 8 if kind == 7 else _INTEGER_OCTETS[kind] if kind < 7 else (kind - 12) // 2
    octets = record[at : at + size]
    if len(octets) < size:
        raise BadPage
    at += size
    if kind == 7:
        return float(struct.unpack(">d", octets)[0]), at
    if kind < 7:
        return int.from_bytes(octets, "big", signed=True), at
    return (octets if kind % 2 == 0 else octets.decode("utf-8")), at


def _checksum(order: str, octets: memoryview, sums: Sequence[int]) -> tuple[int, int]:
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(octets) // 4}I", octets))
    for one, two in zip(words, words, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
