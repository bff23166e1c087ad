"""The commands that administrators leave in the spool, as they concern the queue.

Claims that wait are given back first, so that the spool's own rows are all that a command has to change; an order
that meets an attempt under way is kept, and applied to what the attempt leaves open.
"""

import asyncio
from collections.abc import Callable

import structlog

from staffetta.spool.spool import Claim, CommandVerb, QueueCommand, Spool, SpoolUnavailable

_SECONDS = 0.5  # an administrator waits for the answer

_log = structlog.get_logger()


class Orders:
    """See the head of this file.

    give_back: gives back the waiting claims of the messages that a command names. on_done: after each command.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        now: Callable[[], float],
        give_back: Callable[[QueueCommand], None],
        on_done: Callable[[QueueCommand], None],
    ) -> None:
        self._spool = spool
        self._now = now
        self._give_back = give_back
        self._on_done = on_done
        self._carried: set[tuple[int, int]] = set()  # message number and first recipient: no two claims share it
        self._orders: dict[tuple[int, int], CommandVerb] = {}

    async def run(self) -> None:
        """Carry out commands until cancelled."""
        while True:
            try:
                for command in await self._spool.next_commands():
                    await self._carry_out(command)
            except SpoolUnavailable as error:
                _log.error("commands cannot be carried out", error=str(error))
            await asyncio.sleep(_SECONDS)

    def attempt_begins(self, claim: Claim) -> None:
        """From now on an order about the claim waits for the attempt's end."""
        self._carried.add(_key(claim))

    def attempt_ended(self, claim: Claim) -> CommandVerb | None:
        """Return the order that came meanwhile: HOLD, DELETE or None."""
        key = _key(claim)
        self._carried.discard(key)
        return self._orders.pop(key, None)

    async def _carry_out(self, command: QueueCommand) -> None:
        self._give_back(command)
        for key in self._carried:
            if names(command, key[0]):
                if command.verb in (CommandVerb.HOLD, CommandVerb.DELETE):
                    self._orders[key] = command.verb
                else:
                    self._orders.pop(key, None)
        count = await self._spool.carry_out(command, self._now())
        _log.info("queue command", verb=str(command.verb), messages=len(command.numbers) or "all", recipients=count)
        self._on_done(command)


def _key(claim: Claim) -> tuple[int, int]:
    return claim.number, claim.recipients[0].number


def names(command: QueueCommand, number: int) -> bool:
    """Whether the command is about the message."""
    return not command.numbers or number in command.numbers
