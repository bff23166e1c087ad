"""From what a caller typed to an operation's input: names in any case, errors in the words of Exchange's shell.

Rule 1: what JSON, a shell and a command line can say is read alike.
Rule 2: None ($null) empties a list, and puts an optional text, number or choice back to its default; a parameter left
out changes nothing.
Rule 3: an Identity that is None is an error. Exchange takes it for left out, and so for all objects that there are.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from types import NoneType
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from staffetta.operations.errors import BadParameter, BadValue
from staffetta.operations.inputs import SIZE, SWITCH, Input, MultiValued

_FLAGS = {"true": True, "$true": True, "1": True, "false": False, "$false": False, "0": False}


class ParameterKind(StrEnum):
    """What a value is; a switch is a flag that may stand without a value."""

    TEXT = "text"
    TEXTS = "texts"
    FLAG = "flag"
    SWITCH = "switch"
    CHOICE = "choice"
    NUMBER = "number"
    SIZE = "size"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation.

    name: outside; field: in Python. choices: what a CHOICE may be. default: None where leaving it out means nothing.
    position: from 0, where it may stand without a name.
    """

    name: str
    field: str
    kind: ParameterKind
    is_required: bool
    description: str
    default: object = None
    choices: tuple[str, ...] = ()
    position: int | None = None


_WHAT_IF = Parameter("WhatIf", "what_if", ParameterKind.SWITCH, False, "Change nothing.")


def parameters(model: type[Input], positions: tuple[str, ...] = ()) -> tuple[Parameter, ...]:
    """Return what an input takes, in the order of its declaration. positions: Python names."""
    return tuple(_parameter(field, info, positions) for field, info in model.model_fields.items())


def bind(model: type[Input], given: Mapping[str, object]) -> Input:
    """Return the input. given: by outside name, in any case of letters. Raises BadParameter, BadValue."""
    known = {parameter.name.lower(): parameter for parameter in parameters(model)}
    values: dict[str, object] = {}
    for name, value in given.items():
        parameter = known.get(name.lower())
        if parameter is None:
            raise _unknown(name, known.values())
        if parameter.name in values:
            text = f"Cannot bind parameter because parameter '{parameter.name}' is specified more than once."
            raise BadParameter(text, parameter=parameter.name)
        values[parameter.name] = _read(parameter, value)
    missing = [each.name for each in known.values() if each.is_required and each.name not in values]
    if missing:
        text = f"Cannot process command because of one or more missing mandatory parameters: {' '.join(missing)}."
        raise BadParameter(text, parameter=missing[0])
    try:
        return model.model_validate(values, by_alias=True)
    except ValidationError as error:
        raise _refused(error.errors()[0]) from None


def take_what_if(given: dict[str, object]) -> bool:
    """Take WhatIf out of what was given, and say whether nothing is to be changed.

    Raises BadValue where it is no flag: what only asks must not change anything for a misspelling.
    """
    names = [name for name in given if name.lower() == "whatif"]
    flags = [_flag(_WHAT_IF, given.pop(name)) for name in names]
    return any(flags)


def _parameter(field: str, info: FieldInfo, positions: tuple[str, ...]) -> Parameter:
    types = [each for each in _leaves(info.annotation) if each is not NoneType]
    kind = _kind(types, info)
    return Parameter(
        name=str(info.alias),
        field=field,
        kind=kind,
        is_required=info.is_required(),
        description=info.description or _description(info.annotation),
        default=None if info.is_required() else info.default,
        choices=tuple(str(each.value) for each in types[0]) if kind is ParameterKind.CHOICE else (),
        position=positions.index(field) if field in positions else None,
    )


def _kind(types: list[Any], info: FieldInfo) -> ParameterKind:
    if SWITCH in info.metadata:
        return ParameterKind.SWITCH
    if SIZE in info.metadata:
        return ParameterKind.SIZE
    first = types[0]
    for parent, kind in _KINDS:
        if issubclass(first, parent):
            return kind
    raise TypeError(f"{info.alias}: no caller could give a {first}")


_KINDS: tuple[tuple[type, ParameterKind], ...] = (
    (MultiValued, ParameterKind.TEXTS),
    (Enum, ParameterKind.CHOICE),
    (bool, ParameterKind.FLAG),
    (int, ParameterKind.NUMBER),
    (datetime, ParameterKind.TIME),
    (str, ParameterKind.TEXT),
)


