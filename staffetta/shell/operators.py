"""Operators: what PowerShell's do to two values. All raise ShellError where they cannot.

Rule 1: the left side decides: a number adds, a text is lengthened, a list is filtered.
Rule 2: comparisons of texts do not look at the case of letters, but for those whose name begins with `c`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from fnmatch import translate
from functools import cmp_to_key
from typing import Any

from staffetta.shell.dates import read_date
from staffetta.shell.formats import composite
from staffetta.shell.syntax import TypeName
from staffetta.shell.trouble import ShellError
from staffetta.shell.types import is_of_type
from staffetta.shell.values import Bag, Hashtable, bounded, is_true, listed, number, text, type_name, whole

LENGTH_MAX = 1_000_000
"""Of a list or a text that an operator makes: nobody needs more, and a slip must not fill the memory."""


def binary(operator: str, left: object, right: object) -> object:
    """Return `left operator right`. operator: lower case. -and and -or have both sides evaluated already."""
    if operator in _PLAIN:
        return _PLAIN[operator](left, right)
    name = operator.removeprefix("-")
    is_sensitive = name[:1] == "c" and name[1:] in _COMPARISONS
    name = name[1:] if name[:1] in ("c", "i") and name[1:] in _COMPARISONS else name
    if name not in _COMPARISONS:
        raise ShellError(f"not supported: the operator {operator}")
    compare = _COMPARISONS[name]
    if isinstance(left, list) and name in _FILTERS:
        return [item for item in left if compare(item, right, is_sensitive)]
    return compare(left, right, is_sensitive)


def unary(operator: str, operand: object) -> object:
    """Return `operator operand`."""
    match operator:
        case "-not" | "!":
            return not is_true(operand)
        case "-":
            return -number(operand)
        case "+":
            return number(operand)
        case ",":
            return [operand]
        case "-join":
            return "".join(text(item) for item in listed(operand))
        case "-split":
            return [word for item in listed(operand) for word in text(item).split()]
    raise ShellError(f"not supported: the operator {operator}")


def equal(left: object, right: object, is_sensitive: bool = False) -> bool:
    """Whether `left -eq right`, for a left side that is no list."""
    match left:
        case None:
            return right is None
        case bool():
            return left is is_true(right)
        case str():
            other = text(right)
            return left == other if is_sensitive else left.casefold() == other.casefold()
        case int() | float():
            try:
                return left == number(right)
            except ShellError:
                return False
        case datetime():
            return isinstance(right, datetime | str) and left == _date(right)
    return left is right or (not isinstance(left, Bag) and left == right)


def order(left: object, right: object, is_sensitive: bool = False) -> int:
    """Return -1, 0 or 1 as left comes before, with or after right."""
    if isinstance(left, datetime):
        first, second = left, _date(right)
        return (first > second) - (first < second)
    if isinstance(left, int | float):
        one, other = number(left), number(right)
        return (one > other) - (one < other)
    one_text, other_text = text(left), text(right)
    if not is_sensitive:
        one_text, other_text = one_text.casefold(), other_text.casefold()
    return (one_text > other_text) - (one_text < other_text)


def _date(value: object) -> datetime:
    return value if isinstance(value, datetime) else read_date(text(value))


def sorting_key() -> Callable[[object], Any]:
    """Return a key for sorting values of any kinds: numbers first, then dates, then texts."""

    def compare(left: object, right: object) -> int:
        ranks = [_rank(left), _rank(right)]
        return order(left, right) if ranks[0] == ranks[1] else ranks[0] - ranks[1]

    return cmp_to_key(compare)


def _rank(value: object) -> int:
    return 0 if isinstance(value, int | float) else 1 if isinstance(value, datetime) else 2


def like(value: object, pattern: object, is_sensitive: bool = False) -> bool:
    """Whether a text matches a wildcard pattern: `*`, `?`, `[a-z]`."""
    flags = re.DOTALL if is_sensitive else re.DOTALL | re.IGNORECASE
    return _compiled(translate(text(pattern)), flags).match(text(value)) is not None


def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        # .NET names a group without Python's letter P.
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern), flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ShellError(f"the pattern {pattern} is no regular expression: {error}") from error


def _add(left: object, right: object) -> object:
    match left:
        case list() | bytes():
            return [*left, *listed(right)] if isinstance(right, list) else [*left, right]
        case str():
            return _short(left + text(right))
        case None:
            return right
        case Hashtable() if isinstance(right, Hashtable):
            if double := [key for key in right if key in left]:
                raise ShellError(f"Item has already been added. Key in dictionary: '{text(double[0])}'")
            return Hashtable({**dict(left), **dict(right)})
        case bool() | int() | float():
            return bounded(number(left) + number(right))
    raise ShellError(f"[{type_name(left)}] does not contain a method named 'op_Addition'.")


def _short(value: str) -> str:
    if len(value) > LENGTH_MAX:
        raise ShellError(f"a text of {len(value)} characters is longer than {LENGTH_MAX}")
    return value


def _multiply(left: object, right: object) -> object:
    if not isinstance(left, str | list):
        return bounded(number(left) * number(right))
    times = whole(right)
    if times < 0 or len(left) * times > LENGTH_MAX:
        raise ShellError(f"{times} times {len(left)} is longer than {LENGTH_MAX}, or less than nothing")
    return left * times


def _divide(left: object, right: object) -> object:
    dividend, divisor = number(left), number(right)
    if divisor == 0:
        raise ShellError("Attempted to divide by zero.")
    quotient = dividend / divisor
    return dividend // divisor if isinstance(dividend, int) and dividend % divisor == 0 else quotient


def _remainder(left: object, right: object) -> object:
    dividend, divisor = number(left), number(right)
    if divisor == 0:
        raise ShellError("Attempted to divide by zero.")
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest


def _range(left: object, right: object) -> object:
    first, last = whole(left), whole(right)
    if abs(last - first) >= LENGTH_MAX:
        raise ShellError(f"{first}..{last} is longer than {LENGTH_MAX}")
    return list(range(first, last + 1) if first <= last else range(first, last - 1, -1))


def _both(left: object, right: object) -> object:
    """Flags are held as their names: `OnSuccess, OnFailure`."""
    if isinstance(left, str) and isinstance(right, str):
        return f"{left}, {right}"
    return whole(left) | whole(right)


def _matches(left: object, right: object, is_sensitive: bool) -> bool:
    return _compiled(text(right), 0 if is_sensitive else re.IGNORECASE).search(text(left)) is not None


def _replace(left: object, right: object, is_sensitive: bool) -> object:
    pattern, *rest = listed(right) or [""]
    replacement = re.sub(r"\$(\d)", r"\\g<\1>", text(rest[0]).replace("\\", "\\\\")) if rest else ""
    compiled = _compiled(text(pattern), 0 if is_sensitive else re.IGNORECASE)
    try:
        changed = [_short(compiled.sub(replacement, text(item))) for item in listed(left) or [""]]
    except re.error as error:
        raise ShellError(f"the replacement {replacement} is not possible: {error}") from error
    return changed if isinstance(left, list) else changed[0]


def _split(left: object, right: object, is_sensitive: bool) -> object:
    pattern, *rest = listed(right) or [" "]
    compiled = _compiled(text(pattern), 0 if is_sensitive else re.IGNORECASE)
    pieces_max = whole(rest[0]) if rest else 0
    return [
        piece or ""
        for item in listed(left)
        for piece in compiled.split(text(item), maxsplit=pieces_max - 1 if pieces_max > 0 else 0)
    ]


def _is(left: object, right: object, _: bool) -> bool:
    return is_of_type(left, right.name if isinstance(right, TypeName) else text(right))


def _contains(left: object, right: object, is_sensitive: bool) -> bool:
    return any(equal(item, right, is_sensitive) for item in (left if isinstance(left, list) else [left]))


_PLAIN: dict[str, Callable[[object, object], object]] = {
    "+": _add,
    "-": lambda left, right: bounded(number(left) - number(right)),
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
    "..": _range,
    "-f": lambda left, right: composite(text(left), right if isinstance(right, list) else [right]),
    "-and": lambda left, right: is_true(left) and is_true(right),
    "-or": lambda left, right: is_true(left) or is_true(right),
    "-bor": _both,
    "-xor": lambda left, right: is_true(left) is not is_true(right),
    "-join": lambda left, right: text(right).join(text(item) for item in listed(left)),
}
_COMPARISONS: dict[str, Callable[[object, object, bool], object]] = {
    "eq": equal,
    "ne": lambda left, right, case: not equal(left, right, case),
    "gt": lambda left, right, case: order(left, right, case) > 0,
    "ge": lambda left, right, case: order(left, right, case) >= 0,
    "lt": lambda left, right, case: order(left, right, case) < 0,
    "le": lambda left, right, case: order(left, right, case) <= 0,
    "like": like,
    "notlike": lambda left, right, case: not like(left, right, case),
    "match": _matches,
    "notmatch": lambda left, right, case: not _matches(left, right, case),
    "contains": _contains,
    "notcontains": lambda left, right, case: not _contains(left, right, case),
    "in": lambda left, right, case: _contains(right, left, case),
    "notin": lambda left, right, case: not _contains(right, left, case),
    "is": _is,
    "isnot": lambda left, right, case: not _is(left, right, case),
    "replace": _replace,
    "split": _split,
}
_FILTERS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "like", "notlike", "match", "notmatch"})
WHERE_OPERATORS = frozenset(_COMPARISONS) - {"replace", "split"}
"""Comparisons that Where-Object has as parameters too, without their hyphen."""
