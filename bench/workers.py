"""One worker and two, in turn, in front of the same sink: what a message costs, and how many go through in a second.

    .venv/bin/python -m bench.workers            # a minute and a half
    .venv/bin/python -m bench.workers --rounds 1 --workers 1 --workers 4

Load generator and sink take CPU of the same cores, so on two cores the rate says little; CPU per message says whether
several workers cost more than one, and the cores that the relay has had say whether they share the work.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from bench.far_end import FarEnd, far_end
from bench.scenarios import SMALL, Bench, through, warm_up
from bench.servers import OurRelay, standing

LOADS = {"small-reuse": SMALL, "one-per-connection": replace(SMALL, per_connection=1)}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.workers", description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, action="append", help="how many; may be given more than once")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    print("| scenario | workers | msgs/s | CPU µs per message | cores used | p50/p99 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with far_end() as sink:
        for name in LOADS:
            for row in _measured(name, options.workers or [1, 2], options.rounds, sink):
                print(row, flush=True)
    return 0


def _measured(name: str, workers: Sequence[int], rounds: int, sink: FarEnd) -> list[str]:
    """All stand all the time, and take their turns. Medians of the rounds."""
    figures: dict[int, list[tuple[float, float, float, float, float]]] = {count: [] for count in workers}
    with ExitStack() as stack:
        benches = {}
        for count in workers:
            server = stack.enter_context(standing(OurRelay(sink.port, workers=count)))
            benches[count] = Bench(server, sink)
            warm_up(benches[count])
        for _ in range(rounds):
            for count, bench in benches.items():
                sent, seconds, cpu = through(bench, LOADS[name])
                figures[count].append(
                    (
                        sent.acknowledged / seconds,
                        cpu / sent.acknowledged * 1e6,
                        cpu / seconds,
                        sent.latency_ms(0.5),
                        sent.latency_ms(0.99),
                    )
                )
    rows = []
    for count in workers:
        rate, cost, cores, p50, p99 = (statistics.median(each) for each in zip(*figures[count], strict=True))
        rows.append(f"| {name} | {count} | {rate:,.0f} | {cost:,.0f} | {cores:.2f} | {p50:.1f}/{p99:.1f} |")
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
