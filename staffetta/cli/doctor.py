"""`staffetta doctor`: what is wrong with a set-up, before mail finds out."""

import sys
import time
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.rows import print_values
from staffetta.cli.status import EX_OK, EX_SICK, EX_UNWELL
from staffetta.cli.tables import printable
from staffetta.doctor.examination import Report
from staffetta.doctor.finding import Finding, Severity
from staffetta.operations.health import examine_here
from staffetta.settings.file import load

Offline = Annotated[bool, Parameter(negative="", help="Ask nobody: look at files and this machine alone.")]

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}
_WIDTH_OF_FILES = 120


def doctor(*, config: ConfigFile, offline: Offline = False, json: Json = False) -> int:
    """Examine the set-up: what is wrong, why it matters, what to do. Exit status 2: an error, 1: a warning."""
    settings = load(config)
    waiting = Console(stderr=True)
    with waiting.status("Beginning") as status:
        report = examine_here(settings, time.time(), offline=offline, tell=lambda step: status.update(f"{step} …"))
    if json:
        _print_json(report)
    else:
        _print(report)
    return _status(report)


def _status(report: Report) -> int:
    if report.count(Severity.ERROR):
        return EX_SICK
    return EX_UNWELL if report.count(Severity.WARNING) else EX_OK


def _print_json(report: Report) -> None:
    for each in report.examined:
        for why in each.not_checked:
            print(f"Not checked: {each.check}: {why}", file=sys.stderr)
    print_values(
        [
            {
                "Severity": finding.severity,
                "Code": finding.code,
                "Check": check,
                "Seen": finding.seen,
                "Why": finding.why,
                "Action": finding.action,
            }
            for check, finding in report.findings
        ]
    )


def _print(report: Report) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    checks = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Check", "Result"):
        checks.add_column(heading, overflow="fold")
    for each in report.examined:
        checks.add_row(Text(each.check), _result(each.findings, each.not_checked))
    console.print(checks)
    if report.findings:
        console.print()
        console.print(_findings(report))
    console.print()
    console.print(Text(_sentence(report)))


def _result(findings: tuple[Finding, ...], not_checked: tuple[str, ...]) -> Text:
    parts = [
        (f"{count} {severity}{'s' if count > 1 else ''}", _COLOURS[severity])
        for severity in Severity
        if (count := sum(finding.severity is severity for finding in findings))
    ]
    if not parts and not not_checked:
        parts = [("good", "green")]
    parts += [(f"not checked: {why}", "dim") for why in not_checked]
    return Text("; ").join(Text(printable(words), style=style) for words, style in parts)


def _findings(report: Report) -> Table:
    """Two columns, so that there is room for sentences at 80 characters."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 1, 0))
    table.add_column("Severity", no_wrap=True)
    table.add_column("Finding", overflow="fold")
    for check, finding in report.findings:
        text = Text()
        text.append(f"{finding.code}", style="bold")
        text.append(f"  {check}\n", style="dim")
        text.append(f"{printable(finding.seen)}\n")
        text.append(f"Why: {finding.why}\n", style="dim")
        text.append(f"Do:  {printable(finding.action)}")
        table.add_row(Text(finding.severity, style=_COLOURS[finding.severity]), text)
    return table


def _sentence(report: Report) -> str:
    """The last line: how it stands."""
    left_out = sum(bool(each.not_checked) for each in report.examined)
    beside = f" {left_out} of {len(report.examined)} checks could not see everything." if left_out else ""
    counts = [
        f"{count} {severity}{'s' if count > 1 else ''}" for severity in Severity if (count := report.count(severity))
    ]
    if not counts:
        return f"Nothing was found.{beside}"
    found = " and ".join([", ".join(counts[:-1]), counts[-1]] if len(counts) > 1 else counts)
    first = report.findings[0][1]
    verdict = "Mend the errors first" if first.severity is Severity.ERROR else "There is no error"
    return f"{verdict}: {found}.{beside}"
