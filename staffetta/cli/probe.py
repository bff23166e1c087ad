"""`staffetta probe`: a marked message through the whole chain, its hops and the time of each leg."""

import json as json_text
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from staffetta.analyzer.drawing import Bar, hop_table
from staffetta.analyzer.fields import NotHeaders
from staffetta.analyzer.report import analyze
from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_REFUSED, EX_TEMPFAIL, EX_USAGE
from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.operations.mailflow_probe import probe as send_probe
from staffetta.probing.plan import Plan, ProbeFailed, Report, plan_of, usual_sender
from staffetta.settings.file import load
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes
from staffetta.settings.probe_checks import problem_of_location
from staffetta.settings.probes import Expect
from staffetta.settings.secrets import SecretUnavailable

_WIDTH_OF_FILES = 160
_LEGS = {"queue": "in the queue", "handover": "to the next hop", "arrival": "to the end"}

Name = Annotated[str | None, Parameter(help="A probe of the settings file; else say --route and --to.")]
Route = Annotated[str | None, Parameter(help="The route, or the outbound connector, that is tried.")]
To = Annotated[str | None, Parameter(help="Mailbox that the message goes to.")]
Sender = Annotated[str | None, Parameter(name="--from", help="Its sender; left out, our postmaster.")]
Expected = Annotated[
    Expect, Parameter(name="--expect", help="What proves the arrival; none: the next hop has taken it.")
]
Location = Annotated[
    str | None, Parameter(name="--at", help="Folder of a Maildir, imaps://USER@HOST/FOLDER, or a Staffetta's https://.")
]
PasswordFile = Annotated[Path | None, Parameter(help="File of the IMAP user's password, or of the API token.")]
Timeout = Annotated[float, Parameter(help="How many seconds it may take.")]
Keep = Annotated[bool, Parameter(negative="", help="Leave the message in the Maildir or mailbox where it arrives.")]


class _Unusable(Exception):
    """What was typed cannot be used. The text says what to type instead."""


def probe(
    name: Name = None,
    /,
    *,
    config: ConfigFile,
    route: Route = None,
    to: To = None,
    from_: Sender = None,
    expect: Expected = Expect.NONE,
    at: Location = None,
    password_file: PasswordFile = None,
    timeout: Timeout = 60.0,
    keep: Keep = False,
    json: Json = False,
) -> int:
    """Have the running relay send a marked message, and follow it to where it arrives. Exit status 1: it did not."""
    settings = load(config)
    try:
        if name is not None:
            plan = _declared(name, settings)
        else:
            password = password_file.read_text(encoding="utf-8-sig").strip("\r\n") if password_file else ""
            plan = _typed(settings, route, to, from_, expect, at, password, timeout, keep)
        report = send_probe(settings, plan)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return EX_NOINPUT
    except _Unusable as error:
        print(error, file=sys.stderr)
        return EX_USAGE
    except (ProbeFailed, SecretUnavailable) as error:
        print(f"The probe was not sent: {error}.", file=sys.stderr)
        return EX_TEMPFAIL
    if json:
        print(json_text.dumps(asdict(report), indent=2, ensure_ascii=False))
    else:
        _draw(report, plan)
    return EX_OK if report.has_arrived else EX_REFUSED


def _declared(name: str, settings: Settings) -> Plan:
    """Raises _Unusable, SecretUnavailable."""
    for each in settings.probes:
        if each.name.casefold() == name.casefold():
            return plan_of(each, settings)
    known = ", ".join(each.name for each in settings.probes) or "none is declared; say --route and --to"
    raise _Unusable(f"There is no probe {name!r} in the settings. Known: {known}.")


def _typed(
    settings: Settings,
    route: str | None,
    to: str | None,
    from_: str | None,
    expect: Expect,
    location: str | None,
    password: str,
    timeout: float,
    keep: bool,
) -> Plan:
    """Raises _Unusable."""
    known = list(all_routes(settings))
    if route is None or to is None:
        raise _Unusable("Say --route ROUTE and --to ADDRESS, or the name of a probe of the settings.")
    if route not in known:
        raise _Unusable(f"There is no route {route!r}. Known: {', '.join(known) or 'none'}.")
    if problem := problem_of_location(
        expect, str(Path(location).resolve()) if location and expect is Expect.MAILDIR else location
    ):
        raise _Unusable(f"--at: {problem}.")
    try:
        return Plan(
            route=route,
            to=parse_mailbox(to),
            sender=parse_mailbox(from_ or usual_sender(settings)),
            expect=expect,
            location=location or "",
            password=password,
            timeout_seconds=timeout,
            keeps=keep,
            has_own_path=from_ is None,
        )
    except AddressError as error:
        raise _Unusable(f"{error}; write somebody@example.org.") from None


def _draw(report: Report, plan: Plan) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    total = sum(leg.seconds for leg in report.legs)
    console.print(Text(f"Probe {report.token} by route {plan.route} to {plan.to}; queue id {report.queue_id}"))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Leg", no_wrap=True)
    table.add_column("Seconds", justify="right", no_wrap=True)
    table.add_column("", min_width=8, ratio=1)
    table.add_column("", overflow="fold", ratio=4)
    for leg in report.legs:
        table.add_row(
            _LEGS[leg.name],
            f"{leg.seconds:.3f}",
            Bar(leg.seconds / total if total else 0.0),
            Text(_printable(leg.told)),
        )
    if report.legs:
        console.print(table)
    if report.header:
        console.print()
        try:
            console.print(hop_table(analyze(report.header)))
        except NotHeaders as error:
            console.print(Text(f"The headers of what arrived cannot be read: {_printable(str(error))}"))
    console.print()
    if report.trouble is None:
        console.print(Text(f"It arrived after {total:.3f} s."))
    else:
        console.print(
            Text(f"It did not arrive: {_printable(report.trouble)}. staffetta trace --queue-id {report.queue_id}")
        )


def _printable(text: str) -> str:
    """What another server said must not steer the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
