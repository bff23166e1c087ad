"""Exchange's filters: `FromAddress -like '*@contoso.com' -and (Status -eq 'Retry' -or Size -gt 1000000)`.

Rule 1: texts compare in any case of letters, and `*` in the text of -like is any text.
Rule 2: a property of which there are several (the recipients of a message) holds where one of them does.
Rule 3: what cannot be read is refused with what can be written; nothing is guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from staffetta.operations.errors import BadValue

Row = TypeVar("Row")
Test = Callable[[Row], bool]

_CHARACTERS_MAX = 4000
_DEPTH_MAX = 40
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*'|\"[^\"]*\")|(?P<mark>[()])|(?P<word>[^\s()'\"]+))")
_UNITS = {"kb": 2**10, "mb": 2**20, "gb": 2**30}
_EQUAL: dict[str, Callable[[Any, Any], bool]] = {"-eq": lambda a, b: a == b, "-ne": lambda a, b: a != b}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
}
_LIKE: dict[str, bool] = {"-like": True, "-notlike": False}


@dataclass(frozen=True, slots=True)
class Property(Generic[Row]):
    """kind: str, int, float, bool or datetime. of: the value of a row; None where it has none."""

    kind: type
    of: Callable[[Row], object]


class _Reader(Generic[Row]):
    """Reads one filter by descent: or, and, not, comparison."""

    def __init__(self, text: str, properties: Mapping[str, Property[Row]]) -> None:
        self._properties = {name.lower(): each for name, each in properties.items()}
        self._names = ", ".join(properties)
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    def whole(self) -> Test[Row]:
        test = self._any()
        if self._place < len(self._tokens):
            raise _bad(f"'{self._tokens[self._place]}' stands where -and or -or was expected")
        return test

    def _any(self) -> Test[Row]:
        tests = [self._all()]
        while self._take("-or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all(self) -> Test[Row]:
        tests = [self._one()]
        while self._take("-and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test[Row]:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise _bad("it is nested too deeply")
        try:
            if self._take("-not"):
                test = self._one()
                return lambda row: not test(row)
            if self._take("("):
                inner = self._any()
                if not self._take(")"):
                    raise _bad("a ) is missing")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test[Row]:
        name, operator, value = self._next("a property"), self._next("an operator").lower(), self._next("a value")
        known = self._properties.get(name.lower())
        if known is None:
            raise _bad(f"there is no property '{name}'; there are {self._names}")
        if operator in _LIKE:
            is_like, wanted = like(_unquoted(value)), _LIKE[operator]
            return lambda row: wanted is any(is_like(_text(each)) for each in _values(known.of(row)))
        is_null = value.lower() == "$null"
        wanted_value = None if is_null else _read(known.kind, _unquoted(value), name)
        compare = _EQUAL.get(operator) or (None if is_null else _ORDER.get(operator))
        if compare is None:
            raise _bad(f"'{operator}' is no operator here; write -eq, -ne, -gt, -ge, -lt, -le, -like or -notlike")
        if operator == "-ne":
            return lambda row: all(_plain(each) != wanted_value for each in _values(known.of(row)))
        return lambda row: any(_holds(compare, _plain(each), wanted_value) for each in _values(known.of(row)))

    def _take(self, word: str) -> bool:
        is_next = self._place < len(self._tokens) and self._tokens[self._place].lower() == word
        self._place += is_next
        return is_next

    def _next(self, what: str) -> str:
        if self._place == len(self._tokens):
            raise _bad(f"{what} is missing at its end")
        self._place += 1
        return self._tokens[self._place - 1]


def read_filter(text: str, properties: Mapping[str, Property[Row]]) -> Test[Row]:
    """Return what tells whether a row is wanted. properties: by outside name. Raises BadValue."""
    stripped = text.strip()
    if stripped.startswith("{") and stripped.endswith("}"):
        stripped = stripped[1:-1]
    return _Reader(stripped, properties).whole()


def like(pattern: str) -> Callable[[str], bool]:
    """Return what compares a text as -like does."""
    folded = re.sub(r"([\[?])", r"[\1]", pattern).casefold()
    return lambda text: fnmatchcase(text.casefold(), folded)


def _tokens(text: str) -> Sequence[str]:
    if len(text) > _CHARACTERS_MAX:
        raise _bad(f"it is longer than {_CHARACTERS_MAX} characters")
    tokens, place = [], 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _bad(f"a quotation mark is not closed: {text[place:].strip()[:20]}")
        tokens.append(found[0].strip() if found["text"] is None else found["text"])
        place = found.end()
    if not tokens:
        raise _bad("it is empty")
    return tokens


def _read(kind: type, value: str, name: str) -> object:
    try:
        if kind is datetime:
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if kind is bool:
            return {"$true": True, "true": True, "$false": False, "false": False}[value.lower()]
        if kind is float:
            return float(value)
        if kind is int:
            unit = _UNITS.get(value[-2:].lower())
            return int(value[:-2]) * unit if unit else int(value)
    except (ValueError, KeyError):
        wanted = {
            datetime: "a time as '2026-11-24T10:00:00'",
            bool: "$true or $false",
            int: "a whole number",
            float: "a number",
        }[kind]
        raise _bad(f"{name} is compared with {wanted}, not with '{value}'") from None
    return value.casefold()


def _holds(compare: Callable[[Any, Any], bool], value: object, wanted: object) -> bool:
    if value is None or wanted is None:  # what is not there is neither before nor after anything
        return value is wanted and compare is _EQUAL["-eq"]
    return compare(value, wanted)


def _values(value: object) -> Sequence[object]:
    return value if isinstance(value, tuple) else (value,)


def _plain(value: object) -> object:
    return value.casefold() if isinstance(value, str) else value


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _unquoted(token: str) -> str:
    if token[0] == "'":
        return token[1:-1].replace("''", "'")
    return token[1:-1] if token[0] == '"' else token


def _bad(why: str) -> BadValue:
    return BadValue(
        f"The filter cannot be read: {why}. Write for instance FromAddress -like '*@contoso.com' -and Status -eq "
        "'Retry'.",
        parameter="Filter",
    )
