"""The queue: which claims are tried when (RFC 5321 §4.5.4).

- A claim comes by offer (just committed) or by poll (due on disk). Either way it waits in its Destination.
- What may be in hand, and each destination's share of it, is the Room's to say; Lanes carry, the Settler writes down.
- Older mail goes first: while the spool has a backlog of a connector for a destination, offers of it are refused.
- The parts are supervised: an error of ours costs a message a delay, and never the queue.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from staffetta.mail.consignment import Courier
from staffetta.queue.alarm import Alarm
from staffetta.queue.book import Book
from staffetta.queue.bounce import RouteNotification
from staffetta.queue.clock import Clock
from staffetta.queue.destination import Destination
from staffetta.queue.gates import Gates
from staffetta.queue.lanes import Lanes
from staffetta.queue.lines import Line
from staffetta.queue.orders import Orders
from staffetta.queue.pace import Pace
from staffetta.queue.room import Room, Space
from staffetta.queue.round import LinePlace, Round
from staffetta.queue.settler import Settler
from staffetta.queue.shaper import Shaper
from staffetta.queue.slots import Slots
from staffetta.queue.supervision import Supervisor
from staffetta.queue.suspensions import Suspensions
from staffetta.settings.model import Settings
from staffetta.spool.spool import CarriedOut, Claim, CommandVerb, QueueCommand, Spool, SpoolUnavailable

_PROBE_CLAIMS_MAX = 100  # what is read for a destination in trouble: most of it will be given back
_POLL_SECONDS_MIN = 0.02  # many due times lie close together; they share a poll
_PATIENCE_SECONDS = 0.5  # after which others must make room: what is carried ends much sooner, unless it is stuck
_WALK_PAUSES = 4  # the walk from line to line is a fifth of the reader's time at most
_NEXT_OF_LINE_SECONDS = 1.0  # a line tells of its earliest alone, so after that one it is looked at again
_TROUBLE_SECONDS = 5.0  # how long a destination is left alone that could not be read
_SETTLE_SECONDS = 10.0  # how long a stop waits for outcomes to become durable
_ORDER_SECONDS = 5.0  # how long a stop waits for a command under way; the next start goes on with it

_WORTH_A_PROBE = (
    *(CommandVerb.RETRY, CommandVerb.RELEASE, CommandVerb.REDIRECT, CommandVerb.REOPEN, CommandVerb.RESUME),
)

_log = structlog.get_logger()


class QueueManager:
    """See the head of this file. now: seconds since 1970. draw: 0 to 1.

    book, slots: what the queues of several workers share; the slots are this queue's to close.
    """

    def __init__(
        self,
        spool: Spool,
        courier: Courier,
        get_settings: Callable[[], Settings],
        *,
        route_notification: RouteNotification,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
        book: Book | None = None,
        slots: Slots | None = None,
    ) -> None:
        self._book = book
        self._slots = slots
        self._spool = spool
        self._now = now
        self._alarm = Alarm(now)
        self._clock = Clock(now)
        self._supervisor = Supervisor()
        self._room = Room(spool, get_settings, on_free=self._alarm.ask)
        self._turns = Round()
        self._impatience: asyncio.TimerHandle | None = None  # runs while there is no room for all that is asked for
        self._is_patient = True
        self._shaper = Shaper(get_settings, book)
        self._gates = Gates(
            get_settings, now=now, on_turn=lambda place, connector: self._lanes.call(place, connector), book=book
        )
        self._suspensions = Suspensions()
        self._pace = Pace(now())
        self._settler = Settler(
            spool,
            get_settings,
            route_notification=route_notification,
            supervisor=self._supervisor,
            shaper=self._shaper,
            gates=self._gates,
            now=now,
            on_over=self._settled,
        )
        self._orders = Orders(
            spool,
            room=self._room,
            settler=self._settler,
            suspensions=self._suspensions,
            supervisor=self._supervisor,
            now=now,
            on_done=self._commanded,
        )
        self._lanes = Lanes(
            spool,
            courier,
            get_settings,
            room=self._room,
            turns=self._turns,
            alarm=self._alarm,
            orders=self._orders,
            settler=self._settler,
            shaper=self._shaper,
            gates=self._gates,
            supervisor=self._supervisor,
            clock=self._clock,
            now=now,
            draw=draw,
            book=book,
            slots=slots,
        )

    async def start(self) -> None:
        """Begin: take offers, and what is due on disk. Raises SpoolUnavailable."""
        self._clock.look()
        marks = await self._spool.marks()
        self._shaper.remember(marks)
        self._gates.remember(marks)
        if self._book:
            self._book.remember(marks)
        self._suspensions.remember(await self._spool.suspensions())
        self._spool.subscribe(self._offer)
        self._supervisor.start("settler", self._settler.run)
        self._supervisor.start("poll", self._poll)
        self._supervisor.start("orders", self._orders.run)

    async def drain(self, grace_seconds: float) -> None:
        """Take nothing new, let attempts under way finish within the grace, settle them, give the rest back."""
        self._room.is_closed = True
        self._be_patient()
        self._gates.close()
        await self._supervisor.stop("poll")
        self._room.give_back_waiting(lambda claim: True)
        await self._lanes.drain(grace_seconds)
        self._settler.finish()
        if not await self._supervisor.stop("settler", _SETTLE_SECONDS):
            _log.error("outcomes lost, their messages will be tried again")
        self._orders.finish()
        await self._supervisor.stop("orders", _ORDER_SECONDS)
        if self._slots:
            self._slots.close()

    @property
    def in_hand(self) -> int:
        """Claims taken and not yet over."""
        return self._room.claims

    @property
    def octets_in_hand(self) -> int:
        """About the memory that they take."""
        return self._room.octets

    def troubles(self) -> list[str]:
        """Which of its parts is not well, in words for the administrator."""
        return [f"queue: {trouble}" for trouble in self._supervisor.troubles()]

    # Claims come.

    def _offer(self, claim: Claim) -> bool:
        """Take a claim that was just committed, if nothing older waits on disk, and there is room."""
        self._pace.came(claim)
        if self._suspensions.hold(claim.route, claim.destination):
            return False
        destination = self._room.destination(claim.route, claim.destination)
        line = destination.waiting.line(claim.connector)
        now = self._now()
        if not line.has_backlog and destination.is_open(now) and self._room.space(destination, line):
            self._room.take(destination, [claim])
            self._lanes.open(destination)
            return True
        line.has_backlog = True
        if not self._room.is_closed:
            self._lanes.ask_for_more(destination, line, now)
        return False

    async def _poll(self) -> None:
        """Read what is due, again and again, when someone expects that it is worth it."""
        self._alarm.by(self._now())
        clock, walk_at = asyncio.get_running_loop().time, 0.0
        while True:
            began = clock()
            try:
                if self._alarm.rings(walk_at):
                    await self._mind_the_clock()
                    await self._walk(self._now())
                    walk_at = clock() + _WALK_PAUSES * (clock() - began)
                await self._read()
            except SpoolUnavailable as error:
                _log.error("queue cannot be read", error=str(error))
                self._alarm.by(self._now() + _TROUBLE_SECONDS)
            if flows := self._pace.take(self._now()):
                self._spool.post_flows(flows)
            await asyncio.sleep(max(_POLL_SECONDS_MIN, clock() - began))  # half of the reader's time at most
            await self._alarm.wait(walk_at)

    async def _mind_the_clock(self) -> None:
        """Where it was set, all that waits by the old one is worth a look. Raises SpoolUnavailable."""
        if step := self._clock.look():
            for destination in self._room.destinations.values():
                destination.retry_now()
                destination.wait, destination.is_wait_long = None, False
                self._lanes.open(destination)
            if step < 0:
                await self._spool.bring_forward(-step, self._now())

    async def _walk(self, now: float) -> None:
        """Find the lines that are due now, earliest first."""
        self._alarm.set()
        for due in await self._spool.due():
            if due.due_at > now:
                self._alarm.by(due.due_at)
                return
            self._turns.add([(due.route, due.destination, due.connector)])

    async def _read(self) -> None:
        """Give each line its turn, as far as there is room. One that cannot be read harms no other destination."""
        if not self._room.is_full:
            self._be_patient()
        self._room.is_full = False
        for _ in range(len(self._turns)):
            place = self._turns.take()
            if not await self._supervisor.survives("poll", self._read_line(place, self._now())):
                route, name, connector = place
                destination = self._room.destination(route, name)
                destination.waiting.line(connector).has_backlog = True
                self._leave_alone(destination)
        if self._room.is_full and self._impatience is None:
            self._impatience = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._lose_patience)

    def _be_patient(self) -> None:
        self._is_patient = True
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _lose_patience(self) -> None:
        self._is_patient, self._impatience = False, None
        self._alarm.ask()

    async def _read_line(self, place: LinePlace, now: float) -> None:
        route, name, connector = place
        if self._suspensions.hold(route, name):
            return
        destination = self._room.destination(route, name)
        line = destination.waiting.line(connector)
        self._lanes.is_to_wait(destination, now)
        if not destination.is_open(now):
            line.has_backlog = True
            self._alarm.by(destination.open_at)
            if destination.is_to_be_swept(line):
                await self._sweep(destination, line, now)
        elif not line.is_far and self._room.wants_more(destination, line):
            await self._pull_from(destination, line, now)
        else:
            line.has_backlog = True  # a lane asks when enough of it is done, or its gate calls it

    async def _pull_from(self, destination: Destination, line: Line, now: float) -> None:
        space = self._room.space(destination, line, is_patient=self._is_patient)
        if not space:
            self._room.is_full = line.has_backlog = True
            self._turns.add([(destination.route, destination.name, line.connector)])
            return
        line.has_backlog = False  # an offer that is refused from here on sets it again
        part = space.within(self._turns.part(self._room.most()))
        destination, line = await self._claim(destination, line, part, now)
        self._alarm.by(now + _NEXT_OF_LINE_SECONDS)
        self._lanes.open(destination)
        destination.waiting.forget_if_idle(line)
        self._room.forget_if_idle(destination)

    async def _sweep(self, destination: Destination, line: Line, now: float) -> None:
        """Go through the backlog of a destination in trouble for those whose sender must hear of it by now.

        They are at the front, since the oldest are due first; so the first batch without one is the last.
        """
        if space := self._room.space(destination, line):
            self._lanes.turn_away(*await self._claim(destination, line, space, now), now)

    async def _claim(self, destination: Destination, line: Line, space: Space, now: float) -> tuple[Destination, Line]:
        """Have what is due of the line wait, as far as there is space. Return both as they are known after the read."""
        route, name, connector = destination.route, destination.name, line.connector
        if destination.troubles:
            space = Space(min(space.claims, _PROBE_CLAIMS_MAX), space.octets)
        claims: Sequence[Claim] = ()
        error: SpoolUnavailable | None = None
        try:
            with self._room.promising(space):
                claims = await self._spool.claim(route, name, connector, now, space.claims, octets_max=space.octets)
        except SpoolUnavailable as unavailable:
            error = unavailable
        # Meanwhile a lane may have ended, and what had nothing left was forgotten.
        destination = self._room.destination(route, name)
        line = destination.waiting.line(connector)
        if error is not None:
            _log.error("destination cannot be read", destination=name, error=str(error))
            self._leave_alone(destination)
            line.has_backlog = True
        self._room.take(destination, claims)
        octets = sum(claim.octets_in_memory for claim in claims)
        line.has_backlog |= len(claims) >= space.claims or octets >= space.octets
        return destination, line

    def _leave_alone(self, destination: Destination) -> None:
        destination.not_before = max(destination.not_before, self._now() + _TROUBLE_SECONDS)
        self._alarm.by(destination.not_before)

    # Claims go.

    def _settled(self, claim: Claim, due_at: float | None) -> None:
        self._room.over(claim)
        if due_at is None:
            self._pace.went(claim)
        if due_at is not None:
            self._alarm.by(due_at)

    # Administrators.

    def _commanded(self, command: QueueCommand, done: CarriedOut) -> None:
        """What was released or is to be retried is worth a probe, whatever the destination's trouble was."""
        _log.info(
            "queue command",
            verb=str(command.verb),
            by=command.asked_by,
            route=command.route,
            destination=command.destination,
            recipients=done.changed,
            claimed=len(done.claimed),
        )
        if command.verb in _WORTH_A_PROBE:
            for destination in self._room.destinations.values():
                destination.retry_now()
        self._alarm.by(self._now())
