"""The values of a script, as Python ones, and what PowerShell makes of each: a text, a truth, a number.

| PowerShell | here |
| --- | --- |
| $null, $true, string, int, double, DateTime, byte[] | None, bool, str, int, float, datetime, bytes |
| an array | list |
| a hash table | Hashtable |
| an object with properties, such as a row of output | Row |
| a .NET object | NetObject |
| a script block, a type | syntax.ScriptBlock, syntax.TypeName |

Rule 1: names and keys are found in any case of letters, and keep the case in which they were written.
"""

import re
from collections.abc import Iterator, MutableMapping
from datetime import datetime
from typing import Any, ClassVar

from staffetta.shell.dates import format_date
from staffetta.shell.syntax import ScriptBlock, TypeName
from staffetta.shell.trouble import ShellError

_HEXADECIMAL = re.compile(r"[+-]?0x[0-9a-f]{1,32}", re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.IGNORECASE)


def _folded(key: Any) -> Any:
    return key.casefold() if isinstance(key, str) else key


class Bag(MutableMapping[Any, Any]):
    """Names with values, in order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._entries: dict[Any, tuple[Any, Any]] = {}
        self.update(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._entries[_folded(key)][1]

    def __setitem__(self, key: Any, value: Any) -> None:
        folded = _folded(key)
        spelt = self._entries[folded][0] if folded in self._entries else key
        self._entries[folded] = (spelt, value)

    def __delitem__(self, key: Any) -> None:
        del self._entries[_folded(key)]

    def __contains__(self, key: object) -> bool:
        return _folded(key) in self._entries

    def __iter__(self) -> Iterator[Any]:
        return (spelt for spelt, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"


class Hashtable(Bag):
    """`@{ … }`"""


class Row(Bag):
    """An object whose properties are data. columns: those that a table shows; all, where it names none."""

    def __init__(self, *args: Any, columns: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.columns = columns


class NetObject:
    """A .NET object that the shell knows. properties and methods are listed by each class; nothing else is reachable.

    type_name: as .NET spells it.
    """

    type_name: ClassVar[str] = "System.Object"
    readable: ClassVar[tuple[str, ...]] = ()
    writable: ClassVar[tuple[str, ...]] = ()
    methods: ClassVar[tuple[str, ...]] = ()

    def get(self, name: str) -> object:
        """Return a property by its .NET name. Raises ShellError."""
        return getattr(self, _attribute(self._spelt(name, (*self.readable, *self.writable), "property")))

    def set(self, name: str, value: object) -> None:
        """Set a property. Raises ShellError, also where the value is none that it can have."""
        setattr(self, _attribute(self._spelt(name, self.writable, "property that can be set")), value)

    def call(self, name: str, arguments: list[object]) -> object:
        """Call a method. Raises ShellError."""
        method = getattr(self, _attribute(self._spelt(name, self.methods, "method")))
        try:
            return method(*arguments)
        except TypeError as error:
            if "positional argument" not in str(error):
                raise
            raise ShellError(f"Cannot find an overload for {name} with {len(arguments)} arguments.") from error

    def _spelt(self, name: str, names: tuple[str, ...], what: str) -> str:
        for known in names:
            if known.casefold() == name.casefold():
                return known
        raise ShellError(f"not supported: [{self.type_name}] has no {what} {name} here; it has {', '.join(names)}")

    def __str__(self) -> str:
        return self.type_name


def _attribute(name: str) -> str:
    """SubjectEncoding → subject_encoding"""
    letters = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return letters.lstrip("_")


def text(value: object) -> str:
    """Return what a value is within a string: `"$value"`."""
    match value:
        case None:
            return ""
        case bool():
            return "True" if value else "False"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return format_date(value, "MM/dd/yyyy HH:mm:ss")
        case bytes():
            return " ".join(map(str, value))
        case list():
            return " ".join(text(item) for item in value)
        case Row():
            return "@{" + "; ".join(f"{name}={text(item)}" for name, item in value.items()) + "}"
        case Hashtable():
            return "System.Collections.Hashtable"
        case ScriptBlock():
            return value.text[1:-1]
        case TypeName():
            return value.name
    return str(value)


def printable(words: str) -> str:
    """Return a text without control characters, but for tabs and line ends."""
    if words.isprintable():
        return words
    return "".join(sign if sign.isprintable() or sign in "\t\n" else "\ufffd" for sign in words)


def is_true(value: object) -> bool:
    """Whether a condition of this value holds."""
    match value:
        case list() | bytes():
            return is_true(value[0]) if len(value) == 1 else len(value) > 1
        case Bag():
            return True
    return bool(value)


def number(value: object) -> int | float:
    """Return a value as a number. Raises ShellError."""
    match value:
        case None:
            return 0
        case bool():
            return int(value)
        case int() | float():
            return value
        case str():
            words = value.strip().replace(",", "")
            if not words:
                return 0
            if _HEXADECIMAL.fullmatch(words):
                return bounded(int(words, 16))
            if _DECIMAL.fullmatch(words):
                return bounded(int(words)) if words.lstrip("+-").isdigit() else float(words)
    raise ShellError(f'Cannot convert value "{text(value)}" to a number.')


def bounded(value: int | float) -> int | float:
    """Return a number that .NET could hold: what is more than 64 bits becomes a double, as there."""
    return value if isinstance(value, float) or -(2**63) <= value < 2**63 else float(value)


def whole(value: object) -> int:
    """Return a value as a whole number, rounded as .NET rounds. Raises ShellError."""
    exact = number(value)
    if isinstance(exact, float) and not -(2.0**63) <= exact < 2.0**63:
        raise ShellError(f'Cannot convert value "{text(value)}" to type "System.Int32".')
    return round(exact)


def type_name(value: object) -> str:
    """Return .NET's name for the type of a value."""
    match value:
        case bool():
            return "System.Boolean"
        case int():
            return "System.Int32" if -(2**31) <= value < 2**31 else "System.Int64"
        case float():
            return "System.Double"
        case str():
            return "System.String"
        case datetime():
            return "System.DateTime"
        case bytes():
            return "System.Byte[]"
        case list():
            return "System.Object[]"
        case Hashtable():
            return "System.Collections.Hashtable"
        case Row():
            return "System.Management.Automation.PSCustomObject"
        case ScriptBlock():
            return "System.Management.Automation.ScriptBlock"
        case NetObject():
            return value.type_name
    return "System.Object"


def listed(value: object) -> list[object]:
    """Return what a value is to a pipeline: the items of a list, nothing for $null, else itself."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | bytes) else [value]


def unlisted(items: list[object]) -> object:
    """Return what the output of a pipeline is to whoever takes it: $null, the only one, or a list."""
    return items if len(items) > 1 else items[0] if items else None
