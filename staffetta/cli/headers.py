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
from staffetta.cli.options import Json
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_USAGE

_STANDARD_INPUT = Path("-")
_WIDTH_OF_FILES = 160


class Compat(StrEnum):
    MHA = "mha"


File = Annotated[Path, Parameter(help="Headers or a whole message, as text; - or none: standard input.")]
Html = Annotated[bool, Parameter(name="--html", negative="", help="Print a page that can be printed and sent on.")]
Plain = Annotated[bool, Parameter(name="--text", negative="", help="Print tables for people, as without an option.")]
Trust = Annotated[
    tuple[str, ...],
    Parameter(negative="", help="A host whose Authentication-Results count; *.contoso.com too; may be repeated."),
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
    compat: As = None,
) -> int:
    """Show the hops of a message, what each took, and what its headers say. Nothing leaves this machine."""
    if json + html + text > 1:
        print("Say one of --json, --html and --text.", file=sys.stderr)
        return EX_USAGE
    try:
        pasted = text_of(sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes())
        if compat is Compat.MHA:
            print(json_text.dumps(mha.shown(mha.analyze_as_mha(pasted)), indent=2, ensure_ascii=False))
            return EX_OK
        report = analyze(pasted, trusted_hosts=trust)
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
