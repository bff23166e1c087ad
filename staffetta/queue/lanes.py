"""Lanes carry: one claim after the other to one destination, as many at a time as its window and its work allow.

Rule 1: what came of an attempt goes to the Settler; the claim is over when its settlement is durable.
Rule 2: what the attempt tells of the destination is learnt at once; behind one in trouble nothing waits in memory.
Rule 3: an order that stands on a claim keeps it from an attempt, or is applied to what the attempt leaves open.
"""

import asyncio
from collections.abc import Callable

import structlog

from staffetta.mail.consignment import Courier
from staffetta.mail.outcome import Deferred, Delivered, Outcome
from staffetta.queue.alarm import Alarm
from staffetta.queue.attempt import NotBegun, all_alike, attempt
from staffetta.queue.destination import Destination
from staffetta.queue.orders import Orders
from staffetta.queue.room import Room
from staffetta.queue.settler import Settler
from staffetta.queue.settling import Settled, is_overdue, ordered, settle, untried
from staffetta.queue.supervision import Supervisor
from staffetta.settings.model import Settings
from staffetta.settings.outbound import find_route
from staffetta.spool.spool import Claim, Spool

_TROUBLE_SECONDS = 5.0  # how long nothing is tried after the disk, or we ourselves, could not begin an attempt

_log = structlog.get_logger()


class Lanes:
    """See the head of this file. now: seconds since 1970. draw: 0 to 1."""

    def __init__(
        self,
        spool: Spool,
        courier: Courier,
        get_settings: Callable[[], Settings],
        *,
        room: Room,
        alarm: Alarm,
        orders: Orders,
        settler: Settler,
        supervisor: Supervisor,
        now: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._courier = courier
        self._get_settings = get_settings
        self._room = room
        self._alarm = alarm
        self._orders = orders
        self._settler = settler
        self._supervisor = supervisor
        self._now = now
        self._draw = draw
        self._lanes: set[asyncio.Task[None]] = set()

    def open(self, destination: Destination) -> None:
        """As many lanes as there are claims waiting, within the window."""
        wanted = min(destination.window(self._concurrency(destination)), destination.lanes + len(destination.waiting))
        while destination.lanes < wanted:
            destination.lanes += 1
            lane = asyncio.create_task(self._lane(destination))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def drain(self, grace_seconds: float) -> None:
        """Let attempts under way finish within the grace, and cut off the others."""
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=grace_seconds)
            for lane in late:
                lane.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def ask_for_more(self, destination: Destination, now: float) -> None:
        """Poll for a backlog when it is worth it; with no room, the end of a claim asks."""
        if self._room.wants_more(destination) and not self._room.is_full:
            self._alarm.by(max(now, destination.not_before))

    def turn_away(self, destination: Destination, now: float) -> None:
        """Empty the line of a destination in trouble: settle the overdue by what the probe met, give back the rest."""
        settings = self._get_settings().queue
        overdue = destination.waiting.withdraw(lambda claim: is_overdue(claim, now, settings))
        for claim in overdue:
            self._give_up(claim, destination.trouble)
        destination.has_overdue = bool(overdue)
        self._alarm.by(now if overdue else destination.not_before)
        if rest := destination.waiting.withdraw(lambda claim: True):
            destination.has_backlog = True
            self._room.give_back(rest)

    def _concurrency(self, destination: Destination) -> int:
        route = find_route(self._get_settings(), destination.route)
        return route.concurrency if route is not None else 1

    async def _lane(self, destination: Destination) -> None:
        try:
            while destination.waiting and destination.lanes <= destination.window(self._concurrency(destination)):
                claim = destination.waiting.popleft()
                if destination.has_backlog:
                    self.ask_for_more(destination, self._now())
                if self._orders.stand_on(claim):
                    self._room.give_back([claim])
                else:
                    await self._supervisor.survives("lane", self._carry(destination, claim))
        finally:
            destination.lanes -= 1
            self._room.forget_if_idle(destination)

    async def _carry(self, destination: Destination, claim: Claim) -> None:
        try:
            outcomes = await attempt(claim, spool=self._spool, courier=self._courier, now=self._now)
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
        destination.not_before = max(destination.not_before, self._now() + _TROUBLE_SECONDS)
        destination.has_backlog = True
        self._room.give_back([claim, *destination.waiting.withdraw(lambda claim: True)])
        self._alarm.by(destination.not_before)

    def _learn(self, destination: Destination, outcomes: tuple[Outcome, ...]) -> None:
        """What the attempt tells of the destination."""
        trouble = next((each for each in outcomes if isinstance(each, Deferred) and each.is_destination_trouble), None)
        if trouble is not None:
            now = self._now()
            destination.unwell(trouble, now, self._get_settings().queue, self._draw())
            self.turn_away(destination, now)
        elif any(isinstance(each, Delivered) for each in outcomes):
            if destination.troubles:
                self._alarm.by(self._now())
            destination.well(self._concurrency(destination))
            self.open(destination)

    def _give_up(self, claim: Claim, trouble: Deferred) -> None:
        """Settle a claim by what another met at its destination."""
        outcomes = all_alike(claim, trouble)
        self._settler.add(claim, outcomes, [untried(each) for each in self._settle(claim, outcomes)])

    def _settle(self, claim: Claim, outcomes: tuple[Outcome, ...]) -> list[Settled]:
        now = self._now()
        settled = settle(claim, outcomes, now=now, settings=self._get_settings().queue, draw=self._draw())
        order = self._orders.take(claim)
        return settled if order is None else [ordered(each, order, now) for each in settled]
