"""What a page does, as somebody would type it: as a cmdlet, and on the command line of the relay's machine.

Rule: a value of a secret parameter is never written out.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from staffetta.operations.registry import Operation, Parameter, ParameterKind

_PLAIN = re.compile(r"[A-Za-z0-9_.@/\\:-]+")
_SECRET = re.compile(r"password|secret|privatekey", re.IGNORECASE)
HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class Command:
    """cmdlet: for the shell and PowerShell. line: for the machine's own command line."""

    cmdlet: str
    line: str


def is_secret(parameter: Parameter) -> bool:
    """Whether its value must not be shown: it takes one, and its name says that it is secret."""
    has_value = parameter.kind in (ParameterKind.TEXT, ParameterKind.TEXTS)
    return has_value and _SECRET.search(parameter.name) is not None and not parameter.name.endswith("Id")


def command_of(operation: Operation, given: Mapping[str, object]) -> Command:
    """Return how to call an operation. given: parameters by outside name."""
    known = {each.name: each for each in operation.parameters}
    cmdlet, words = [operation.name], ["staffetta", "run", operation.name]
    for name, value in given.items():
        parameter = known.get(name)
        if parameter is None:
            continue
        if parameter.kind is ParameterKind.SWITCH:
            cmdlet += [f"-{name}"] if value else []
            words += [f"-{name}"] if value else []
            continue
        shown = HIDDEN if is_secret(parameter) else value
        cmdlet += [f"-{name}", _literal(shown)]
        words += [f"-{name}", _word(shown)]
    return Command(" ".join(cmdlet), shlex.join(words))


def _literal(value: object) -> str:
    """A value as PowerShell writes it."""
    if value is None:
        return "$null"
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if isinstance(value, list | tuple):
        return ",".join(map(_literal, value)) if value else "@()"
    text = str(value)
    return text if _PLAIN.fullmatch(text) and not text.startswith("-") else "'" + text.replace("'", "''") + "'"


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
