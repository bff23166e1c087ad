"""What a command is, and how what was typed becomes its parameters, as PowerShell binds them.

Rule 1: a parameter may be shortened as long as only one begins so; aliases count as names.
Rule 2: arguments without a name go to the positions that are still free, in order.
Rule 3: the common parameters belong to every command, and are the evaluator's business.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

from staffetta.shell.dates import read_date
from staffetta.shell.syntax import ScriptBlock
from staffetta.shell.trouble import Place, ShellError
from staffetta.shell.values import Bag, Hashtable, is_true, listed, text, type_name, whole

if TYPE_CHECKING:
    from staffetta.shell.evaluate import Evaluator
    from staffetta.shell.session import Session


class Kind(Enum):
    """What a parameter takes. ANY is handed on as it is. TIME is in UTC where a text names no zone, as in Exchange."""

    TEXT = auto()
    TEXTS = auto()
    NUMBER = auto()
    TIME = auto()
    FLAG = auto()
    SWITCH = auto()
    TABLE = auto()
    BLOCK = auto()
    ANY = auto()


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter. position: from 0, where it may stand without its name. takes_rest: the last position takes all.

    choices: values to offer on completion; whether they are the only ones is the command's business.
    type_words: what Get-Help calls its type, where `kind` says too little.
    """

    name: str
    kind: Kind = Kind.ANY
    position: int | None = None
    aliases: tuple[str, ...] = ()
    takes_rest: bool = False
    choices: tuple[str, ...] = ()
    words: str = ""
    type_words: str = ""


COMMON = (
    Named("ErrorAction", Kind.TEXT, aliases=("ea",), choices=("Stop", "Continue", "SilentlyContinue", "Ignore")),
    Named("WarningAction", Kind.TEXT, aliases=("wa",), choices=("Continue", "SilentlyContinue", "Ignore", "Stop")),
    Named("InformationAction", Kind.TEXT, aliases=("infa",)),
    Named("ErrorVariable", Kind.TEXT, aliases=("ev",)),
    Named("OutVariable", Kind.TEXT, aliases=("ov",)),
    Named("Verbose", Kind.SWITCH, aliases=("vb",)),
    Named("Debug", Kind.SWITCH, aliases=("db",)),
)
CHANGING = (Named("WhatIf", Kind.SWITCH, aliases=("wi",)), Named("Confirm", Kind.SWITCH, aliases=("cf",)))
"""Parameters that every command which changes something has besides."""


@dataclass(frozen=True, slots=True)
class Invoked:
    """One call.

    given: parameters by name, converted. items: what the pipeline brought; has_input: whether there is one.
    place: of the command in the script.
    """

    session: "Session"
    evaluator: "Evaluator"
    given: Bag
    items: list[object]
    has_input: bool
    place: Place

    def text(self, name: str, default: str = "") -> str:
        return text(self.given[name]) if name in self.given else default

    def flag(self, name: str) -> bool:
        return is_true(self.given.get(name))

    def block(self, block: ScriptBlock, item: object) -> list[object]:
        """Run a script block with `$_` as item."""
        return self.evaluator.block(block, item)


@dataclass(frozen=True, slots=True)
class Command:
    """run: returns what it gives to the pipeline. syntax: words for Get-Help besides the parameters."""

    name: str
    run: Callable[[Invoked], list[object]]
    summary: str
    parameters: tuple[Named, ...] = ()
    aliases: tuple[str, ...] = ()
    example: str = ""

    @property
    def all_parameters(self) -> tuple[Named, ...]:
        return (*self.parameters, *COMMON)


@dataclass(slots=True)
class Given:
    """An element of a call, evaluated. name: None for an argument. has_colon: the value behind the colon is its own."""

    name: str | None
    value: object = None
    has_colon: bool = False


@dataclass(slots=True)
class _Binding:
    command: Command
    values: Bag = field(default_factory=Bag)
    loose: list[object] = field(default_factory=list)

    def put(self, parameter: Named, value: object) -> None:
        if parameter.name in self.values:
            raise ShellError(f"Cannot bind parameter because parameter '{parameter.name}' is specified more than once.")
        self.values[parameter.name] = converted(parameter, value)


