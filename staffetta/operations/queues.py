"""What waits in the queue, and what an administrator does about it, from any process.

A command is a row in the spool. The running relay carries it out; where none runs, this process does.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from staffetta.mail.address import Mailbox
from staffetta.operations.spools import NotAvailable, not_available, open_spool, spool_folder
from staffetta.policy.route import route
from staffetta.queue.without_relay import carry_out_orders
from staffetta.settings.model import Settings
from staffetta.spool.commands import CommandResult, Order, command_result, leave_commands
from staffetta.spool.lock import SpoolLocked
from staffetta.spool.spool import CommandVerb
from staffetta.trace.events import Status
from staffetta.trace.own_mail import OwnMail
from staffetta.trace.partitions import Partition, by_partition, partitions, place_of
from staffetta.trace.query import TraceQuery
from staffetta.trace.search import DATABASE_NAME, TraceRow, queue_rows, search

__all__ = ["CommandResult", "CommandVerb", "NoAnswer", "NotAvailable", "Order", "TraceRow", "act", "waiting"]

ANSWER_SECONDS = 15.0  # the relay looks for commands twice a second; a busy disk takes longer
_POLL_SECONDS = 0.1
_OPEN = (Status.GETTING_STATUS, Status.PENDING)


class NoAnswer(NotAvailable):
    """The command stays, and is carried out as soon as the relay can."""


def waiting(
    settings: Settings, *, queue_id: str | None = None, limit: int = 1000, own: OwnMail | None = None
) -> Sequence[TraceRow]:
    """Return recipients that are not closed, the next to be tried first; of one message where `queue_id` is given.

    Raises NotAvailable.
    """
    folder = spool_folder(settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    with not_available():
        if queue_id is None:
            return queue_rows(folder, limit=limit, own=own)
        found = search(folder, TraceQuery(queue_id=queue_id, limit=limit, own=own))
        return [row for row in found.rows if row.status in _OPEN]


def act(
    settings: Settings,
    orders: Sequence[Order],
    *,
    asked_by: str,
    answer_seconds: float = ANSWER_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> CommandResult:
    """Do these orders, in each partition all or none of them written down, and return what came of them together.

    asked_by: who, for the trace.
    Raises NotAvailable where there is no spool, NoAnswer.
    """
    total = CommandResult()
    with not_available():
        left = [
            (folder, command)
            for folder, parts in _by_partition(spool_folder(settings), orders).items()
            for command in leave_commands(folder, parts, asked_by=asked_by)
        ]
        for folder, command in left:
            deadline = time.monotonic() + answer_seconds
            while (result := command_result(folder, command)) is None:
                if time.monotonic() > deadline:
                    raise NoAnswer(f"The relay has not answered within {answer_seconds:.0f} s. {NoAnswer.__doc__}")
                with suppress(SpoolLocked):  # the relay has it
                    asyncio.run(_carry_out_here(settings, folder))
                sleep(_POLL_SECONDS)
            total += result
    return total


def _by_partition(spool: Path, orders: Sequence[Order]) -> dict[Partition, list[Order]]:
    """Each order in the partitions that hold its recipients; one about all, in all."""
    found: dict[Partition, list[Order]] = {}
    for order in orders:
        numbers = order.numbers if order.keys is None else [number for number, _ in order.keys]
        if order.keys is None and not numbers:
            for each in partitions(spool):
                found.setdefault(each, []).append(order)
            continue
        for each, own in by_partition(spool, dict.fromkeys(numbers)).items():
            held = frozenset(own)
            keys = None if order.keys is None else [key for key in order.keys if key[0] in held]
            part = replace(order, numbers=own if order.numbers else (), keys=keys)
            found.setdefault(each, []).append(part)
    return found


def _road_of_notification(settings: Settings, mailbox: Mailbox) -> tuple[str, str]:
    routed = route(mailbox, None, settings)
    return routed.route, routed.destination


async def _carry_out_here(settings: Settings, folder: Partition) -> None:
    """Carry out a partition's open commands. Raises SpoolLocked where a relay runs: it is the relay's to do so."""
    spool = await open_spool(settings, place_of(folder))
    try:
        await carry_out_orders(spool, settings, route_notification=partial(_road_of_notification, settings))
    finally:
        await spool.close()
