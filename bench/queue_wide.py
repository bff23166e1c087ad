"""What a message costs with 1,000 destinations of 100 messages each, against one destination with all of them.

    .venv/bin/python -m bench.queue_wide                                     # three minutes, 2 GiB under /tmp
    .venv/bin/python -m bench.queue_wide --destinations 1000 --each 10       # a tenth

All messages are on disk before the queue starts, as after an outage, and it carries them: real SqliteSpool, real queue,
a next hop that takes 5 ms. Each run is a process of its own; one and many take turns. CPU is user and system time of
all threads from the queue's start until nothing is queued; memory is the peak beyond what the process had before.
Connectors: how many the messages of each destination came by.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog
import uvloop

from bench.spool_micro import new_message
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.outcome import Contact, Delivered, Outcome, Stage
from staffetta.queue.manager import QueueManager
from staffetta.settings.model import Settings
from staffetta.settings.roads import NextHop, Route
from staffetta.spool.spool import RoutedRecipient
from staffetta.spool.sqlite import SqliteSpool

ROUNDS = 3
NEXT_HOP_SECONDS = 0.005
DELIVERED = Delivered(status="2.0.0", diagnostic="250 2.0.0 Ok", stage=Stage.FINAL_DOT, host="mx.example.net")
SETTINGS = Settings(
    hostname="relay.contoso.test",
    data_dir=Path("unused"),
    routes=(Route(name="out", concurrency=20, next_hops=(NextHop(host="mx.example.net"),)),),
)


async def fill(folder: Path, arguments: argparse.Namespace, destinations: int) -> None:
    spool = await SqliteSpool.open(folder)
    for begin in range(0, arguments.messages, 500):
        batch = []
        for place in range(begin, min(begin + 500, arguments.messages)):
            new = new_message(spool, place)
            to = (RoutedRecipient(new.envelope.recipients[0], "out", f"d{place % destinations}.test"),)
            connector = f"c{place // destinations % arguments.connectors}"
            batch.append(spool.commit(replace(new, recipients=to, connector=connector)))
        await asyncio.gather(*batch)
    await spool.close()


async def carry(folder: Path, arguments: argparse.Namespace) -> None:
    """Print CPU in µs per message, KiB of memory, and seconds."""
    left = arguments.messages

    async def courier(consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        nonlocal left
        await before_data(Contact(host="mx.example.net"))
        await asyncio.sleep(NEXT_HOP_SECONDS)
        left -= 1
        return (DELIVERED,)

    spool = await SqliteSpool.open(folder)
    queue = QueueManager(spool, courier, lambda: SETTINGS, route_notification=lambda mailbox: ("out", "x.test"))
    memory, began, cpu = _kib("VmRSS"), time.perf_counter(), time.process_time()
    await queue.start()
    while left or queue.in_hand:  # noqa: ASYNC110  (there is no event for it)
        await asyncio.sleep(0.02)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    print(cpu / arguments.messages * 1e6, _kib("VmHWM") - memory, seconds)
    await queue.drain(5)
    await spool.close()


def _kib(field: str) -> int:
    """Of this process, as the kernel counts it; getrusage would count what it was before its exec."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1])


def run(arguments: argparse.Namespace, destinations: int) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory(prefix="staffetta-wide-", dir=arguments.folder) as name:
        uvloop.run(fill(Path(name), arguments, destinations))
        words = [f"--{each}={getattr(arguments, each)}" for each in ("destinations", "each", "connectors")]
        command = [sys.executable, "-m", "bench.queue_wide", *words, "--carry", name]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(float(each) for each in said.split())


def main(arguments: argparse.Namespace) -> None:
    found: dict[int, list[tuple[float, ...]]] = {1: [], arguments.destinations: []}
    for _ in range(ROUNDS):
        for destinations, rounds in found.items():
            cpu, memory, seconds = run(arguments, destinations)
            rounds.append((cpu, memory))
            rate = arguments.messages / seconds
            print(f"{destinations} destinations: {cpu:.0f} µs, {memory / 1024:.0f} MiB, {rate:,.0f} msgs/s", flush=True)
    one, many = ([statistics.median(each[at] for each in rounds) for at in (0, 1)] for rounds in found.values())
    print(f"ratio: CPU per message {many[0] / one[0]:.2f}, memory {many[1] / one[1]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--destinations", type=int, default=1_000)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--connectors", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--carry", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.messages = given.destinations * given.each
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if given.carry:
        uvloop.run(carry(given.carry, given))
    else:
        main(given)