def bind(command: Command, elements: Sequence[Given]) -> Bag:
    """Return the parameters by name. Raises ShellError, in PowerShell's words."""
    binding = _Binding(command)
    waiting = list(elements)
    while waiting:
        element = waiting.pop(0)
        if element.name is None:
            binding.loose.append(element.value)
            continue
        parameter = named(command, element.name)
        if parameter.kind is Kind.SWITCH and not element.has_colon:
            binding.put(parameter, True)
        elif waiting and waiting[0].name is None:
            binding.put(parameter, waiting.pop(0).value)
        else:
            raise ShellError(
                f"Missing an argument for parameter '{parameter.name}'. Specify a parameter of type "
                f"'{_TYPE_NAMES.get(parameter.kind, 'System.Object')}' and try again."
            )
    _place_loose(binding)
    return binding.values


def _place_loose(binding: _Binding) -> None:
    free = sorted(
        (each for each in binding.command.parameters if each.position is not None and each.name not in binding.values),
        key=lambda each: each.position or 0,
    )
    for parameter in free:
        if not binding.loose:
            return
        if parameter.takes_rest:
            rest, binding.loose = binding.loose, []
            binding.put(parameter, rest if len(rest) > 1 else rest[0])
        else:
            binding.put(parameter, binding.loose.pop(0))
    if binding.loose:
        raise ShellError(
            f"A positional parameter cannot be found that accepts argument '{text(binding.loose[0])}'. "
            f"Get-Help {binding.command.name} shows what it takes."
        )


def named(command: Command, name: str) -> Named:
    """Return the parameter of that name, alias, or beginning. Raises ShellError."""
    folded = name.casefold()
    known = command.all_parameters
    for parameter in known:
        if folded in (parameter.name.casefold(), *(alias.casefold() for alias in parameter.aliases)):
            return parameter
    begun = [each for each in known if each.name.casefold().startswith(folded)]
    own = [each for each in begun if each in command.parameters]
    if len(begun) == 1 or len(own) == 1:
        return (own or begun)[0]
    if begun:
        names = " ".join(f"-{each.name}" for each in begun)
        raise ShellError(
            f"Parameter cannot be processed because the parameter name '{name}' is ambiguous. "
            f"Possible matches include: {names}."
        )
    raise ShellError(f"A parameter cannot be found that matches parameter name '{name}'.{_hint(name, known)}")


def _hint(name: str, known: Iterable[Named]) -> str:
    names = {each.name.casefold(): each.name for each in known}
    close = difflib.get_close_matches(name.casefold(), names, n=1)
    return f" Did you mean -{names[close[0]]}?" if close else ""


def unknown(commands: Mapping[str, Command], name: str) -> str:
    """Return what to say of a command that is not there. commands: by name and alias, lower case."""
    close = difflib.get_close_matches(name.casefold(), [known for known in commands if "-" in known], n=1)
    hint = f"Did you mean {commands[close[0]].name}?" if close else "Get-Command lists what there is."
    return f"The term '{name}' is not recognized as the name of a cmdlet. {hint}"


_TYPE_NAMES = {
    Kind.TEXT: "System.String",
    Kind.TEXTS: "System.String[]",
    Kind.NUMBER: "System.Int32",
    Kind.TIME: "System.DateTime",
    Kind.FLAG: "System.Boolean",
}


def converted(parameter: Named, value: object) -> object:
    """Return a value as its parameter wants it. Raises ShellError."""
    match parameter.kind:
        case Kind.TEXT:
            if isinstance(value, list | Hashtable):
                raise _transformation(parameter, value, "System.String", "Write one text.")
            return text(value)
        case Kind.TEXTS:
            return [text(item) for item in listed(value)]
        case Kind.NUMBER:
            try:
                return whole(value)
            except ShellError:
                raise _transformation(parameter, value, "System.Int32", "Write a whole number.") from None
        case Kind.TIME if isinstance(value, str):
            try:
                return read_date(value, UTC)
            except ShellError as error:
                raise _transformation(parameter, value, "System.DateTime", error.text) from None
        case Kind.FLAG | Kind.SWITCH:
            if not isinstance(value, bool | int):
                why = "Boolean parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0."
                raise _transformation(parameter, value, "System.Boolean", why)
            return is_true(value)
        case Kind.TABLE if not isinstance(value, Hashtable):
            raise _transformation(parameter, value, "System.Collections.Hashtable", "Write @{Name = 'value'}.")
        case Kind.BLOCK if not isinstance(value, ScriptBlock):
            raise _transformation(parameter, value, "System.Management.Automation.ScriptBlock", "Write { … }.")
    return value


def _transformation(parameter: Named, value: object, wanted: str, why: str) -> ShellError:
    shown = value if isinstance(value, str | int | float | datetime) else type_name(value)
    return ShellError(
        f"Cannot process argument transformation on parameter '{parameter.name}'. "
        f'Cannot convert value "{text(shown)}" to type "{wanted}". {why}'
    )
