"""The queue's loop: which claims are tried when, with how many lanes per destination (RFC 5321 §4.5.4).

- A claim comes by offer (just committed) or by poll (due on disk). Either way it waits in its Destination.
- A lane carries one claim after the other; there are as many lanes as the destination's window and its work allow.
- What came of an attempt goes to the Settler; the claim is over when its settlement is durable.
- Claims in hand are bounded, and so is each destination's share; when all room is taken, the destination with most
  waiting gives some back, so that no number of slow destinations keeps another from being tried.
- Older mail goes first: while the spool has a backlog for a destination, offers for it are refused.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable

import structlog

from staffetta.mail.consignment import Courier
from staffetta.mail.outcome import Deferred, Delivered, Outcome
from staffetta.queue.attempt import NotBegun, all_alike, attempt
from staffetta.queue.bounce import RouteNotification
from staffetta.queue.destination import Destination
from staffetta.queue.orders import Orders, names
from staffetta.queue.settler import Settler
from staffetta.queue.settling import is_overdue, ordered, settle, untried
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, CommandVerb, QueueCommand, Spool, SpoolUnavailable

_POLL_SECONDS_MAX = 30.0  # how long a missed wake-up may cost
_POLL_SECONDS_MIN = 0.02  # many due times lie close together; they share a poll
_SHARES = 4  # a destination takes at most a fourth of the room
_DISK_TROUBLE_SECONDS = 5.0  # how long nothing is tried after the disk refused to write down an attempt
_SETTLE_SECONDS = 10.0  # how long a stop waits for outcomes to become durable

_log = structlog.get_logger()


class QueueManager:
    """See the head of this file. now: seconds since 1970. draw: 0 to 1."""

    def __init__(
        self,
        spool: Spool,
        courier: Courier,
        get_settings: Callable[[], Settings],
        *,
        route_notification: RouteNotification,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._courier = courier
        self._get_settings = get_settings
        self._now = now
        self._draw = draw
        self._destinations: dict[tuple[str, str], Destination] = {}
        self._lanes: set[asyncio.Task[None]] = set()
        self._poll_at = 0.0
        self._wake = asyncio.Event()
        self._in_hand = 0
        self._is_full = False
        self._is_draining = False
        self._settler = Settler(
            spool, get_settings, route_notification=route_notification, now=now, on_over=self._settled
        )
        self._orders = Orders(spool, now=now, give_back=self._give_back_named, on_done=self._commanded)
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin: take offers, and what is due on disk."""
        self._spool.subscribe(self._offer)
        self._settler.start().add_done_callback(_tell_crash)
        self._loops = [asyncio.create_task(self._poll()), asyncio.create_task(self._orders.run())]
        for task in self._loops:
            task.add_done_callback(_tell_crash)

    async def drain(self, grace_seconds: float) -> None:
        """Take nothing new, let attempts under way finish within the grace, settle them, give the rest back."""
        self._is_draining = True
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for destination in list(self._destinations.values()):
            self._give_back(destination.withdraw(lambda claim: True))
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=grace_seconds)
            for lane in late:
                lane.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._settler.finish(_SETTLE_SECONDS)

    @property
    def in_hand(self) -> int:
        """Claims taken and not yet over."""
        return self._in_hand

    # Claims come.

    def _offer(self, claim: Claim) -> bool:
        """Take a claim that was just committed, if nothing older waits on disk, and there is room."""
        destination = self._destination(claim.route, claim.destination)
        now = self._now()
        if not destination.has_backlog and destination.is_open(now) and self._room(destination) > 0:
            self._take(destination, claim)
            return True
        destination.has_backlog = True
        if not self._is_draining:
            self._ask_for_more(destination, now)
        return False

    def _take(self, destination: Destination, claim: Claim) -> None:
        destination.waiting.append(claim)
        self._in_hand += 1
        self._open_lanes(destination)

    def _share(self) -> int:
        return max(1, self._get_settings().queue.active_messages_max // _SHARES)

    def _room(self, destination: Destination) -> int:
        """How many claims more the destination may have. One that has none finds room as long as any claim waits."""
        if self._is_draining:
            return 0
        most = self._get_settings().queue.active_messages_max
        if self._in_hand >= most and not destination.waiting and not destination.lanes:
            self._make_room()
        return min(most - self._in_hand, self._share() - len(destination.waiting))

    def _make_room(self) -> None:
        """Give back the younger half of the longest line."""
        longest = max(self._destinations.values(), key=lambda destination: len(destination.waiting))
        half = [longest.waiting.pop() for _ in range((len(longest.waiting) + 1) // 2)]
        if half:
            longest.has_backlog = True
            self._give_back(half)

    def _destination(self, route: str, name: str) -> Destination:
        key = (route, name)
        destination = self._destinations.get(key)
        if destination is None:
            destination = self._destinations[key] = Destination(route, name)
        return destination

    def _ask_for_more(self, destination: Destination, now: float) -> None:
        """Poll for a backlog when the destination is open and half of its share is free; with no room, _over asks."""
        if len(destination.waiting) <= self._share() // 2 and not self._is_full:
            self._poll_by(max(now, destination.not_before))

    def _poll_by(self, at: float) -> None:
        if at < self._poll_at:
            self._poll_at = at
            self._wake.set()

    async def _poll(self) -> None:
        """Pull what is due, again and again, when someone expects that it is worth it."""
        while True:
            began = self._now()
            self._poll_at = began + _POLL_SECONDS_MAX
            try:
                await self._pull(began)
            except SpoolUnavailable as error:
                _log.error("queue cannot be read", error=str(error))
                self._poll_by(self._now() + _DISK_TROUBLE_SECONDS)
            await asyncio.sleep(max(_POLL_SECONDS_MIN, self._now() - began))  # half of the reader's time at most
            while (seconds := min(self._poll_at - self._now(), _POLL_SECONDS_MAX)) > 0:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), seconds)

    async def _pull(self, now: float) -> None:
        """Take what is due now, as far as there is room."""
        for due in await self._spool.due():
            destination = self._destination(due.route, due.destination)
            if due.due_at > now:
                self._poll_by(max(due.due_at, destination.not_before))
                self._forget_if_idle(destination)
            elif not destination.is_open(now):
                destination.has_backlog = True
                self._poll_by(destination.not_before)
                if destination.has_overdue:
                    await self._sweep(destination, now)
            elif len(destination.waiting) <= self._share() // 2:
                await self._pull_from(destination, now)
            else:
                destination.has_backlog = True  # a lane asks when enough of it is done

    async def _pull_from(self, destination: Destination, now: float) -> None:
        room = self._room(destination)
        if room <= 0:
            self._is_full = destination.has_backlog = True
            return
        destination.has_backlog = False  # an offer that is refused from here on sets it again
        claims = await self._spool.claim(destination.route, destination.name, now, room)
        self._in_hand += len(claims)
        destination.waiting.extend(claims)
        destination.has_backlog |= len(claims) >= room
        self._open_lanes(destination)
        self._forget_if_idle(destination)

    async def _sweep(self, destination: Destination, now: float) -> None:
        """Go through the backlog of a destination in trouble for those whose sender must hear of it by now.

        They are at the front, since the oldest are due first; so the first batch without one is the last.
        """
        if (room := self._room(destination)) > 0:
            claims = await self._spool.claim(destination.route, destination.name, now, room)
            self._in_hand += len(claims)
            destination.waiting.extend(claims)
            self._turn_away(destination, now)

    # Lanes carry.

    def _open_lanes(self, destination: Destination) -> None:
        """As many lanes as there are claims waiting, within the window."""
        wanted = min(destination.window(self._concurrency(destination)), destination.lanes + len(destination.waiting))
        while destination.lanes < wanted:
            destination.lanes += 1
            lane = asyncio.create_task(self._lane(destination))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
            lane.add_done_callback(_tell_crash)

    def _concurrency(self, destination: Destination) -> int:
        routes = self._get_settings().routes
        return next((route.concurrency for route in routes if route.name == destination.route), 1)

    async def _lane(self, destination: Destination) -> None:
        try:
            while destination.waiting and destination.lanes <= destination.window(self._concurrency(destination)):
                claim = destination.waiting.popleft()
                if destination.has_backlog:
                    self._ask_for_more(destination, self._now())
                await self._carry(destination, claim)
        finally:
            destination.lanes -= 1
            self._forget_if_idle(destination)

    def _forget_if_idle(self, destination: Destination) -> None:
        if destination.is_idle():
            self._destinations.pop((destination.route, destination.name), None)

    async def _carry(self, destination: Destination, claim: Claim) -> None:
        self._orders.attempt_begins(claim)
        try:
            outcomes = await attempt(claim, spool=self._spool, courier=self._courier, now=self._now)
        except NotBegun as error:
            self._put_off(destination, claim, str(error))
            return
        finally:
            order = self._orders.attempt_ended(claim)
        self._learn(destination, outcomes)
        now = self._now()
        settled = settle(claim, outcomes, now=now, settings=self._get_settings().queue, draw=self._draw())
        if order is not None:
            settled = [ordered(each, order, now) for each in settled]
        self._settler.add(claim, outcomes, settled)
        await self._settler.room()

    def _put_off(self, destination: Destination, claim: Claim, why: str) -> None:
        """The disk refuses: nothing may be sent that cannot be written down first."""
        _log.error("attempt not begun", queue_id=claim.queue_id, error=why)
        destination.not_before = max(destination.not_before, self._now() + _DISK_TROUBLE_SECONDS)
        destination.has_backlog = True
        self._give_back([claim, *destination.withdraw(lambda claim: True)])
        self._poll_by(destination.not_before)

    def _learn(self, destination: Destination, outcomes: tuple[Outcome, ...]) -> None:
        """What the attempt tells of the destination."""
        trouble = next((each for each in outcomes if isinstance(each, Deferred) and each.is_destination_trouble), None)
        if trouble is not None:
            now = self._now()
            destination.unwell(trouble, now, self._get_settings().queue, self._draw())
            self._turn_away(destination, now)
        elif any(isinstance(each, Delivered) for each in outcomes):
            if destination.troubles:
                self._poll_by(self._now())
            destination.well(self._concurrency(destination))
            self._open_lanes(destination)

    def _turn_away(self, destination: Destination, now: float) -> None:
        """Empty the line of a destination in trouble: settle the overdue by what the probe met, give back the rest."""
        settings = self._get_settings().queue
        overdue = destination.withdraw(lambda claim: is_overdue(claim, now, settings))
        for claim in overdue:
            self._give_up(claim, destination.trouble)
        destination.has_overdue = bool(overdue)
        self._poll_by(now if overdue else destination.not_before)
        if rest := destination.withdraw(lambda claim: True):
            destination.has_backlog = True
            self._give_back(rest)

    def _give_up(self, claim: Claim, trouble: Deferred) -> None:
        """Settle a claim by what another met at its destination."""
        outcomes = all_alike(claim, trouble)
        settled = settle(claim, outcomes, now=self._now(), settings=self._get_settings().queue, draw=self._draw())
        self._settler.add(claim, outcomes, [untried(each) for each in settled])

    # Claims go.

    def _give_back(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._spool.release(claim)
            self._over()

    def _settled(self, due_at: float | None) -> None:
        self._over()
        if due_at is not None:
            self._poll_by(due_at)

    def _over(self) -> None:
        self._in_hand -= 1
        most = self._get_settings().queue.active_messages_max
        if self._is_full and self._in_hand <= most - most // 8:
            self._is_full = False
            self._poll_by(self._now())

    # Administrators.

    def _give_back_named(self, command: QueueCommand) -> None:
        for destination in list(self._destinations.values()):
            self._give_back(destination.withdraw(lambda claim: names(command, claim.number)))

    def _commanded(self, command: QueueCommand) -> None:
        """What was released or is to be retried is worth a probe, whatever the destination's trouble was."""
        if command.verb in (CommandVerb.RETRY, CommandVerb.RELEASE):
            for destination in self._destinations.values():
                destination.retry_now()
        self._poll_by(self._now())


def _tell_crash(task: asyncio.Task[None]) -> None:
    """A part of the queue ended by an error of ours: loud, since nothing else tells."""
    if not task.cancelled() and (error := task.exception()):
        _log.critical("the queue's task ended", exc_info=error)
