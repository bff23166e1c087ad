"""What a message costs when much is in the spool already: CPU of spool and queue, empty against full.

    .venv/bin/python -m bench.growth                                     # a tenth: 100,000 queued, 1,000,000 traced
    .venv/bin/python -m bench.growth --queued 1000000 --traced 10000000  # the target; 8 GiB in /tmp at a time

A message goes through the real SqliteSpool and the real queue (commit, offer, attempt, settlement), 20 producers at a
time; only SMTP on both sides is left out, so the ratio is stricter than a whole relay's. The full spools are made of
copies of rows that such a message left, written in bulk: queued ones wait for days, half of them for the destination
of the live mail and the rest for `--destinations` others; traced ones are spread over the 89 days before.
Each figure is the least of several rounds, in which empty and full take turns. CPU is user and
system time of all threads.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop

from bench.spool_micro import new_message
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.outcome import Contact, Deferred, Delivered, Outcome, Stage
from staffetta.mail.queue_id import make_number
from staffetta.queue.manager import QueueManager
from staffetta.settings.model import Settings
from staffetta.settings.roads import NextHop, Route
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.backlog import backlogs
from staffetta.trace.query import TraceQuery
from staffetta.trace.search import DATABASE_NAME, queue_rows, search

PRODUCERS = 20
PER_ROUND = 6_000
ROUNDS = 4
DAY = 86_400
BATCH = 100_000
DELIVERED = Delivered(
    status="2.0.0", diagnostic="250 2.0.0 Ok: queued as 4XyZ", stage=Stage.FINAL_DOT, host="mx.example.net"
)
DEFERRED = Deferred(
    status="4.2.0", diagnostic="450 4.2.0 Try again later", stage=Stage.FINAL_DOT, host="mx.example.net"
)
SETTINGS = Settings(
    hostname="relay.contoso.test",
    data_dir=Path("unused"),
    routes=(Route(name="out", concurrency=20, next_hops=(NextHop(host="mx.example.net"),)),),
)


@dataclass
class Running:
    """A spool and its queue. outcome: of every attempt."""

    spool: SqliteSpool
    queue: QueueManager


async def start(folder: Path, outcome: Outcome = DELIVERED) -> Running:
    async def courier(consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        await before_data(Contact(host="mx.example.net"))
        return (outcome,)

    spool = await SqliteSpool.open(folder)
    queue = QueueManager(spool, courier, lambda: SETTINGS, route_notification=lambda mailbox: ("out", "example.net"))
    await queue.start()
    return Running(spool, queue)


async def stop(running: Running) -> None:
    await running.queue.drain(5)
    await running.spool.close()


async def carry(running: Running, messages: int) -> None:
    """Accept so many messages, and return when none is in hand."""

    async def produce(first: int) -> None:
        for place in range(first, messages, PRODUCERS):
            await running.spool.commit(new_message(running.spool, place))

    await asyncio.gather(*(produce(first) for first in range(PRODUCERS)))
    while running.queue.in_hand:  # noqa: ASYNC110  (there is no event for it)
        await asyncio.sleep(0.002)


async def cpu_per_message(folder: Path, messages: int) -> float:
    """Microseconds."""
    running = await start(folder)
    await carry(running, messages // 10)  # warm
    began = time.process_time()
    await carry(running, messages)
    used = time.process_time() - began
    await stop(running)
    return used / messages * 1e6


async def leave_template(folder: Path, outcome: Outcome) -> int:
    """Have one message go its way, and return its number."""
    running = await start(folder, outcome)
    await carry(running, 1)
    await stop(running)
    with contextlib.closing(sqlite3.connect(folder / DATABASE_NAME)) as connection:
        ((number,),) = connection.execute("SELECT max(number) FROM message").fetchall()
    return int(number)


def copy(folder: Path, template: int, count: int, *, is_queued: bool, destinations: int) -> None:
    """Copy the template's rows so many times, as if they had come evenly over the 89 days before it."""
    now = time.time()
    step_seconds = 89 * DAY / count
    first_at = now - 89 * DAY
    values = {
        "first": make_number(int(first_at * 1e6), 0, 0),
        "step": max(1, int(step_seconds * 1e6)) << 8,
        "first_at": first_at,
        "step_seconds": step_seconds,
        "due_at": now + 5 * DAY,
        "template": template,
    }
    number = ":first + i * :step"
    elsewhere = f"iif(i % 2, 'd' || (i / 2 % {destinations}) || '.test', t.destination)"
    changed = {
        "message": {
            "number": number,
            "message_id": "'<' || i || '.growth@contoso.test>'",
            "received_at": ":first_at + i * :step_seconds",
        },
        "content": {"number": number},
        "recipient": {
            "number": number,
            "address": "'user' || (i % 100000) || '@example.net'",
            "address_key": "'user' || (i % 100000) || '@example.net'",
            **({"destination": elsewhere, "due_at": ":due_at + i % 86400"} if is_queued else {}),
        },
        "event": {"number": number, "at": ":first_at + i * :step_seconds"},
    }
    connection = sqlite3.connect(folder / DATABASE_NAME, isolation_level=None)
    for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -500000"):
        connection.execute(f"PRAGMA {pragma}")
    for begin in range(0, count, BATCH):
        connection.execute("BEGIN")
        for table, expressions in changed.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            picked = ", ".join(expressions.get(column, f"t.{column}") for column in columns)
            connection.execute(
                f"WITH RECURSIVE series(i) AS (SELECT :begin UNION ALL SELECT i + 1 FROM series WHERE i + 1 < :end) "
                f"INSERT INTO {table} ({', '.join(columns)}) "
                f"SELECT {picked} FROM series CROSS JOIN {table} t WHERE t.number = :template",
                {**values, "begin": begin, "end": min(begin + BATCH, count)},
            )
        connection.execute("COMMIT")
    connection.close()


