"""Dates as .NET writes and reads them, in the invariant culture with English (United States) patterns."""

import re
from datetime import UTC, datetime, tzinfo

from staffetta.shell.trouble import ShellError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_STANDARD = {
    "d": "M/d/yyyy",
    "D": "dddd, MMMM d, yyyy",
    "f": "dddd, MMMM d, yyyy h:mm tt",
    "F": "dddd, MMMM d, yyyy h:mm:ss tt",
    "g": "M/d/yyyy h:mm tt",
    "G": "M/d/yyyy h:mm:ss tt",
    "m": "MMMM d",
    "M": "MMMM d",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "h:mm tt",
    "T": "h:mm:ss tt",
    "u": "yyyy-MM-dd HH:mm:ss'Z'",
    "y": "MMMM yyyy",
    "Y": "MMMM yyyy",
}
_IN_UTC = frozenset("rRu")
_TOKENS = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|d+|M+|y+|h+|H+|m+|s+|f+|F+|t+|z+|K|.", re.DOTALL)
_READABLE = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%B %d, %Y",
    "%d %B %Y",
)


def format_date(value: datetime, pattern: str) -> str:
    """Return a date by a .NET pattern: a standard one of one letter, or a custom one. Raises ShellError."""
    if len(pattern) == 1:
        if pattern not in _STANDARD:
            known = " ".join(sorted(_STANDARD))
            raise ShellError(f"not supported: the date format {pattern}; there are {known}, and yyyy-MM-dd HH:mm:ss")
        if pattern in _IN_UTC and value.tzinfo is not None and 1 < value.year < 9999:
            value = value.astimezone(UTC)
        pattern = _STANDARD[pattern]
    return "".join(_token(value, found) for found in _TOKENS.findall(pattern))


def _token(value: datetime, token: str) -> str:
    letter, count = token[0], len(token)
    if letter in "'\"":
        return token[1:-1] if count > 1 else token
    if letter == "\\":
        return token[1:]
    match letter:
        case "d" if count > 2:
            return _DAYS[value.weekday()][: 3 if count == 3 else None]
        case "M" if count > 2:
            return _MONTHS[value.month - 1][: 3 if count == 3 else None]
        case "y":
            return f"{value.year % 100:0{count}d}" if count < 3 else f"{value.year:0{count}d}"
        case "f" | "F":
            return f"{value.microsecond:06d}0"[:count]
        case "t":
            return ("AM" if value.hour < 12 else "PM")[:count]
        case "z" | "K":
            return _zone(value, count if letter == "z" else 3)
    numbers = {
        "d": value.day,
        "M": value.month,
        "H": value.hour,
        "h": value.hour % 12 or 12,
        "m": value.minute,
        "s": value.second,
    }
    return f"{numbers[letter]:0{min(count, 2)}d}" if letter in numbers else token


def _zone(value: datetime, count: int) -> str:
    offset = value.utcoffset()
    if offset is None:
        return ""
    minutes = int(offset.total_seconds()) // 60
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    if count < 3:
        return f"{sign}{minutes // 60:0{count}d}"
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def read_date(words: str, zone: tzinfo | None = None) -> datetime:
    """Return the date that a text means: ISO 8601, or month first as in the United States.

    zone: where the text names none; None for the local one. Raises ShellError.
    """
    words = words.strip()
    try:
        return _aware(datetime.fromisoformat(words), zone)
    except (ValueError, OverflowError):
        pass
    for pattern in _READABLE:
        try:
            return _aware(datetime.strptime(words, pattern), zone)
        except (ValueError, OverflowError):
            continue
    raise ShellError(f"String '{words}' was not recognized as a valid DateTime; write 2026-11-24 or 2026-11-24T18:30")


def _aware(value: datetime, zone: tzinfo | None) -> datetime:
    if value.tzinfo is not None:
        return value
    return value.astimezone() if zone is None else value.replace(tzinfo=zone)
