"""Following one probe: into the queue, through our trace, to where it arrives; and how long each leg took.

Rule: all is read from outside, as an administrator would: trace, mailbox, another's API. The queue knows no probes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from staffetta.probing.arrivals import NotSeen, Place, place_of
from staffetta.probing.plan import Leg, Marked, Plan, ProbeFailed, Report, marked
from staffetta.settings.probes import Expect
from staffetta.trace.events import EventKind, Status
from staffetta.trace.query import TraceQuery
from staffetta.trace.search import TraceRow, TraceUnavailable, search

LOOK_SECONDS = 0.25
LOOK_FAR_SECONDS = 1.0  # a mailbox elsewhere
_HANDED_OVER = (EventKind.SEND.value, EventKind.DELIVER.value)
_BAD_SUBJECTS = ("undeliver", "fail", "returned", "not delivered", "delay")

Submit = Callable[[Plan, Marked], Awaitable[str]]
"""Puts a probe into the queue and returns its queue id. Raises ProbeFailed."""


@dataclass(slots=True)
class _Way:
    plan: Plan
    probe: Marked
    queue_id: str
    spool: Path
    sent_at: float
    deadline: float
    now: Callable[[], float]
    legs: list[Leg] = field(default_factory=list)
    header: str = ""
    handed_over_at: float = 0.0


async def follow(
    plan: Plan, submit: Submit, *, hostname: str, spool: Path, now: Callable[[], float] = time.time
) -> Report:
    """Send a probe and return what came of it. spool: folder of the relay's spool. now: seconds since 1970.

    Raises ProbeFailed where it cannot even be sent.
    """
    sent_at = now()
    probe = marked(plan, hostname, sent_at)
    queue_id = await submit(plan, probe)
    way = _Way(plan, probe, queue_id, spool, sent_at, sent_at + plan.timeout_seconds, now)
    trouble = None
    try:
        await _through_the_queue(way)
        await _to_the_end(way)
    except ProbeFailed as error:
        trouble = str(error)
    return Report(probe.token, queue_id, probe.message_id, sent_at, tuple(way.legs), trouble, way.header)


async def _through_the_queue(way: _Way) -> None:
    """Raises ProbeFailed."""
    while True:
        rows = await _trace(way.spool, TraceQuery(queue_id=way.queue_id))
        row = rows[0] if rows else None
        if row is not None and row.status is Status.DELIVERED:
            break
        if row is not None and row.status is Status.FAILED:
            raise ProbeFailed(f"it was refused: {row.diagnostic or row.state}")
        if way.now() >= way.deadline:
            raise ProbeFailed(_late(way, f"it waits in the queue: {_waiting(row)}"))
        await asyncio.sleep(LOOK_SECONDS)
    attempts = [_at(event) for event in row.events if event["event"] == EventKind.ATTEMPT]
    last = next((event for event in reversed(row.events) if event["event"] in _HANDED_OVER), row.events[-1])
    begun, way.handed_over_at = attempts[-1] if attempts else _at(last), _at(last)
    tries = "at once" if len(attempts) <= 1 else f"by attempt {len(attempts)}"
    tls = f", {last['tls']}" if last.get("tls") else ""
    way.legs.append(Leg("queue", max(0.0, begun - way.sent_at), f"route {row.route}, {tries}"))
    host = last.get("host") or row.destination
    way.legs.append(Leg("handover", max(0.0, way.handed_over_at - begun), f"{host}{tls}: {last.get('reply')}"))


def _waiting(row: TraceRow | None) -> str:
    return (row.diagnostic or str(row.status)) if row is not None else "the trace has not got it"


async def _to_the_end(way: _Way) -> None:
    """Raises ProbeFailed."""
    async with place_of(way.plan, way.probe) as place:
        if place is not None:
            await _at_place(way, place)
        elif way.plan.expect is Expect.DSN:
            await _notified(way)


async def _at_place(way: _Way, place: Place) -> None:
    pause = LOOK_SECONDS if way.plan.expect is Expect.MAILDIR else LOOK_FAR_SECONDS
    trouble = ""
    while True:
        try:
            arrival = await place.look()
            trouble = ""
        except NotSeen as error:
            arrival, trouble = None, f" ({error})"
        if arrival is not None:
            way.header = arrival.header
            seconds = max(0.0, arrival.at - way.handed_over_at)
            way.legs.append(Leg("arrival", seconds, arrival.where))
            return
        if way.now() >= way.deadline:
            raise ProbeFailed(_late(way, f"the next hop has taken it, but it did not arrive{trouble}"))
        await asyncio.sleep(pause)


async def _notified(way: _Way) -> None:
    """Wait for a notification to the probe's sender in our own trace."""
    back_to = str(way.probe.envelope.reverse_path)
    query = TraceQuery(sender="", recipient=back_to, after=way.sent_at - 1)
    while True:
        for row in await _trace(way.spool, query):
            subject = row.subject or ""
            if way.probe.token not in back_to and way.probe.token not in subject:
                continue
            if any(word in subject.lower() for word in _BAD_SUBJECTS):
                raise ProbeFailed(f"a notification came back: {subject}")
            received = datetime.fromisoformat(row.received_at).timestamp()
            way.legs.append(Leg("arrival", max(0.0, received - way.handed_over_at), f"notification “{subject}”"))
            return
        if way.now() >= way.deadline:
            raise ProbeFailed(_late(way, "the next hop has taken it, but no notification came back"))
        await asyncio.sleep(LOOK_SECONDS)


async def _trace(spool: Path, query: TraceQuery) -> Sequence[TraceRow]:
    """Raises ProbeFailed."""
    try:
        return (await asyncio.to_thread(search, spool, query)).rows
    except TraceUnavailable as error:
        raise ProbeFailed(f"the trace cannot be read: {error}") from None


def _late(way: _Way, what: str) -> str:
    return f"after {way.plan.timeout_seconds:g} s {what}"


def _at(event: dict[str, object]) -> float:
    return datetime.fromisoformat(str(event["at"])).timestamp()