async def compare(title: str, folder: Path, count: int, *, is_queued: bool, destinations: int, messages: int) -> None:
    empty, full = folder / "empty", folder / "full"
    began = time.perf_counter()
    template = await leave_template(full, DEFERRED if is_queued else DELIVERED)
    copy(full, template, count, is_queued=is_queued, destinations=destinations)
    gibibytes = (full / DATABASE_NAME).stat().st_size / 2**30
    print(f"{title}: {count:,} made in {time.perf_counter() - began:.0f} s, {gibibytes:.1f} GiB", flush=True)
    began = time.perf_counter()
    await stop(await start(full))
    print(f"  start and stop {time.perf_counter() - began:.2f} s")
    found: dict[Path, list[float]] = {empty: [], full: []}
    for _ in range(ROUNDS):
        for place in random.sample([empty, full], 2):
            found[place].append(await cpu_per_message(place, messages))
    for name, place in (("empty", empty), ("full", full)):
        print(f"  {name}: {', '.join(f'{each:.0f}' for each in found[place])} CPU µs per message")
    print(f"  ratio of the least: {min(found[full]) / min(found[empty]):.2f}")
    spool = await SqliteSpool.open(full)
    for what, ask in (
        ("a walk over the destinations", spool.due),
        ("counting for /metrics", spool.counts),
        ("backlog by destination", lambda: asyncio.to_thread(backlogs, full)),
        ("queue list", lambda: asyncio.to_thread(queue_rows, full, limit=1000)),
        (
            "trace by Message-ID",
            lambda: asyncio.to_thread(search, full, TraceQuery(message_id="<1.growth@contoso.test>")),
        ),
        ("trace by recipient", lambda: asyncio.to_thread(search, full, TraceQuery(recipient="user1@example.net"))),
    ):
        began = time.perf_counter()
        await ask()
        print(f"  {what}: {(time.perf_counter() - began) * 1e3:.0f} ms", flush=True)
    await spool.close()


async def main(arguments: argparse.Namespace) -> None:
    for title, count, is_queued in (("queued", arguments.queued, True), ("traced", arguments.traced, False)):
        needed = count * (7_000 if is_queued else 2_000)
        if shutil.disk_usage(arguments.folder).free < 2 * needed:
            raise SystemExit(f"{title}: {needed / 2**30:.0f} GiB are needed, twice that should be free; give --folder")
        if count:
            with tempfile.TemporaryDirectory(prefix="staffetta-growth-", dir=arguments.folder) as name:
                await compare(
                    title,
                    Path(name),
                    count,
                    is_queued=is_queued,
                    destinations=arguments.destinations,
                    messages=arguments.messages,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queued", type=int, default=100_000)
    parser.add_argument("--traced", type=int, default=1_000_000)
    parser.add_argument("--destinations", type=int, default=100)
    parser.add_argument("--messages", type=int, default=PER_ROUND)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    uvloop.run(main(parser.parse_args()))
