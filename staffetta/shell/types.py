"""Casts and tests of type: `[int]'5'`, `$x -is [string]`."""

from collections.abc import Callable
from datetime import datetime

from staffetta.shell.dates import read_date
from staffetta.shell.trouble import NotSupported, ShellError
from staffetta.shell.values import Bag, Hashtable, Row, is_true, listed, number, text, type_name, whole


def cast(name: str, value: object) -> object:
    """Return a value as a type. name: as written between the brackets. Raises ShellError, NotSupported."""
    short = short_name(name)
    if short.endswith("[]") and short != "byte[]":
        return [cast(short[:-2], item) for item in listed(value)]
    if short not in _CASTS:
        raise NotSupported(f"the cast [{name}]")
    return _CASTS[short](value)


def short_name(name: str) -> str:
    """Return a type's name in lower case, without `System.`."""
    return name.lower().removeprefix("system.").removeprefix("management.automation.")


def is_of_type(value: object, name: str) -> bool:
    """Whether a value is of the type; a .NET object is of its own alone."""
    short = short_name(name)
    if short in _TESTS:
        return isinstance(value, _TESTS[short]) and (short == "bool" or not isinstance(value, bool))
    return short == short_name(type_name(value)) or short == "object"


def _octets(value: object) -> object:
    if value is None or isinstance(value, bytes):
        return value
    numbers = [whole(item) for item in listed(value)]
    if not all(0 <= item <= 255 for item in numbers):
        raise ShellError('Cannot convert the value to type "System.Byte[]": every item must be 0 to 255.')
    return bytes(numbers)


def _table(value: object) -> object:
    if isinstance(value, Bag):
        return Hashtable(value)
    raise ShellError(f'Cannot convert the "{text(value)}" value to type "System.Collections.Hashtable".')


def _row(value: object) -> object:
    return Row(value) if isinstance(value, Hashtable) else value


def _date(value: object) -> object:
    return value if isinstance(value, datetime) else read_date(text(value))


def _nothing(_: object) -> object:
    return None


_CASTS: dict[str, Callable[[object], object]] = {
    "string": text,
    "int": whole,
    "int32": whole,
    "long": whole,
    "int64": whole,
    "uint16": whole,
    "double": lambda value: float(number(value)),
    "bool": is_true,
    "boolean": is_true,
    "switch": is_true,
    "datetime": _date,
    "byte[]": _octets,
    "array": listed,
    "object": lambda value: value,
    "void": _nothing,
    "hashtable": _table,
    "pscustomobject": _row,
    "psobject": _row,
    "ordered": _table,
    "securestring": lambda value: value,
}
_TESTS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "int": int,
    "int32": int,
    "long": int,
    "int64": int,
    "double": float,
    "bool": bool,
    "boolean": bool,
    "datetime": datetime,
    "byte[]": bytes,
    "array": list,
    "object[]": list,
    "hashtable": Hashtable,
    "pscustomobject": Row,
}
