"""A search is made in pieces, the newest first, each of which reads a bounded number of rows.

Rule 1: a piece is a range of numbers, and so of time; together they cover what is asked about, and no number twice.
Rule 2: how many rows there are is found by an index or by steps over a table, without looking at any of them.
So whoever searches may stop after any piece, and say how far back he has been.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SLICE_BITS = 40  # indexes start with number >> 40, some 72 minutes (spool/migrations/0001_start.sql)
ROWS_FIRST, ROWS_MAX = 1_000, 32_000
"""Of the first piece, so that what is there often costs little; and of the later ones, which double."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows are come by. table: message or recipient. index: "" for the table itself. where: which of its rows.

    is_sliced: the index starts with the slice of time.
    """

    table: str
    index: str = ""
    where: str = "TRUE"
    values: Sequence[object] = ()
    is_sliced: bool = False

    @property
    def letter(self) -> str:
        """How statements call the table."""
        return self.table[0]

    @property
    def named(self) -> str:
        """As it stands after FROM."""
        # By name, since the planner thinks that a walk over all numbers is as good.
        return f"{self.table} {self.letter}{f' INDEXED BY {self.index}' if self.index else ''}"

    @property
    def number(self) -> str:
        return f"{self.letter}.number"


@dataclass(frozen=True, slots=True)
class Piece:
    """low, high: the first and the last number. rows: what is read of the source, at most. where: slices, if any.

    is_last: there is nothing below.
    """

    low: int
    high: int
    rows: int
    where: str = ""
    is_last: bool = False


def pieces(connection: sqlite3.Connection, source: Source, low: int, high: int) -> Iterator[Piece]:
    """Yield the pieces between two numbers. Raises sqlite3.Error."""
    if source.is_sliced:
        yield from _sliced(connection, source, low, high)
    else:
        # Recipients are counted where messages are walked, since each is looked at with its message.
        yield from _walked(connection, source if source.index else Source("recipient"), low, high)


def _walked(connection: sqlite3.Connection, source: Source, low: int, high: int, also: str = "") -> Iterator[Piece]:
    """Go down the numbers. also: a further condition, which leaves the order of the index as it is."""
    rows = ROWS_FIRST
    while True:
        found = connection.execute(
            f"SELECT {source.number} FROM {source.named} "
            f"WHERE {source.where}{also} AND {source.number} BETWEEN ? AND ? "
            f"ORDER BY {source.number} DESC LIMIT 1 OFFSET ?",
            (*source.values, low, high, rows),
        ).fetchone()
        if found is None:
            yield Piece(low, high, rows, also, is_last=True)
            return
        (below,) = found
        begin = min(below + 1, high)  # one message may have more recipients than that
        yield Piece(begin, high, rows, also)
        high, rows = begin - 1, min(rows * 2, ROWS_MAX)


def _sliced(connection: sqlite3.Connection, source: Source, low: int, high: int) -> Iterator[Piece]:
    """Take slices together, ever more of them while they hold little."""
    first, last = connection.execute(
        "SELECT (SELECT min(number) FROM message), (SELECT max(number) FROM message)"
    ).fetchone()
    low, high = max(low, first or 0), min(high, last or 0)
    slices = range(high >> SLICE_BITS, (low >> SLICE_BITS) - 1, -1)
    begin, count = 0, 1
    while chosen := slices[begin : begin + count]:
        also = f" AND {source.number} >> {SLICE_BITS} IN ({', '.join(map(str, chosen))})"
        (rows,) = connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {source.named} WHERE {source.where}{also} LIMIT ?)",
            (*source.values, ROWS_MAX + 1),
        ).fetchone()
        if rows > ROWS_MAX and len(chosen) > 1:
            count = len(chosen) // 2
            continue
        begin += len(chosen)
        is_last = begin >= len(slices)
        bottom, top = max(low, chosen[-1] << SLICE_BITS), min(high, (chosen[0] + 1 << SLICE_BITS) - 1)
        if rows <= ROWS_MAX:
            yield Piece(bottom, top, rows, also, is_last)
            count = len(chosen) * 2 if rows < ROWS_MAX // 4 else len(chosen)
            continue
        for piece in _walked(connection, source, bottom, top, also):
            yield Piece(piece.low, piece.high, piece.rows, also, is_last and piece.is_last)
