"""What could come next where somebody types: cmdlets, their parameters, values of a parameter, variables."""

import re
from collections.abc import Iterable, Mapping

from staffetta.shell.commands import Command, Named

_STAGE = re.compile(r"[|;({\n=]")
_WORD = re.compile(r"[^\s,]*$")


def complete(before: str, commands: Mapping[str, Command], variables: Iterable[str]) -> tuple[str, list[str]]:
    """Return the word under the cursor, as far as it is typed, and what it could become.

    before: all that is typed up to the cursor. commands: by name and alias, lower case.
    """
    stage = _STAGE.split(before)[-1].lstrip()
    found = _WORD.search(stage)
    word = found.group() if found is not None else ""
    if word.startswith("$"):
        return word, [f"${name}" for name in _beginning(word[1:], variables)]
    name, space, rest = stage.partition(" ")
    if not space:
        return word, _beginning(word, sorted({command.name for command in commands.values()}))
    command = commands.get(name.casefold())
    if command is None:
        return word, []
    if word.startswith("-"):
        return word, [f"-{each}" for each in _beginning(word[1:], (each.name for each in command.all_parameters))]
    parameter = _last_parameter(command, rest[: len(rest) - len(word)])
    return word, _beginning(word, parameter.choices if parameter is not None else ())


def _beginning(start: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.casefold().startswith(start.casefold())]


def _last_parameter(command: Command, typed: str) -> Named | None:
    """The parameter whose value is being typed."""
    words = typed.replace(":", " ").split()
    name = next((word[1:].casefold() for word in reversed(words[-1:]) if word.startswith("-")), None)
    if name is None:
        return None
    begun = [each for each in command.all_parameters if each.name.casefold().startswith(name)]
    return begun[0] if len(begun) == 1 else next((each for each in begun if each.name.casefold() == name), None)
