"""`make hostile`: every attack against our relay, and against Debian's Postfix where it is installed, as one table."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from tests.hostile.attacks import ATTACKS
from tests.hostile.trial import Result, standing_postfix, standing_relay, tried_all
from tests.live import postfix


def main() -> int:
    missing = postfix.missing()
    if missing:
        print(f"{missing}: our relay alone", file=sys.stderr)
    with ExitStack() as stack:
        ours = by_attack(tried_all(*stack.enter_context(standing_relay())))
    theirs: dict[str, list[Result]] = {}
    if not missing:
        with ExitStack() as stack:
            theirs = by_attack(tried_all(*stack.enter_context(standing_postfix())))
    print_table(ours, theirs)
    failed = [result for results in ours.values() for result in results if not result.is_as_expected]
    for result in failed:
        print(f"{result.attack.name}, {result.variant}: {result.seen}", file=sys.stderr)
    return 1 if failed else 0


def by_attack(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {attack.name: [] for attack in ATTACKS}
    for result in results:
        print(".", end="", file=sys.stderr, flush=True)
        found[result.attack.name].append(result)
    print(file=sys.stderr)
    return found


def print_table(ours: dict[str, list[Result]], theirs: dict[str, list[Result]]) -> None:
    table = Table("attack", "source", "variants", "expected", "seen (ours)", "seen (Postfix)", show_lines=True)
    for attack in ATTACKS:
        table.add_row(
            attack.name,
            attack.source,
            str(len(attack.variants)),
            attack.expected,
            seen(ours[attack.name]),
            seen(theirs.get(attack.name, [])) if attack.applies_to_others else "does not apply",
        )
    Console(width=180).print(table)


def seen(results: list[Result]) -> str:
    """How many were as expected, and what the others were answered."""
    if not results:
        return "–"
    others = [result for result in results if not result.is_as_expected]
    shown = "".join(f"\n{result.variant}: {told(result)}" for result in others[:4])
    more = f"\nand {len(others) - 4} more" if len(others) > 4 else ""
    return f"{len(results) - len(others)} as expected{shown}{more}"


def told(result: Result) -> str:
    codes = " ".join(result.seen.codes[-4:]) or "nothing"
    left = f"; {len(result.seen.left)} left" if result.seen.left else ""
    return f"{codes}{left}{'' if result.seen.has_closed else ', and waits'}"


if __name__ == "__main__":
    sys.exit(main())
