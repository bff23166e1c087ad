"""`staffetta headers`: what the headers of a message tell of its road."""

import json as json_text
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import TypeAdapter
from rich.console import Console

from staffetta.analyzer import mha
from staffetta.analyzer.drawing import drawing
from staffetta.analyzer.fields import NotHeaders, text_of
from staffetta.analyzer.page import page
from staffetta.analyzer.report import Report, analyze
from staffetta.analyzer.source import READ_OCTETS_MAX
from staffetta.cli.options import Json
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_USAGE
from staffetta.operations.local import local_office
from staffetta.operations.message_content import content_of
from staffetta.operations.recomputing import recomputed
from staffetta.settings.file import load
from staffetta.settings.model import Dns

_STANDARD_INPUT = Path("-")
_WIDTH_OF_FILES = 160


class Compat(StrEnum):
    MHA = "mha"


File = Annotated[Path, Parameter(help="Headers or a whole message, as text; - or none: standard input.")]
Html = Annotated[bool, Parameter(name="--html", negative="", help="Print a page that can be printed and sent on.")]
Plain = Annotated[bool, Parameter(name="--text", negative="", help="Print tables for people, as without an option.")]
Trust = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="A host whose Authentication-Results count; *.contoso.com too; may be repeated. Left out, the setting "
        "header_analysis.trusted_hosts.",
    ),
]
Identity = Annotated[
    str | None,
    Parameter(name="--id", help="Instead of a file, a message that waits: queue id or trace id. It is written down."),
]
Config = Annotated[
    Path | None, Parameter(env_var="STAFFETTA_CONFIG", help="The settings file: for --id, trusted hosts and resolvers.")
]
Offline = Annotated[
    bool, Parameter(negative="", help="Ask not even the DNS, so that signatures are not computed again.")
]
As = Annotated[
    Compat | None, Parameter(help="Split and reckon the hops as Microsoft's Message Header Analyzer does, as JSON.")
]


def headers(
    file: File = _STANDARD_INPUT,
    /,
    *,
    json: Json = False,
    html: Html = False,
    text: Plain = False,
    trust: Trust = (),
    id: Identity = None,
    config: Config = None,
    offline: Offline = False,
    compat: As = None,
) -> int:
    """Show the hops of a message, what each took, and what its headers say.

    Nothing leaves this machine but questions to the DNS, for the keys of signatures.
    """
    if json + html + text > 1:
        print("Say one of --json, --html and --text.", file=sys.stderr)
        return EX_USAGE
    if id is not None and (config is None or file != _STANDARD_INPUT):
        print("With --id give --config, and no file.", file=sys.stderr)
        return EX_USAGE
    try:
        octets = _read(file) if id is None or config is None else _waiting(config, id)
        if compat is Compat.MHA:
            analysis = mha.analyze_as_mha(text_of(octets))
            print(json_text.dumps(mha.shown(analysis), indent=2, ensure_ascii=False))
            return EX_OK
        settings = load(config) if config else None
        trusted = trust or (settings.header_analysis.trusted_hosts if settings else ())
        dns = settings.dns if settings else Dns()
        report = analyze(text_of(octets), trusted, recomputed(octets, dns, offline=offline))
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        return EX_NOINPUT
    except NotHeaders as error:
        print(error, file=sys.stderr)
        return EX_NOINPUT
    if json:
        print(TypeAdapter(Report).dump_json(report, indent=2).decode())
        return EX_OK
    if html:
        print(page(report), end="")
        return EX_OK
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    for piece in drawing(report):
        console.print(piece)
    return EX_OK


def _read(file: Path) -> bytes:
    """Raises OSError."""
    return sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()


def _waiting(config: Path, identity: str) -> bytes:
    """Raises SettingsError, NotAvailable, OperationError."""
    with local_office(config, "cli") as office:
        return content_of(office.context(), identity, "Get-HeaderAnalysis", READ_OCTETS_MAX)
