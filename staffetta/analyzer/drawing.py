"""The analysis in a terminal: a table of the hops with a bar for the share of the time that each took.

Rule: what a message says is shown, and never obeyed: no control character of it reaches the terminal.
"""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from staffetta.analyzer.blocks import Block, blocks_of
from staffetta.analyzer.finding import Finding, Severity
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.report import Report
from staffetta.analyzer.words import carried, clock, duration, moment, secured, sending_host, summary_lines

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR_CELLS = 12
_COLOURS = {Severity.GOOD: "green", Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}


class Bar:
    """A bar that fills a share of the width that it is given."""

    def __init__(self, share: float) -> None:
        self._share = min(1.0, max(0.0, share))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        eighths = max(1, round(self._share * width * 8)) if self._share else 0
        full, rest = divmod(eighths, 8)
        cells = (_EIGHTHS[8] * full + _EIGHTHS[rest].strip()).ljust(width)
        if options.ascii_only:
            cells = ("#" * max(1, round(self._share * width)) if self._share else "").ljust(width)
        yield Segment(cells, Style(color="red" if self._share > 0.5 else "cyan"))


def drawing(report: Report) -> Iterator[RenderableType]:
    """Yield what is printed, piece by piece, for a rich Console."""
    yield _summary(report)
    if report.hops:
        yield Text()
        yield hop_table(report)
    if report.findings:
        yield Text()
        yield _findings(report.findings)
    for block in blocks_of(report):
        yield Text()
        yield _table(block)


def hop_table(report: Report) -> Table:
    """Return the hops as a table with bars, for a rich Console."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Hop", justify="right", no_wrap=True)
    for heading in ("From", "By", "With"):
        table.add_column(heading, overflow="fold", ratio=3)
    table.add_column("Time (UTC)", no_wrap=True)
    table.add_column("Delay", justify="right", no_wrap=True)
    table.add_column("Share", width=_BAR_CELLS)
    for hop in report.hops:
        table.add_row(*_cells(hop))
    return table


def printable(text: str) -> Text:
    """Return the text with a sign in place of each character that a terminal might obey."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


def _cells(hop: Hop) -> tuple[RenderableType, ...]:
    received = hop.received
    return (
        str(hop.number),
        printable(sending_host(received)),
        printable(received.by_name or received.by_comment or ""),
        printable(" ".join(filter(None, (carried(received), secured(received.tls))))),
        moment(received.at),
        _delay(hop),
        Bar(hop.share or 0.0),
    )


def _delay(hop: Hop) -> Text:
    if hop.delay_seconds is not None:
        return Text(duration(hop.delay_seconds))
    if hop.clock_offset_seconds is not None:
        return Text(clock(hop.clock_offset_seconds).replace(" ", "\n", 1), style="yellow")
    return Text()


def _summary(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in summary_lines(report.summary, report.total_seconds):
        table.add_row(Text(name, style="bold"), printable(value))
    return table


def _findings(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 1))
    for each in findings:
        table.add_row(
            Text(each.severity, style=_COLOURS[each.severity]),
            printable(f"{each.text} ({each.field}; {each.reference})"),
        )
    return table


def _table(block: Block) -> Table:
    table = Table(
        box=None,
        pad_edge=False,
        show_header=bool(block.columns),
        header_style="bold",
        title=block.heading,
        title_justify="left",
        title_style="bold",
    )
    for heading in block.columns or ("", ""):
        table.add_column(heading, overflow="fold")
    for row in block.rows:
        table.add_row(*map(printable, row))
    return table
