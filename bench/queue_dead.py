"""Whether a destination that is dead, with 100,000 messages queued, delays mail to another.

    .venv/bin/python -m bench.queue_dead                    # two minutes, 1 GiB under /tmp
    .venv/bin/python -m bench.queue_dead --queued 10000

Two spools take turns: one has nothing queued, the other so many messages for a destination that refuses to connect and
is probed every second, which is much more often than a queue with its defaults does it. Through both goes the same live
mail to a destination that is well: real SqliteSpool, real queue, SMTP left out on both sides. A delay is from commit to
the attempt's end. What counts is the ratio of the 99th percentiles; each is the median of the rounds.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog
import uvloop

from bench.spool_micro import new_message
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.outcome import Contact, Deferred, Delivered, Outcome, Stage
from staffetta.queue.manager import QueueManager
from staffetta.settings.model import QueueSettings, Settings
from staffetta.settings.roads import NextHop, Route
from staffetta.spool.spool import NewMessage, RoutedRecipient
from staffetta.spool.sqlite import SqliteSpool

ROUNDS = 5
MESSAGES = 2_000
PRODUCERS = 10
PAUSE_SECONDS = 0.02
DELIVERED = Delivered(status="2.0.0", diagnostic="250 2.0.0 Ok", stage=Stage.FINAL_DOT, host="mx.example.net")
DEAD = Deferred(
    status="4.4.1",
    diagnostic="Connection refused",
    stage=Stage.CONNECT,
    is_destination_trouble=True,
    host="mx.dead.test",
)
SETTINGS = Settings(
    hostname="relay.contoso.test",
    data_dir=Path("unused"),
    routes=(Route(name="out", concurrency=20, next_hops=(NextHop(host="mx.example.net"),)),),
    queue=QueueSettings(retry_first_seconds=1, retry_max_seconds=1),
)


def message(spool: SqliteSpool, place: int, destination: str) -> NewMessage:
    new = new_message(spool, place)
    return replace(new, recipients=(RoutedRecipient(new.envelope.recipients[0], "out", destination),))


async def fill(folder: Path, queued: int) -> None:
    spool = await SqliteSpool.open(folder)
    for begin in range(0, queued, 500):
        places = range(begin, min(begin + 500, queued))
        await asyncio.gather(*(spool.commit(message(spool, place, "dead.test")) for place in places))
    await spool.close()


async def round_of(folder: Path) -> tuple[list[float], int]:
    """Return the delays of the live mail in seconds, and how many probes there were meanwhile."""
    ends: dict[str, float] = {}
    probes = 0

    async def courier(consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        nonlocal probes
        if consignment.destination == "dead.test":
            probes += 1
            return (DEAD,)
        await before_data(Contact(host="mx.example.net"))
        ends[consignment.queue_id] = time.perf_counter()
        return (DELIVERED,)

    spool = await SqliteSpool.open(folder)
    queue = QueueManager(spool, courier, lambda: SETTINGS, route_notification=lambda mailbox: ("out", "well.test"))
    await queue.start()
    starts: list[tuple[int, float]] = []

    async def produce(first: int) -> None:
        for place in range(first, MESSAGES, PRODUCERS):
            new = message(spool, place, "well.test")
            began = time.perf_counter()
            await spool.commit(new)
            starts.append((new.number, began))
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(produce(first) for first in range(PRODUCERS)))
    while len(ends) < MESSAGES:  # noqa: ASYNC110  (there is no event for it)
        await asyncio.sleep(0.01)
    await queue.drain(5)
    await spool.close()
    by_number = dict(zip(sorted(ends), sorted(starts), strict=True))  # queue ids sort as numbers do
    return [ends[queue_id] - began for queue_id, (_, began) in by_number.items()], probes


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="staffetta-dead-", dir=arguments.folder) as name:
        folders = {"nothing queued": Path(name) / "empty", "dead destination": Path(name) / "dead"}
        await fill(folders["dead destination"], arguments.queued)
        found: dict[str, list[tuple[float, float]]] = {title: [] for title in folders}
        for number in range(-1, ROUNDS):
            for title, folder in folders.items():
                delays, probes = await round_of(folder)
                p50, p99 = statistics.median(delays), statistics.quantiles(delays, n=100)[98]
                print(f"{title}: p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms, {probes} probes", flush=True)
                if number >= 0:  # the first is for warming up
                    found[title].append((p50, p99))
    p50s, p99s = ([statistics.median(each[at] for each in found[title]) for title in folders] for at in (0, 1))
    print(f"ratio with {arguments.queued:,} queued: p50 {p50s[1] / p50s[0]:.2f}, p99 {p99s[1] / p99s[0]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queued", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    uvloop.run(main(parser.parse_args()))
