"""The commands that administrators leave in the spool, as they concern the queue.

Rule 1: claims that wait are given back first, so that the spool's own rows are all that a command has to change.
Rule 2: what is to become of a recipient that the spool found in hand stands on it, until an attempt's end takes the
orders along, the oldest first, or the recipient is free and the spool has carried out the rest. So no order is missed,
whenever it comes.
Rule 3: what stands is in memory: a crash within the attempt forgets the order.
Rule 4: what is returned to its sender is taken from the spool as a claim and settled with its notification.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from staffetta.queue.room import Room
from staffetta.queue.settler import Settler
from staffetta.queue.settling import Settled, ordered, returned
from staffetta.queue.supervision import Supervisor
from staffetta.queue.suspensions import Suspensions
from staffetta.spool.claims import keys_of
from staffetta.spool.commands import STANDING
from staffetta.spool.spool import CarriedOut, Claim, CommandVerb, Key, QueueCommand, Spool, SpoolUnavailable

_SECONDS = 0.5  # an administrator waits for the answer
_FAILED_SECONDS = 60.0  # how long a command that met an error of ours is left alone
_RETURNS_PER_TRANSACTION = 100
_RETURNED_OCTETS_MAX = 16 * 1024 * 1024  # in memory at a time, beside what the room has in hand

_log = structlog.get_logger()


class Orders:
    """See the head of this file. on_done: after each command."""

    def __init__(
        self,
        spool: Spool,
        *,
        room: Room,
        settler: Settler,
        suspensions: Suspensions,
        supervisor: Supervisor,
        now: Callable[[], float],
        on_done: Callable[[QueueCommand, CarriedOut], None],
    ) -> None:
        self._spool = spool
        self._room = room
        self._settler = settler
        self._suspensions = suspensions
        self._supervisor = supervisor
        self._now = now
        self._on_done = on_done
        self._standing: dict[Key, list[QueueCommand]] = {}
        self._failed: dict[int, float] = {}  # command id: when to try it again
        self._wake = asyncio.Event()
        self._is_finishing = False

    async def run(self) -> None:
        """Carry out commands until finish()."""
        while True:
            is_last = self._is_finishing
            self._wake.clear()
            try:
                await self._round()
            except SpoolUnavailable as error:
                _log.error("commands cannot be carried out", error=str(error))
            if is_last:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _SECONDS)

    def finish(self) -> None:
        """Let run() return after one more round. Nothing is in hand by now."""
        self._is_finishing = True
        self._wake.set()

    def stand_on(self, claim: Claim) -> bool:
        """Whether an order stands on the claim, or its destination is suspended. Then do not try it, but give it back:
        an order is carried out at once."""
        if self._standing and any(key in self._standing for key in keys_of(claim)):
            self._wake.set()
            return True
        return self._suspensions.hold(claim.route, claim.destination)

    def applied(self, claim: Claim, settled: list[Settled], now: float) -> list[Settled]:
        """Return what becomes of each recipient of an attempt by the orders that stand on it: they are done by that.

        settled: what became of them by the attempt, one per recipient.
        """
        if not self._standing:
            return settled
        return [
            ordered(each, recipient, self._standing.pop((claim.number, recipient.number), ()), now)
            for each, recipient in zip(settled, claim.recipients, strict=True)
        ]

    async def _round(self) -> None:
        await self._carry_out_rest()
        for command in await self._spool.next_commands():
            if asyncio.get_running_loop().time() < self._failed.get(command.command_id, 0.0):
                continue
            if not await self._supervisor.survives("orders", self._carry_out(command)):
                self._failed[command.command_id] = asyncio.get_running_loop().time() + _FAILED_SECONDS

    async def _carry_out(self, command: QueueCommand) -> None:
        if command.verb in (CommandVerb.SUSPEND, CommandVerb.RESUME):
            done = await self._spool.carry_out(command, self._now())
            self._suspensions.learn(command)
            self._room.give_back_waiting(lambda claim: self._suspensions.hold(claim.route, claim.destination))
        else:
            self._give_back(command)
            done = await self._apply(command)
            self._stand(command, done.claimed)
            self._give_back(command)  # what was claimed meanwhile, and not yet tried
            await self._carry_out_rest()
        self._on_done(command, done)

    def _give_back(self, command: QueueCommand) -> None:
        self._room.give_back_waiting(lambda claim: any(command.concerns(key) for key in keys_of(claim)))

    async def _apply(self, command: QueueCommand) -> CarriedOut:
        changed = await self._return(command) if command.verb is CommandVerb.RETURN else 0
        return await self._spool.carry_out(command, self._now(), changed)

    async def _return(self, command: QueueCommand) -> int:
        """Settle what is free as returned, with its notifications; return how many recipients that were."""
        recipients = 0
        while claims := await self._spool.take(command, _RETURNS_PER_TRANSACTION, _RETURNED_OCTETS_MAX):
            try:
                now = self._now()
                await self._settler.write(
                    [(claim, [returned(claim, each, command, now) for each in claim.recipients]) for claim in claims]
                )
            except BaseException:
                for claim in claims:
                    self._spool.release(claim)
                raise
            recipients += sum(len(claim.recipients) for claim in claims)
        return recipients

    def _stand(self, command: QueueCommand, keys: frozenset[Key]) -> None:
        """A release ends a hold. What is deleted can be neither held nor released, nor sent another way."""
        if command.verb is CommandVerb.RELEASE:
            for key in [key for key in self._standing if command.concerns(key)]:
                self._keep(key, [order for order in self._standing[key] if order.verb is not CommandVerb.HOLD])
        elif command.verb in STANDING:
            for key in keys:
                present = [order for order in self._standing.get(key, ()) if order.verb is not command.verb]
                self._keep(key, [*present, command])

    def _keep(self, key: Key, orders: Sequence[QueueCommand]) -> None:
        if orders:
            self._standing[key] = list(orders)
        else:
            self._standing.pop(key, None)

    async def _carry_out_rest(self) -> None:
        """Carry out the orders on recipients that are free again, the oldest first."""
        free: defaultdict[QueueCommand, set[Key]] = defaultdict(set)
        for key, orders in self._standing.items():
            if not self._spool.is_claimed(key):
                for order in orders:
                    free[order].add(key)
        for order in sorted(free, key=lambda order: order.command_id):
            keys = free[order]
            done = await self._apply(replace(order, keys=frozenset(keys)))
            for key in keys - done.claimed:
                self._keep(key, [each for each in self._standing.get(key, ()) if each != order])