def _description(annotation: Any) -> str:
    """Of `Described | None`."""
    found = (each for part in get_args(annotation) for each in getattr(part, "__metadata__", ()))
    return next((each.description for each in found if isinstance(each, FieldInfo) and each.description), "")


def _leaves(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [leaf for each in arguments for leaf in _leaves(each)] if arguments else [annotation]


def _may_be_nothing(parameter: Parameter) -> bool:
    """Of one that is optional. A flag has no third value, and whoever means all objects leaves their name out."""
    if parameter.kind in (ParameterKind.NUMBER, ParameterKind.CHOICE):
        return parameter.default is None
    return parameter.kind in (ParameterKind.TEXT, ParameterKind.TEXTS) and parameter.field != "identity"


def _read(parameter: Parameter, value: object) -> object:
    """Raises BadParameter, BadValue."""
    is_empty = value is None or value in ("", [], ())
    if value is None or (is_empty and parameter.is_required):
        if parameter.is_required or not _may_be_nothing(parameter):
            what = "null" if value is None else "an empty string" if value == "" else "an empty array"
            text = f"Cannot bind argument to parameter '{parameter.name}' because it is {what}."
            raise BadParameter(text, parameter=parameter.name)
        return value
    reader = _READERS.get(parameter.kind)
    return reader(parameter, value) if reader else value


def _flag(parameter: Parameter, value: object) -> bool:
    found = _FLAGS.get(str(value).lower()) if isinstance(value, bool | int | str) else None
    if found is None:
        why = "Boolean parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0."
        raise _unreadable(parameter, value, "System.Boolean", why)
    return found


def _choice(parameter: Parameter, value: object) -> str:
    found = [each for each in parameter.choices if isinstance(value, str) and each.lower() == value.strip().lower()]
    if not found:
        why = (
            f'Error: "Unable to match the identifier name {value} to a valid enumerator name. '
            f'Specify one of the following enumerator names and try again: {", ".join(parameter.choices)}"'
        )
        raise _unreadable(parameter, value, parameter.name, why)
    return found[0]


def _text(parameter: Parameter, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unreadable(parameter, value, "System.String", "Write one text.")
    return str(value)


def _number(parameter: Parameter, value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > 18:
        raise _unreadable(parameter, value, "System.Int32", "Write a whole number.")
    return int(text)


def _size(parameter: Parameter, value: object) -> int | None:
    if isinstance(value, str) and value.strip().lower() == "unlimited":
        return None
    return _number(parameter, value)


def _time(parameter: Parameter, value: object) -> datetime:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        why = "Write 2026-11-24, or 2026-11-24T10:00:00; times are UTC."
        raise _unreadable(parameter, value, "System.DateTime", why) from None


_READERS: dict[ParameterKind, Callable[[Parameter, Any], object]] = {
    ParameterKind.FLAG: _flag,
    ParameterKind.SWITCH: _flag,
    ParameterKind.CHOICE: _choice,
    ParameterKind.TEXT: _text,
    ParameterKind.NUMBER: _number,
    ParameterKind.SIZE: _size,
    ParameterKind.TIME: _time,
}


def _unreadable(parameter: Parameter, value: object, type_name: str, why: str) -> BadValue:
    return BadValue(
        f"Cannot process argument transformation on parameter '{parameter.name}'. "
        f'Cannot convert value "{value}" to type "{type_name}". {why}',
        parameter=parameter.name,
    )


def _unknown(name: str, known: Iterable[Parameter]) -> BadParameter:
    names = {each.name.lower(): each.name for each in known}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    listed = ", ".join(sorted(names.values())) or "none"
    hint = f"Did you mean '{names[close[0]]}'?" if close else f"Known here: {listed}."
    return BadParameter(f"A parameter cannot be found that matches parameter name '{name}'. {hint}", parameter=name)


def _refused(error: ErrorDetails) -> BadValue:
    name = str(error["loc"][0]) if error["loc"] else None
    where = f"Cannot validate argument on parameter '{name}'. " if name else ""
    return BadValue(f"{where}{error['msg']}", parameter=name)
