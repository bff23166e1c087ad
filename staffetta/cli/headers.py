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
from staffetta.analyzer.report import Report, analyze
from staffetta.cli.options import Json
from staffetta.cli.status import EX_NOINPUT, EX_OK

_STANDARD_INPUT = Path("-")
_WIDTH_OF_FILES = 160


class Compat(StrEnum):
    MHA = "mha"


File = Annotated[Path, Parameter(help="Headers or a whole message, as text; - or none: standard input.")]
As = Annotated[
    Compat | None, Parameter(help="Split and reckon the hops as Microsoft's Message Header Analyzer does, as JSON.")
]


def headers(file: File = _STANDARD_INPUT, /, *, json: Json = False, compat: As = None) -> int:
    """Show the hops of a message, what each took, and what its headers say. Nothing leaves this machine."""
    try:
        text = text_of(sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes())
        if compat is Compat.MHA:
            print(json_text.dumps(mha.shown(mha.analyze_as_mha(text)), indent=2, ensure_ascii=False))
            return EX_OK
        report = analyze(text)
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        return EX_NOINPUT
    except NotHeaders as error:
        print(error, file=sys.stderr)
        return EX_NOINPUT
    if json:
        print(TypeAdapter(Report).dump_json(report, indent=2).decode())
        return EX_OK
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    for piece in drawing(report):
        console.print(piece)
    return EX_OK
