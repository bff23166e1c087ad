"""Properties and methods of values: `$x.Name`, `$x[0]`, `$date.AddDays(-1)`. What is not listed cannot be reached."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from staffetta.shell import statics
from staffetta.shell.formats import formatted
from staffetta.shell.syntax import TypeName
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import Bag, Hashtable, NetObject, Row, number, text, type_name, whole

if TYPE_CHECKING:
    from staffetta.shell.session import Session


def get_property(target: object, name: str, session: "Session") -> object:
    """Return a property; $null where there is none, as PowerShell does. Raises ShellError."""
    if isinstance(target, TypeName):
        return statics.get_static(target.name, name, session)
    if isinstance(target, NetObject):
        return target.get(name)
    if isinstance(target, Bag) and name in target:
        return target[name]
    folded = name.casefold()
    if isinstance(target, Hashtable) and folded in _OF_TABLES:
        return _OF_TABLES[folded](target)
    if isinstance(target, str | bytes | list) and folded in ("length", "count"):
        return 1 if folded == "count" and isinstance(target, str) else len(target)
    if isinstance(target, datetime) and folded in _OF_DATES:
        return _OF_DATES[folded](target)
    if isinstance(target, list):
        found = [get_property(item, name, session) for item in target]
        present = [value for value in found if value is not None]
        return present if len(present) > 1 else present[0] if present else None
    return 0 if folded == "count" and target is None else 1 if folded == "count" else None


def set_property(target: object, name: str, value: object) -> None:
    """Set a property. Raises ShellError."""
    if isinstance(target, NetObject):
        target.set(name, value)
    elif isinstance(target, Hashtable) or (isinstance(target, Row) and name in target):
        target[name] = value
    else:
        raise ShellError(f"The property '{name}' cannot be found on this object. Verify that it can be set.")


def item(target: object, index: object) -> object:
    """Return `target[index]`; $null where there is none. Raises ShellError."""
    if target is None:
        raise ShellError("Cannot index into a null array.")
    if isinstance(index, list):
        return [item(target, each) for each in index]
    if isinstance(target, Bag):
        return target.get(index)
    if isinstance(target, str | bytes | list):
        position = whole(index)
        return target[position] if -len(target) <= position < len(target) else None
    if isinstance(target, NetObject) and "Item" in target.methods:
        return target.call("Item", [index])
    return target if whole(index) in (0, -1) else None


def set_item(target: object, index: object, value: object) -> None:
    """Do `target[index] = value`. Raises ShellError."""
    if isinstance(target, Hashtable):
        target[index] = value
        return
    if isinstance(target, list):
        position = whole(index)
        if -len(target) <= position < len(target):
            target[position] = value
            return
        raise ShellError(f"Index was outside the bounds of the array: {position}, and it has {len(target)} items.")
    raise ShellError(f"Unable to index into an object of type {type_name(target)}.")


def call(target: object, name: str, arguments: Sequence[object], session: "Session") -> object:
    """Call a method. Raises ShellError."""
    given = list(arguments)
    if isinstance(target, TypeName):
        return statics.call_static(target.name, name, given, session)
    if isinstance(target, NetObject) and name.casefold() not in ("tostring", "gettype"):
        return target.call(name, given)
    if target is None:
        raise ShellError("You cannot call a method on a null-valued expression.")
    folded = name.casefold()
    for kind, methods in _METHODS:
        if isinstance(target, kind) and folded in methods:
            return _called(methods[folded], target, name, given)
    known = sorted({method for kind, methods in _METHODS if isinstance(target, kind) for method in methods})
    raise ShellError(
        f"not supported: [{type_name(target)}] has no method named '{name}' here; it has {', '.join(known)}"
    )


def _called(method: Callable[..., object], target: object, name: str, given: list[object]) -> object:
    try:
        return method(target, *given)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise ShellError(f'Cannot find an overload for "{name}" and the argument count: "{len(given)}".') from error
    except (OverflowError, ValueError) as error:
        raise ShellError(f'Exception calling "{name}": the value is out of range.') from error


_OF_TABLES: dict[str, Callable[[Hashtable], object]] = {
    "keys": list,
    "values": lambda table: list(table.values()),
    "count": len,
}
_OF_DATES: dict[str, Callable[[datetime], object]] = {
    "year": lambda date: date.year,
    "month": lambda date: date.month,
    "day": lambda date: date.day,
    "hour": lambda date: date.hour,
    "minute": lambda date: date.minute,
    "second": lambda date: date.second,
    "millisecond": lambda date: date.microsecond // 1000,
    "dayofyear": lambda date: date.timetuple().tm_yday,
    "dayofweek": lambda date: formatted(date, "dddd"),
    "date": lambda date: date.replace(hour=0, minute=0, second=0, microsecond=0),
}


def _added(unit: str) -> Callable[[datetime, object], object]:
    return lambda date, amount: date + timedelta(**{unit: float(number(amount))})


def _added_months(date: datetime, amount: object) -> object:
    months = date.year * 12 + date.month - 1 + whole(amount)
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    for day in (date.day, 30, 29, 28):
        try:
            return date.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise OverflowError


def _split(words: str, *separators: object) -> object:
    signs = [
        text(sign) for separator in separators for sign in (separator if isinstance(separator, list) else [separator])
    ]
    pieces = [words]
    for sign in signs or [" "]:
        pieces = [piece for each in pieces for piece in (each.split(sign) if sign else [each])]
    return pieces


def _substring(words: str, start: object, length: object = None) -> object:
    first = whole(start)
    last = len(words) if length is None else first + whole(length)
    if not 0 <= first <= last <= len(words):
        raise ShellError(
            f"Index and length must refer to a location within the string, which has {len(words)} characters."
        )
    return words[first:last]


class _Type(NetObject):
    """What `GetType()` gives."""

    type_name = "System.RuntimeType"
    readable = ("Name", "FullName")

    def __init__(self, name: str) -> None:
        self.full_name = name
        self.name = name.rpartition(".")[2]


_OF_ALL: dict[str, Callable[..., object]] = {
    "tostring": lambda value, form="": formatted(value, text(form)),
    "gettype": lambda value: _Type(type_name(value)),
    "equals": lambda value, other: value == other,
}
_METHODS: tuple[tuple[type, dict[str, Callable[..., object]]], ...] = (
    (
        str,
        {
            "toupper": str.upper,
            "tolower": str.lower,
            "trim": lambda words, signs=None: words.strip(None if signs is None else text(signs)),
            "trimstart": lambda words, signs=None: words.lstrip(None if signs is None else text(signs)),
            "trimend": lambda words, signs=None: words.rstrip(None if signs is None else text(signs)),
            "startswith": lambda words, start: words.startswith(text(start)),
            "endswith": lambda words, end: words.endswith(text(end)),
            "contains": lambda words, part: text(part) in words,
            "indexof": lambda words, part: words.find(text(part)),
            "replace": lambda words, old, new: words.replace(text(old), text(new)) if text(old) else words,
            "split": _split,
            "substring": _substring,
            "padleft": lambda words, width: words.rjust(min(whole(width), 1000)),
            "padright": lambda words, width: words.ljust(min(whole(width), 1000)),
        },
    ),
    (
        list,
        {
            "contains": lambda items, wanted: wanted in items,
            "indexof": lambda items, wanted: items.index(wanted) if wanted in items else -1,
        },
    ),
    (
        Hashtable,
        {
            "add": lambda table, key, value: table.__setitem__(key, value),
            "remove": lambda table, key: table.pop(key, None) and None,
            "containskey": lambda table, key: key in table,
            "clear": lambda table: table.clear(),
        },
    ),
    (
        datetime,
        {
            "adddays": _added("days"),
            "addhours": _added("hours"),
            "addminutes": _added("minutes"),
            "addseconds": _added("seconds"),
            "addmonths": _added_months,
            "addyears": lambda date, years: _added_months(date, 12 * whole(years)),
            "touniversaltime": lambda date: date.astimezone(UTC),
            "tolocaltime": lambda date: date.astimezone(),
            "toshortdatestring": lambda date: formatted(date, "d"),
        },
    ),
    (object, _OF_ALL),
)
