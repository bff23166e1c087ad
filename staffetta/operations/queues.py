"""What waits in the queue, and what an administrator does about it, from any process.

A command is a row in the spool. The running relay carries it out; where none runs, this process does.
"""

import asyncio
import getpass
import time
from collections.abc import Callable, Sequence

from staffetta.mail.queue_id import from_text
from staffetta.operations.spools import NotAvailable, not_available, open_spool, spool_folder
from staffetta.settings.model import Settings
from staffetta.spool.commands import CommandResult, command_result, leave_command
from staffetta.spool.lock import SpoolLocked
from staffetta.spool.spool import CommandVerb
from staffetta.trace.events import Status
from staffetta.trace.search import DATABASE_NAME, Only, TraceQuery, TraceRow, queue_rows, search

__all__ = ["CommandResult", "CommandVerb", "NoAnswer", "NotAvailable", "TraceRow", "act", "waiting"]

ANSWER_SECONDS = 15.0  # the relay looks for commands twice a second; a busy disk takes longer
_POLL_SECONDS = 0.1
_OPEN = (Status.GETTING_STATUS, Status.PENDING)


class NoAnswer(NotAvailable):
    """The command stays, and is carried out as soon as the relay can."""


def waiting(
    settings: Settings, *, queue_id: str | None = None, limit: int = 1000, only: Only | None = None
) -> Sequence[TraceRow]:
    """Return recipients that are not closed, the next to be tried first; of one message where `queue_id` is given.

    Raises NotAvailable.
    """
    folder = spool_folder(settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    with not_available():
        if queue_id is None:
            return queue_rows(folder, limit=limit, only=only)
        found = search(folder, TraceQuery(queue_id=queue_id, limit=limit, only=only))
        return [row for row in found if row.status in _OPEN]


def act(
    settings: Settings,
    verb: CommandVerb,
    queue_ids: Sequence[str],
    *,
    answer_seconds: float = ANSWER_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> CommandResult:
    """Hold, release, retry or delete messages, and return what came of it.

    queue_ids: none means every message in the queue.
    Raises ValueError for what is not a queue id, NotAvailable where there is no spool, NoAnswer.
    """
    numbers = [from_text(queue_id) for queue_id in queue_ids]
    folder = spool_folder(settings)
    with not_available():
        command = leave_command(folder, verb, numbers, asked_by=getpass.getuser())
        deadline = time.monotonic() + answer_seconds
        while (result := command_result(folder, command)) is None:
            if time.monotonic() > deadline:
                raise NoAnswer(f"The relay has not answered within {answer_seconds:.0f} s. {NoAnswer.__doc__}")
            try:
                asyncio.run(_carry_out_here(settings))
            except SpoolLocked:
                sleep(_POLL_SECONDS)
    return result


async def _carry_out_here(settings: Settings) -> None:
    """Carry out all open commands. Raises SpoolLocked where a relay runs: it is the relay's to do so."""
    spool = await open_spool(settings)
    try:
        for command in await spool.next_commands():
            await spool.carry_out(command, time.time())
    finally:
        await spool.close()
