"""The time of a Received field, as servers write it and as they should (RFC 5322 §3.3, §4.3).

Understood: RFC 5322 and its obsolete forms, asctime, ISO 8601, US dates with AM and PM; comments anywhere; no day name,
no seconds, fractions. A time without a zone is taken for UTC, and that is said.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_TEXT_MAX = 200
_COMMENT = re.compile(r"\([^()]*\)")
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9}))?)?(?![\d:])\s*([AaPp][Mm]\b)?")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt](?=\d))?")
_OFFSET = re.compile(r"^\s*(?:GMT|UTC)?\s*([+-])(\d{2}):?(\d{2})(?!\d)")
_YEAR_BEFORE_ZONE = re.compile(r"\s*\d{4}(?=\s)")
_ZONE_NAME = re.compile(r"^\s*([A-Za-z]{1,5})\b")
_WORD = re.compile(r"[A-Za-z]+|\d+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HOURS_OF_ZONE = {
    # RFC 5322 §4.3
    "ut": 0,
    "gmt": 0,
    "utc": 0,
    "z": 0,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
    # Names that only one zone of the mail world has, or that mail means one zone by.
    "wet": 0,
    "west": 1,
    "bst": 1,
    "cet": 1,
    "met": 1,
    "cest": 2,
    "mest": 2,
    "eet": 2,
    "eest": 3,
    "msk": 3,
    "hkt": 8,
    "sgt": 8,
    "awst": 8,
    "jst": 9,
    "kst": 9,
    "aest": 10,
    "aedt": 11,
    "nzst": 12,
    "nzdt": 13,
}


@dataclass(frozen=True, slots=True)
class Instant:
    """at: in UTC. is_zone_assumed: the text names no zone that we know, so that UTC is a guess."""

    at: datetime
    is_zone_assumed: bool = False


def parse(text: str) -> Instant | None:
    """Return the instant that a text names; None where it names none."""
    rest = _without_comments(text.strip()[:_TEXT_MAX])
    year_first = _ISO_DATE.search(rest)
    if year_first:
        rest = f"{rest[: year_first.start()]} {rest[year_first.end() :]}"
    clock = _CLOCK.search(rest)
    if clock is None:
        return None
    after = rest[clock.end() :]
    year = _YEAR_BEFORE_ZONE.match(after)
    zone_start = year.end() if year else 0
    minutes, zone_length = _zone(after[zone_start:])
    others = f"{rest[: clock.start()]} {after[:zone_start]} {after[zone_start + zone_length :]}"
    date = tuple(map(int, year_first.groups())) if year_first else _date(others)
    if date is None:
        return None
    try:
        local = _at(date, clock)
        return Instant((local - timedelta(minutes=minutes or 0)).replace(tzinfo=UTC), minutes is None)
    except (ValueError, OverflowError):
        return None


def _without_comments(text: str) -> str:
    """The innermost first; nobody nests them deeper than this."""
    for _ in range(3):
        text = _COMMENT.sub(" ", text)
    return text


def _at(date: tuple[int, ...], clock: re.Match[str]) -> datetime:
    """Raises ValueError."""
    year, month, day = date
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if clock[5]:
        hour = hour % 12 + (12 if clock[5].lower() == "pm" else 0)
    micro = int((clock[4] or "0").ljust(6, "0")[:6])
    leap = timedelta(seconds=1) if second == 60 else timedelta()
    return datetime(year, month, day, hour, minute, min(second, 59) if leap else second, micro) + leap


def _zone(after: str) -> tuple[int | None, int]:
    """Minutes east of Greenwich, None where unknown; and where the zone ends."""
    if offset := _OFFSET.match(after):
        minutes = int(offset[2]) * 60 + int(offset[3])
        known = minutes < 24 * 60 and int(offset[3]) < 60
        return (minutes if offset[1] == "+" else -minutes) if known else None, offset.end()
    name = _ZONE_NAME.match(after)
    if name and name[1].lower() in _HOURS_OF_ZONE:
        return _HOURS_OF_ZONE[name[1].lower()] * 60, name.end()
    return None, 0


def _date(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a text without its time."""
    month, numbers = None, []
    for word in _WORD.findall(text):
        if word.isdigit():
            numbers.append(word)
        elif month is None and word[:3].lower() in _MONTHS:
            month = _MONTHS.index(word[:3].lower()) + 1
    if month is not None and len(numbers) >= 2:
        day, year = numbers[:2] if len(numbers[0]) < 3 else (numbers[1], numbers[0])
        return _year(year), month, int(day)
    if month is None and len(numbers) >= 3:
        first, second, third = numbers[:3]
        if len(first) == 4:
            return int(first), int(second), int(third)
        is_day_first = int(first) > 12
        return _year(third), int(second if is_day_first else first), int(first if is_day_first else second)
    return None


def _year(digits: str) -> int:
    """Two and three digits by RFC 5322 §4.3."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year
