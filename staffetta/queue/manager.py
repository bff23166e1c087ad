"""The queue's loop: which claims are tried when, with how many lanes per destination (RFC 5321 §4.5.4).

- A claim comes by offer (just committed) or by poll (due on disk). Either way it waits in its Destination.
- A lane carries one claim after the other; there are as many lanes as the destination's window and its work allow.
- What came of an attempt goes to the Settler; the claim is over when its settlement is durable.
- Claims in hand are bounded, and so is each destination's share, so that one destination cannot take all the room.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator

import structlog

from staffetta.mail.consignment import Consignment, Courier
from staffetta.mail.outcome import Deferred, Delivered, Outcome, Stage, Unknown
from staffetta.queue import schedule
from staffetta.queue.bounce import RouteNotification
from staffetta.queue.destination import Destination
from staffetta.queue.settler import Settler
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, CommandVerb, QueueCommand, Spool, SpoolUnavailable

_POLL_SECONDS_MAX = 30.0  # how long a missed wake-up may cost
_COMMAND_SECONDS = 0.5  # an administrator waits for the answer
_SHARES = 4  # a destination takes at most a fourth of the room
_DISK_TROUBLE_SECONDS = 5.0  # how long nothing is tried after the disk refused to write down an attempt

_log = structlog.get_logger()


class QueueManager:
    """See the head of this file."""

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
        self._wake = asyncio.Event()
        self._in_hand = 0
        self._is_starved = False
        self._is_draining = False
        self._settler = Settler(spool, get_settings, route_notification=route_notification, now=now, on_over=self._over)
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin: take offers, and what is due on disk."""
        self._spool.subscribe(self._offer)
        self._settler.start()
        self._loops = [asyncio.create_task(self._poll()), asyncio.create_task(self._obey())]

    async def drain(self, grace_seconds: float) -> None:
        """Take nothing new, let attempts under way finish within the grace, settle them, give the rest back."""
        self._is_draining = True
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for destination in self._destinations.values():
            self._give_back(destination, lambda claim: True)
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=grace_seconds or None)
            for lane in late:
                lane.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._settler.finish()

    @property
    def in_hand(self) -> int:
        """Claims taken and not yet over."""
        return self._in_hand

    # Claims come.

    def _offer(self, claim: Claim) -> bool:
        """Take a claim that was just committed, if there is room and its destination is well."""
        destination = self._destination(claim.route, claim.destination)
        if self._room(destination) <= 0 or not destination.is_open(self._now()):
            destination.has_backlog = True
            self._is_starved = True
            if destination.is_idle() or not destination.lanes:
                self._wake.set()
            return False
        self._take(destination, claim)
        return True

    def _take(self, destination: Destination, claim: Claim) -> None:
        destination.waiting.append(claim)
        self._in_hand += 1
        self._open_lanes(destination)

    def _room(self, destination: Destination) -> int:
        if self._is_draining:
            return 0
        room = self._get_settings().queue.active_messages_max
        share = max(1, room // _SHARES)
        return min(room - self._in_hand, share - len(destination.waiting))

    def _destination(self, route: str, name: str) -> Destination:
        key = (route, name)
        destination = self._destinations.get(key)
        if destination is None:
            destination = self._destinations[key] = Destination(route, name)
        return destination

    async def _poll(self) -> None:
        """Pull what is due; sleep until the next is, or until there is room again."""
        while True:
            self._wake.clear()
            self._is_starved = False
            try:
                seconds = await self._pull() - self._now()
            except SpoolUnavailable as error:
                _log.error("queue cannot be read", error=str(error))
                seconds = _DISK_TROUBLE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(max(seconds, 0.01), _POLL_SECONDS_MAX))

    async def _pull(self) -> float:
        """Take what is due now, as far as there is room; return when something is due next."""
        now = self._now()
        next_at = now + _POLL_SECONDS_MAX
        for due in await self._spool.due():
            destination = self._destination(due.route, due.destination)
            at = max(due.due_at, destination.not_before)
            if at > now:
                next_at = min(next_at, at)
            elif (room := self._room(destination)) > 0:
                await self._pull_from(destination, now, room)
            else:
                self._is_starved = destination.has_backlog = True
        return next_at

    async def _pull_from(self, destination: Destination, now: float, room: int) -> None:
        claims = await self._spool.claim(destination.route, destination.name, now, room)
        destination.has_backlog = len(claims) >= room
        for claim in claims:
            if destination.troubles and self._is_past_help(claim, now):
                self._in_hand += 1
                self._give_up(destination, claim)
            else:
                self._take(destination, claim)

    # Lanes carry.

    def _open_lanes(self, destination: Destination) -> None:
        concurrency = self._concurrency(destination)
        while destination.lanes < min(destination.window(concurrency), destination.lanes + len(destination.waiting)):
            destination.lanes += 1
            lane = asyncio.create_task(self._lane(destination))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
            if destination.lanes >= len(destination.waiting):
                break

    def _concurrency(self, destination: Destination) -> int:
        routes = self._get_settings().routes
        return next((route.concurrency for route in routes if route.name == destination.route), 1)

    async def _lane(self, destination: Destination) -> None:
        try:
            while destination.waiting and not self._is_draining:
                if destination.lanes > destination.window(self._concurrency(destination)):
                    break
                claim = destination.waiting.popleft()
                if destination.has_backlog and len(destination.waiting) < self._concurrency(destination):
                    self._wake.set()
                await self._carry(destination, claim)
        finally:
            destination.lanes -= 1
            self._leave(destination)

    def _leave(self, destination: Destination) -> None:
        if destination.has_backlog or self._is_starved:
            self._wake.set()
        if destination.is_idle() and not destination.has_backlog:
            self._destinations.pop((destination.route, destination.name), None)

    async def _carry(self, destination: Destination, claim: Claim) -> None:
        """Try once. This is the attempt's edge: an exception of ours harms this attempt only (design.md §6)."""
        numbers = [recipient.number for recipient in claim.recipients]
        has_begun = False

        async def before_data(host: str) -> None:
            nonlocal has_begun
            await self._spool.begin_attempt(claim, numbers, host, self._now())
            has_begun = True

        consignment = Consignment(
            claim.queue_id, claim.route, claim.destination, claim.envelope, claim.content, claim.connector
        )
        try:
            outcomes = tuple(await self._courier(consignment, before_data))
        except SpoolUnavailable as error:
            self._put_off(destination, claim, str(error))
            return
        except asyncio.CancelledError:
            if not has_begun:
                self._release(claim)
                raise
            self._settler.add(claim, _all(claim, _cut_off()), self._draw())
            raise
        except Exception:
            _log.exception("attempt failed", queue_id=claim.queue_id)
            outcomes = _all(claim, _cut_off() if has_begun else _our_fault())
        self._learn(destination, outcomes)
        await self._settler.room()
        self._settler.add(claim, outcomes, self._draw())

    def _put_off(self, destination: Destination, claim: Claim, trouble: str) -> None:
        """The disk refuses: nothing may be sent that cannot be written down first."""
        _log.error("attempt not begun", queue_id=claim.queue_id, error=trouble)
        destination.not_before = max(destination.not_before, self._now() + _DISK_TROUBLE_SECONDS)
        self._release(claim)
        self._give_back(destination, lambda claim: True)

    def _learn(self, destination: Destination, outcomes: tuple[Outcome, ...]) -> None:
        trouble = next((each for each in outcomes if isinstance(each, Deferred) and each.is_destination_trouble), None)
        if trouble is not None:
            now = self._now()
            destination.unwell(trouble.diagnostic, now, self._get_settings().queue, self._draw())
            self._give_back(destination, lambda claim: not self._is_past_help(claim, now))
            while destination.waiting:
                self._give_up(destination, destination.waiting.popleft())
        elif any(isinstance(each, Delivered) for each in outcomes):
            was_unwell = destination.troubles > 0
            destination.well()
            if was_unwell:
                self._wake.set()
                self._open_lanes(destination)

    def _is_past_help(self, claim: Claim, now: float) -> bool:
        """Whether a claim has waited so long that its sender must hear of it, though this one was not tried again."""
        settings = self._get_settings().queue
        is_told = all(recipient.is_delay_notified for recipient in claim.recipients)
        return schedule.is_expired(claim.received_at, now, settings) or (
            not is_told and schedule.is_late(claim.received_at, now, settings)
        )

    def _give_up(self, destination: Destination, claim: Claim) -> None:
        """Settle a claim by what its destination's last probe met."""
        trouble = Deferred(status="4.4.1", diagnostic=destination.trouble, stage=Stage.CONNECT)
        self._settler.add(claim, _all(claim, trouble), self._draw())

    # Claims go.

    def _give_back(self, destination: Destination, which: Callable[[Claim], bool]) -> None:
        """Release the waiting claims that `which` names."""
        kept = [claim for claim in destination.waiting if not which(claim)]
        for claim in destination.waiting:
            if which(claim):
                self._release(claim)
        destination.waiting.clear()
        destination.waiting.extend(kept)

    def _release(self, claim: Claim) -> None:
        self._spool.release(claim)
        self._over()

    def _over(self) -> None:
        self._in_hand -= 1
        if self._is_starved:
            self._wake.set()

    # Administrators.

    async def _obey(self) -> None:
        """Carry out the commands that administrators left in the spool."""
        while True:
            try:
                for command in await self._spool.next_commands():
                    await self._carry_out(command)
            except SpoolUnavailable as error:
                _log.error("commands cannot be read", error=str(error))
            await asyncio.sleep(_COMMAND_SECONDS)

    async def _carry_out(self, command: QueueCommand) -> None:
        for destination in self._named(command):
            self._give_back(destination, lambda claim: not command.numbers or claim.number in command.numbers)
        count = await self._spool.carry_out(command, self._now())
        _log.info("queue command", verb=str(command.verb), messages=len(command.numbers) or "all", recipients=count)
        if command.verb in (CommandVerb.RETRY, CommandVerb.RELEASE):
            for destination in self._destinations.values():
                destination.retry_now()
        self._wake.set()

    def _named(self, command: QueueCommand) -> Iterator[Destination]:
        for destination in list(self._destinations.values()):
            if destination.waiting:
                yield destination


def _all(claim: Claim, outcome: Outcome) -> tuple[Outcome, ...]:
    return (outcome,) * len(claim.recipients)


def _cut_off() -> Unknown:
    return Unknown(status="4.4.2", diagnostic="The attempt was cut off after it had begun", stage=Stage.FINAL_DOT)


def _our_fault() -> Deferred:
    return Deferred(status="4.3.0", diagnostic="Internal error, to be tried again", stage=Stage.ROUTE)
