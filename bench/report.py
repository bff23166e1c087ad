"""Measurements, and their table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One scenario on one server. value: in `unit`; is_rate: whether more is better.

    cpu_us: of the whole server per message; p50_ms, p99_ms: final dot to 250. None where it is not measured.
    """

    scenario: str
    server: str
    value: float
    unit: str
    is_rate: bool = True
    messages: int = 0
    cpu_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


COLUMNS = (
    "scenario",
    "ours",
    "Postfix",
    "ratio",
    "CPU µs ours",
    "CPU µs Postfix",
    "ratio",
    "p50/p99 ms ours",
    "Postfix",
)


def rows(measurements: Sequence[Measurement]) -> list[tuple[str, ...]]:
    """One row per scenario; ratios are ours to Postfix's."""
    table = []
    for name in dict.fromkeys(measurement.scenario for measurement in measurements):
        pair = {measurement.server: measurement for measurement in measurements if measurement.scenario == name}
        ours, theirs = pair.get("staffetta"), pair.get("postfix")
        table.append(
            (
                name,
                _figure(ours),
                _figure(theirs),
                _ratio(ours and ours.value, theirs and theirs.value),
                _number(ours and ours.cpu_us),
                _number(theirs and theirs.cpu_us),
                _ratio(ours and ours.cpu_us, theirs and theirs.cpu_us),
                _latency(ours),
                _latency(theirs),
            )
        )
    return table


def print_table(measurements: Sequence[Measurement]) -> None:
    table = Table(*COLUMNS)
    for row in rows(measurements):
        table.add_row(*row)
    Console(width=160).print(table)


def as_markdown(measurements: Sequence[Measurement], machine: dict[str, str]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows(measurements)]
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\nMachine: {facts}.\n"


def _figure(measurement: Measurement | None) -> str:
    return f"{_number(measurement.value)} {measurement.unit}" if measurement else "–"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(ours: float | None, theirs: float | None) -> str:
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "–"


def _latency(measurement: Measurement | None) -> str:
    if measurement is None or measurement.p50_ms is None:
        return "–"
    return f"{measurement.p50_ms:.1f}/{measurement.p99_ms:.1f}"
