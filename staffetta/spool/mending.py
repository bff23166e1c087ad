"""What heals and what ages: attempts cut short, and rows past their time (docs/spool.md)."""

import sqlite3
from collections.abc import Callable

from staffetta.mail.outcome import Stage, Unknown
from staffetta.mail.queue_id import make_number
from staffetta.spool.change import Change, RowMaker, write
from staffetta.spool.database import SQL, transaction
from staffetta.spool.spool import RecipientState, Settlement
from staffetta.trace.events import Detail, Event, EventKind
from staffetta.trace.flow import SLOT_SECONDS

MESSAGES_PER_SWEEP = 500  # some 10 ms of the commit thread; clients do not notice
SWEEP_SECONDS = 10.0
REFUSALS_MAX = 1_000_000  # some 300 MB; a flood must not fill the disk with what it was told
_SWEEPS_PER_COUNT = 60  # counting a million takes some 50 ms
_HOURS_KEPT = 48  # of what routes carried; limits look at 24 (queue/shaping.py)
_CROWDING_SECONDS_KEPT = 86_400.0  # by then it limits nothing (queue/crowding.py)
_REASON = "the attempt was cut short; whether the next hop has the message is not known"
_CUT_SHORT = Unknown(status="4.4.2", diagnostic=_REASON, stage=Stage.FINAL_DOT)


def unknown(
    number: int,
    recipient: int,
    outcome: Unknown,
    detail: Detail,
    *,
    is_once: bool,
    now: float,
    unknown_retry_seconds: float,
) -> Settlement:
    """The next hop may have the message: try again later, or hold it where the connector says "never twice".

    detail: what the trace tells of the outcome.
    """
    events = [Event(now, EventKind.UNKNOWN, recipient, detail)]
    if is_once:
        events.append(Event(now, EventKind.HOLD, recipient, {"reason": "the connector says never twice"}))
    return Settlement(
        number,
        recipient,
        RecipientState.HELD if is_once else RecipientState.UNKNOWN,
        None if is_once else now + unknown_retry_seconds,
        outcome,
        events=events,
    )


def cut_short(number: int, recipient: int, *, is_once: bool, now: float, unknown_retry_seconds: float) -> Settlement:
    """Return what becomes of a recipient whose attempt began and has no outcome."""
    return unknown(
        number,
        recipient,
        _CUT_SHORT,
        {"reason": _REASON},
        is_once=is_once,
        now=now,
        unknown_retry_seconds=unknown_retry_seconds,
    )


def never_sent(number: int, recipient: int, *, now: float) -> Settlement:
    """Return what becomes of a recipient whose attempt could not be written down, so that nothing was sent."""
    return Settlement(number, recipient, RecipientState.DEFERRED, now, outcome=None, counts_as_attempt=False)


def mend_interrupted(
    connection: sqlite3.Connection, maker: RowMaker, *, now: float, unknown_retry_seconds: float
) -> int:
    """Settle what a crash left in attempt, in one transaction; return how many. Raises sqlite3.Error."""
    with transaction(connection):
        settlements = [
            cut_short(number, place, is_once=bool(once), now=now, unknown_retry_seconds=unknown_retry_seconds)
            for number, place, once in connection.execute(SQL["interrupted"]).fetchall()
        ]
        write(connection, [maker.settle(settlements)])
    return len(settlements)


class Sweeper:
    """Removes closed messages and refusals past their time, a few at a time, now and then.

    refusals_max: beyond it the oldest go before their time.
    """

    def __init__(self, seconds_kept: float, clock: Callable[[], float], *, refusals_max: int = REFUSALS_MAX) -> None:
        self._seconds_kept = seconds_kept
        self._refusals_max = refusals_max
        self._refusals_below = 0  # as of the last count
        self._sweeps = 0
        self._clock = clock
        self._next_sweep = clock()

    def next_change(self) -> Change | None:
        """Return the next sweep when it is time for one."""
        now = self._clock()
        if now < self._next_sweep:
            return None
        self._next_sweep = now + SWEEP_SECONDS
        oldest_kept = now - self._seconds_kept
        return Change(act=lambda connection: self._sweep(connection, oldest_kept))

    def _sweep(self, connection: sqlite3.Connection, oldest_kept: float) -> None:
        below = make_number(int(oldest_kept * 1_000_000), 0, 0)
        expired = connection.execute(SQL["expired_messages"], (below, MESSAGES_PER_SWEEP)).fetchall()
        for table in ("event", "recipient", "content", "message"):
            connection.executemany(f"DELETE FROM {table} WHERE number = ?", expired)
        if self._sweeps % _SWEEPS_PER_COUNT == 0:
            self._count_refusals(connection)
        self._sweeps += 1
        refused = connection.execute(
            "DELETE FROM refusal WHERE number IN (SELECT number FROM refusal WHERE number < ? LIMIT ?)",
            (max(below, self._refusals_below), MESSAGES_PER_SWEEP),
        )
        connection.execute("DELETE FROM queue_command WHERE done_at < ?", (oldest_kept,))
        now = self._clock()
        connection.execute(SQL["sweep_pace"], (now,))
        connection.execute(SQL["sweep_crowding"], (now - _CROWDING_SECONDS_KEPT,))
        connection.execute(SQL["sweep_hours"], (int(now // 3600) - _HOURS_KEPT,))
        connection.execute("DELETE FROM flow WHERE slot < ?", (int(oldest_kept // SLOT_SECONDS),))
        if MESSAGES_PER_SWEEP in (len(expired), refused.rowcount):
            self._next_sweep = 0.0  # there is more: at the next tick

    def _count_refusals(self, connection: sqlite3.Connection) -> None:
        newest_too_many = connection.execute(
            "SELECT number FROM refusal ORDER BY number DESC LIMIT 1 OFFSET ?", (self._refusals_max,)
        ).fetchone()
        self._refusals_below = newest_too_many[0] + 1 if newest_too_many else 0
