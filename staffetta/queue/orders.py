"""The commands that administrators leave in the spool, as they concern the queue.

Rule 1: claims that wait are given back first, so that the spool's own rows are all that a command has to change.
Rule 2: HOLD and DELETE stand on each recipient that the spool found in hand, until an attempt's end takes the order
along, or the recipient is free and the spool has carried out the rest. So no order is missed, whenever it comes.
Rule 3: what stands is in memory: a crash within the attempt forgets the order.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import structlog

from staffetta.queue.supervision import Supervisor
from staffetta.spool.claims import keys_of
from staffetta.spool.spool import Claim, CommandVerb, Key, QueueCommand, Spool, SpoolUnavailable

_SECONDS = 0.5  # an administrator waits for the answer
_FAILED_SECONDS = 60.0  # how long a command that met an error of ours is left alone

_log = structlog.get_logger()


class Orders:
    """See the head of this file.

    give_back: gives back the waiting claims of the messages that a command names. on_done: after each command.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        supervisor: Supervisor,
        now: Callable[[], float],
        give_back: Callable[[QueueCommand], None],
        on_done: Callable[[QueueCommand], None],
    ) -> None:
        self._spool = spool
        self._supervisor = supervisor
        self._now = now
        self._give_back = give_back
        self._on_done = on_done
        self._standing: dict[Key, QueueCommand] = {}
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
        """Whether an order stands on the claim. Then do not try it, but give it back: it is carried out at once."""
        if not self._standing or not any(key in self._standing for key in keys_of(claim)):
            return False
        self._wake.set()
        return True

    def take(self, claim: Claim) -> QueueCommand | None:
        """Return the order that stands on the claim, if any: it is the caller's to apply."""
        if not self._standing:
            return None
        found = [self._standing.pop(key) for key in keys_of(claim) if key in self._standing]
        return found[0] if found else None

    async def _round(self) -> None:
        await self._carry_out_rest()
        for command in await self._spool.next_commands():
            if self._now() < self._failed.get(command.command_id, 0.0):
                continue
            if not await self._supervisor.survives("orders", self._carry_out(command)):
                self._failed[command.command_id] = self._now() + _FAILED_SECONDS

    async def _carry_out(self, command: QueueCommand) -> None:
        self._give_back(command)
        done = await self._spool.carry_out(command, self._now())
        self._stand(command, done.claimed)
        _log.info(
            "queue command",
            verb=str(command.verb),
            by=command.asked_by,
            messages=len(command.numbers) or "all",
            recipients=done.changed,
            claimed=len(done.claimed),
        )
        self._give_back(command)  # what was claimed meanwhile, and not yet tried
        await self._carry_out_rest()
        self._on_done(command)

    def _stand(self, command: QueueCommand, keys: frozenset[Key]) -> None:
        """The last order counts; but what is deleted can be neither held nor released."""
        if command.verb is CommandVerb.RELEASE:
            for key, order in list(self._standing.items()):
                if order.verb is CommandVerb.HOLD and command.concerns(key):
                    del self._standing[key]
        elif command.verb in (CommandVerb.HOLD, CommandVerb.DELETE):
            for key in keys:
                if key not in self._standing or self._standing[key].verb is not CommandVerb.DELETE:
                    self._standing[key] = command

    async def _carry_out_rest(self) -> None:
        """Carry out the orders on recipients that are free again."""
        free: defaultdict[QueueCommand, set[Key]] = defaultdict(set)
        for key, order in self._standing.items():
            if not self._spool.is_claimed(key):
                free[order].add(key)
        for order, keys in free.items():
            done = await self._spool.carry_out(replace(order, rest=frozenset(keys)), self._now())
            for key in keys - done.claimed:
                self._standing.pop(key, None)
