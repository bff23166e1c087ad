"""Lanes carry: one claim after the other to one destination, as many at a time as its window and its work allow.

Rule 1: what came of an attempt goes to the Settler; the claim is over when its settlement is durable.
Rule 2: what the attempt tells of the destination is learnt at once; behind one in trouble nothing waits in memory.
Rule 3: what its route may not yet carry, or its connector not yet hand over, waits: in the line for a short while and
on disk for a long one; the other processes are told why.
Rule 4: an order that stands on a claim keeps it from an attempt, or is applied to what the attempt leaves open.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog

from staffetta.mail.consignment import Courier
from staffetta.mail.outcome import Deferred, Delivered, Outcome
from staffetta.queue.alarm import Alarm
from staffetta.queue.attempt import NotBegun, all_alike, attempt
from staffetta.queue.book import Book
from staffetta.queue.clock import Clock
from staffetta.queue.destination import Destination
from staffetta.queue.gates import Gates, Place, Turn
from staffetta.queue.lines import Line
from staffetta.queue.orders import Orders
from staffetta.queue.room import Room
from staffetta.queue.round import Round
from staffetta.queue.settler import Settler
from staffetta.queue.settling import Settled, is_overdue, settle, untried
from staffetta.queue.shaper import Shaper, Wait
from staffetta.queue.slots import Slots
from staffetta.queue.supervision import Supervisor
from staffetta.settings.model import Settings
from staffetta.spool.claims import split
from staffetta.spool.marks import Notice
from staffetta.spool.spool import Claim, Spool

_TROUBLE_SECONDS = 5.0  # how long nothing is tried after the disk, or we ourselves, could not begin an attempt

_SHORT_SECONDS = 30.0  # a line that waits longer for its route costs memory for nothing
_NOTICE_SECONDS = 5.0  # by how much a time must change to be told again
_TIMER_SECONDS_MIN = 0.01
_SLOT_SECONDS = 0.1  # between two looks for a slot, while other queues have all
_KEEP_SECONDS = 0.25  # how long a slot is kept for the next lane
_YIELD_SECONDS = 1.0  # how long a lane has its slot at least, while others wait for one

_log = structlog.get_logger()


class Lanes:
    """See the head of this file. now: seconds since 1970. draw: 0 to 1.

    book, slots: what the queues of several workers share.
    """

    def __init__(
        self,
        spool: Spool,
        courier: Courier,
        get_settings: Callable[[], Settings],
        *,
        room: Room,
        turns: Round,
        alarm: Alarm,
        orders: Orders,
        settler: Settler,
        shaper: Shaper,
        gates: Gates,
        supervisor: Supervisor,
        clock: Clock,
        now: Callable[[], float],
        draw: Callable[[], float],
        book: Book | None = None,
        slots: Slots | None = None,
    ) -> None:
        self._book = book
        self._slots = slots
        self._looking: dict[Place, asyncio.TimerHandle] = {}
        self._keeping: dict[Place, asyncio.TimerHandle] = {}
        self._spool = spool
        self._courier = courier
        self._get_settings = get_settings
        self._room = room
        self._turns = turns
        self._alarm = alarm
        self._orders = orders
        self._settler = settler
        self._shaper = shaper
        self._gates = gates
        self._supervisor = supervisor
        self._clock = clock
        self._now = now
        self._draw = draw
        self._lanes: set[asyncio.Task[None]] = set()

    def open(self, destination: Destination) -> None:
        """As many lanes as there are claims waiting, within the window."""
        limits = self._shaper.limits(destination.route)
        wanted = min(self._window(destination), destination.lanes + destination.waiting.ready)
        if limits.is_shaped:  # a lane that may carry opens the next
            wanted = min(wanted, destination.lanes + (destination.wait is None))
        while destination.lanes < wanted:
            slot = None
            if self._slots and (slot := self._slot(self._slots, destination, limits.concurrency)) is None:
                return
            destination.lanes += 1
            lane = asyncio.create_task(self._lane(destination, slot))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def drain(self, grace_seconds: float) -> None:
        """Let attempts under way finish within the grace, and cut off the others."""
        for timer in (*self._looking.values(), *self._keeping.values()):
            timer.cancel()
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=grace_seconds)
            for lane in late:
                lane.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def ask_for_more(self, destination: Destination, line: Line, now: float) -> None:
        """Have a backlog read when it is worth it."""
        if line.is_far or not self._room.wants_more(destination, line):
            return
        if destination.is_open(now):
            self._turns.add([(destination.route, destination.name, line.connector)])
            if not self._room.is_full:  # else the end of a claim asks
                self._alarm.ask()
        else:
            self._alarm.by(destination.open_at)

    def turn_away(self, destination: Destination, line: Line, now: float) -> None:
        """Empty a line to a destination in trouble: settle the overdue by what the probe met, give back the rest."""
        settings = self._clock.by_age(self._get_settings().queue)
        overdue = destination.waiting.withdraw(lambda claim: is_overdue(claim, now, settings), only=line)
        for claim in overdue:
            self._give_up(claim, destination.trouble)
        line.is_unswept = bool(overdue)
        self._alarm.by(now if overdue else destination.not_before)
        self._room.give_back(destination.waiting.empty(only=line))

    def is_to_wait(self, destination: Destination, now: float) -> bool:
        """Whether the destination still waits for its route; a change of the settings ends a wait."""
        wait = destination.wait
        if wait is not None and (now >= wait.until or wait.limits != self._shaper.limits(destination.route)):
            destination.wait, destination.is_wait_long = None, False
        return destination.wait is not None

    def _turn_all_away(self, destination: Destination, now: float) -> None:
        self._alarm.by(destination.not_before)
        for line in destination.waiting:
            if line.claims:
                self.turn_away(destination, line, now)
            else:  # nothing here by which to tell whether some of its backlog is overdue
                line.is_unswept = True
                self._alarm.by(now)

    def _concurrency(self, destination: Destination) -> int:
        return self._shaper.concurrency(destination.route, destination.name, self._now())

    def _window(self, destination: Destination) -> int:
        return destination.window(self._concurrency(destination))

    async def _lane(self, destination: Destination, slot: int | None) -> None:
        yields_at = self._now() + _YIELD_SECONDS
        try:
            while destination.waiting.ready and destination.lanes <= self._window(destination):
                now = self._now()
                if slot is not None and now >= yields_at:
                    if self._is_to_yield(destination):
                        return
                    yields_at = now + _SLOT_SECONDS
                line = destination.waiting.next
                with self._alone(destination, line):
                    claim = self._next(destination, line, now)
                if claim is not None:
                    self.open(destination)
                    await self._supervisor.survives("lane", self._carry(destination, claim))
                elif destination.wait is not None:
                    return
        finally:
            destination.lanes -= 1
            self._give_back_slot(destination, slot)
            is_empty = not (destination.waiting or destination.waiting.has_backlog or destination.troubles)
            if is_empty or (destination.is_told_of_rate and not destination.waiting.is_any_held):
                self._tell(destination, "", None)
            self._room.forget_if_idle(destination)

    def _next(self, destination: Destination, line: Line, now: float) -> Claim | None:
        """Return what goes now, counted; None where the line, or all of the destination, is to wait."""
        if turn := self._gates.wait_for(line.connector, destination.place, now):
            self._hold(destination, line, turn, now)
            return None
        if wait := self._shaper.wait_for(line.claims[0], now):
            self._hold_up(destination, wait, now)
            return None
        claim = destination.waiting.popleft()
        if line.has_backlog:
            self.ask_for_more(destination, line, now)
        if self._orders.stand_on(claim):
            self._room.give_back([claim])
            return None
        claim = self._as_many_as_fit(destination, claim, now)
        self._shaper.count(claim, now)
        self._gates.count(claim.connector, destination.place, now)
        return claim

    def _alone(self, destination: Destination, line: Line) -> AbstractContextManager[None]:
        """From the question to the count nobody else counts, where anything is counted."""
        is_shaped = self._shaper.limits(destination.route).is_shaped
        is_counted = self._book is not None and (is_shaped or self._gates.is_counted(line.connector))
        return self._book.alone() if self._book and is_counted else nullcontext()

    def _is_to_yield(self, destination: Destination) -> bool:
        """Whether another queue waits for one of the slots; then it has the time to take it."""
        if self._slots is None or not self._slots.are_wanted(destination.place):
            return False
        self._slots.let_go(destination.place)
        self._look_again(destination, 2 * _SLOT_SECONDS)
        return True

    def _give_back_slot(self, destination: Destination, slot: int | None) -> None:
        if self._slots is None or slot is None:
            return
        place = destination.place
        if self._slots.keep(place, slot, self._now()) and place not in self._keeping:
            self._keeping[place] = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._let_go, place)
        if not destination.waiting.ready:
            self._slots.want_no_more(destination.place)

    def _let_go(self, place: Place) -> None:
        del self._keeping[place]
        if self._slots is not None:
            self._slots.let_go(place)

    def _slot(self, slots: Slots, destination: Destination, most: int) -> int | None:
        """Return a slot for one more lane. Where all were taken a moment ago, who has some goes on with these."""
        place = destination.place
        if place in self._looking:
            return slots.take_kept(place, most)
        slot = slots.take(place, most)
        if slot is None:
            if not destination.lanes:
                slots.want(place)
            self._look_again(destination, _KEEP_SECONDS if destination.lanes else _SLOT_SECONDS)
        return slot

    def _look_again(self, destination: Destination, seconds: float) -> None:
        """Open lanes a little later."""
        place = destination.place

        def look() -> None:
            del self._looking[place]
            known = self._room.destinations.get(place)
            if known is not None and known.waiting.ready and not self._room.is_closed:
                self.open(known)
            elif self._slots is not None:
                self._slots.want_no_more(place)

        if place not in self._looking:
            self._looking[place] = asyncio.get_running_loop().call_later(seconds, look)

    def call(self, place: Place, connector: str) -> bool:
        """Have a line go that was held for its connector's rate; return whether it can."""
        destination = self._room.destinations.get(place)
        line = None if destination is None else destination.waiting.known(connector)
        if destination is None or line is None or self._room.is_closed:
            return False
        destination.waiting.let_go(line)
        now = self._now()
        if self.is_to_wait(destination, now) or not destination.is_open(now):
            self._alarm.by(max(now, destination.open_at))
            return False
        if line.claims:
            self.open(destination)
        elif line.has_backlog:
            self._alarm.by(now)
        return bool(line.claims) or line.has_backlog

    def _hold(self, destination: Destination, line: Line, turn: Turn, now: float) -> None:
        destination.waiting.hold(line)
        self._tell(destination, turn.reason, turn.until)
        destination.is_told_of_rate = True
        if turn.until - now > _SHORT_SECONDS:
            line.is_far = True
            self._room.give_back(destination.waiting.empty(only=line))

    def _as_many_as_fit(self, destination: Destination, claim: Claim, now: float) -> Claim:
        """Leave those recipients on disk for which there is no room in the route's day."""
        fitting = self._shaper.fitting(claim, now)
        if len(fitting) == len(claim.recipients):
            return claim
        part, rest = split(claim, fitting)
        self._room.split(claim, (part, rest))
        self._room.give_back([rest])
        destination.waiting.line(claim.connector).has_backlog = True
        self._alarm.by(now)
        return part

    def _hold_up(self, destination: Destination, wait: Wait, now: float) -> None:
        is_known, destination.wait = destination.wait is not None, wait
        self._tell(destination, wait.reason, wait.until)
        if wait.until - now > _SHORT_SECONDS:
            destination.is_wait_long = True
            self._room.give_back(destination.waiting.empty())
            self._alarm.by(wait.until)
        elif not is_known:
            self._go_on_at(destination, wait.until - now)

    def _go_on_at(self, destination: Destination, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(seconds, _TIMER_SECONDS_MIN), self._go_on, destination)

    def _go_on(self, destination: Destination) -> None:
        if self._room.is_closed or destination.wait is None or destination.is_wait_long:
            return
        now = self._now()
        if self.is_to_wait(destination, now):  # the clock was set back, or the timer was early
            self._go_on_at(destination, min(destination.wait.until - now, _SHORT_SECONDS))
        else:
            self.open(destination)

    def _tell(self, destination: Destination, reason: str, until: float | None) -> None:
        """Tell other processes why it is not tried; nothing where they know."""
        told, destination.is_told_of_rate = destination.told, False
        is_known = told is None if not reason else told is not None and told.reason == reason
        if is_known and abs((until or 0.0) - ((told.until if told else None) or 0.0)) < _NOTICE_SECONDS:
            return
        notice = Notice(destination.route, destination.name, reason, until)
        destination.told = notice if reason else None
        self._spool.post(notice)

    async def _carry(self, destination: Destination, claim: Claim) -> None:
        try:
            outcomes = await attempt(claim, spool=self._spool, courier=self._courier, now=self._now)
            self._shaper.give_back(claim, outcomes, self._now())
            self._learn(destination, outcomes)
            settled = self._settle(claim, outcomes)
        except NotBegun as error:
            self._put_off(destination, claim, str(error))
            return
        except Exception:
            self._put_off(destination, claim, "an error of ours")
            raise
        self._settler.add(claim, outcomes, settled)
        await self._settler.room()

    def _put_off(self, destination: Destination, claim: Claim, why: str) -> None:
        """Nothing may be sent that cannot be written down first; and an error of ours may meet the next one too."""
        _log.error("attempt put off", queue_id=claim.queue_id, error=why)
        now = self._now()
        self._shaper.give_back(claim, (), now)
        destination.not_before = max(destination.not_before, now + _TROUBLE_SECONDS)
        destination.waiting.line(claim.connector).has_backlog = True
        self._room.give_back([claim, *destination.waiting.empty()])
        self._alarm.by(destination.not_before)

    def _learn(self, destination: Destination, outcomes: tuple[Outcome, ...]) -> None:
        """What the attempt tells of the destination."""
        now = self._now()
        deferred = [each for each in outcomes if isinstance(each, Deferred)]
        crowded = next((each for each in deferred if each.is_crowded), None)
        if crowded is not None:
            self._shaper.crowded(destination.route, destination.name, destination.lanes, crowded, now)
            if destination.lanes > 1:  # the others get through; one alone that is refused is a trouble
                return
        trouble = crowded or next((each for each in deferred if each.is_destination_trouble), None)
        if trouble is not None:
            destination.unwell(trouble, now, self._get_settings().queue, self._draw())
            self._tell(destination, f"{trouble.host or trouble.stage}: {trouble.diagnostic}", destination.not_before)
            self._turn_all_away(destination, now)
        elif any(isinstance(each, Delivered) for each in outcomes):
            if destination.troubles:
                self._alarm.by(self._now())
                self._tell(destination, "", None)
            destination.well(self._concurrency(destination))
            self.open(destination)

    def _give_up(self, claim: Claim, trouble: Deferred) -> None:
        """Settle a claim by what another met at its destination."""
        outcomes = all_alike(claim, trouble)
        self._settler.add(claim, outcomes, [untried(each) for each in self._settle(claim, outcomes)])

    def _settle(self, claim: Claim, outcomes: tuple[Outcome, ...]) -> list[Settled]:
        now = self._now()
        settings = self._clock.by_age(self._get_settings().queue)
        settled = settle(claim, outcomes, now=now, settings=settings, draw=self._draw())
        return self._orders.applied(claim, settled, now)
