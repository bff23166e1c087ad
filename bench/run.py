"""`make bench`: our relay and Debian's Postfix in turn, on the same machine and in front of the same sink.

Both are durable: 250 is said after a sync. Counts are checked at the sink. Rates differ from machine to machine and
from hour to hour; only the ratios of one run say something, and CPU per message is the steadier of them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.far_end import far_end
from bench.report import Measurement, as_markdown, print_table
from bench.scenarios import SCENARIOS, Bench, warm_up
from bench.servers import DebianPostfix, OurRelay, standing
from tests.live import postfix


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    missing = postfix.missing()
    if missing and not options.without_postfix:
        print(f"{missing}; --without-postfix measures our relay alone", file=sys.stderr)
        return 1
    names = options.only or [name for name, scenario in SCENARIOS.items() if options.long or not scenario.is_long]
    measurements = _measure(names, with_postfix=not options.without_postfix)
    print_table(measurements)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    facts = {"machine": _machine(), "measurements": [measurement.as_dict() for measurement in measurements]}
    options.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"\n{options.json}: all figures")
    if options.markdown:
        options.markdown.write_text(as_markdown(measurements, _machine()), encoding="utf-8")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="a scenario; may be given more than once")
    parser.add_argument("--long", action="store_true", help="with the scenarios that take minutes")
    parser.add_argument("--without-postfix", action="store_true", help="our relay alone")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"), help="where all figures go")
    parser.add_argument("--markdown", type=Path, help="where the table goes, as in docs/performance.md")
    return parser.parse_args(arguments)


def _measure(names: Sequence[str], *, with_postfix: bool) -> list[Measurement]:
    """Both servers stand all the time (an idle one costs nothing); each scenario is run on one, then on the other."""
    measurements = []
    with ExitStack() as stack:
        sink = stack.enter_context(far_end())
        servers: list[OurRelay | DebianPostfix] = [OurRelay(sink.port)]
        if with_postfix:
            servers.append(DebianPostfix(sink.port))
        for server in servers:
            stack.enter_context(standing(server))
            warm_up(Bench(server, sink))
        for name in names:
            for server in servers:
                print(f"{name}: {server.name} …", file=sys.stderr)
                measurements.append(SCENARIOS[name].measure(Bench(server, sink), name))
    return measurements


def _machine() -> dict[str, str]:
    version = subprocess.run(["postconf", "-h", "mail_version"], capture_output=True, text=True, check=False)
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postfix": version.stdout.strip(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
