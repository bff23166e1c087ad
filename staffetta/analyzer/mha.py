"""Hops as Microsoft's Message Header Analyzer shows them, its peculiarities included (`--compat mha`).

The algorithm is that of microsoft/MHA, `src/Scripts` (HeaderModel, table/Received, MHADates), at commit 85312514,
without its code. What is peculiar, and is to stay: comments are not understood; the tokens `hop`, `date`, `delay` and
others begin a clause as well; hours are told in minutes; a time without an offset is UTC; what ends in `:SS 2014`
loses the year.
Differences: times are shown in UTC, not in the zone of the reader; the date behind those changes is read by `dates.py`,
so that what is no date stays none, where V8 makes 2000 of it.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from staffetta.analyzer.dates import parse
from staffetta.analyzer.encoded_words import decode
from staffetta.analyzer.fields import FIELDS_MAX

_LINE_END = re.compile(r"\r\n|\r|\n")
_FIELD = re.compile(r"([\w.-]*): ?(.*)", re.ASCII)
_CLOCK_ALONE = re.compile(r"\d{1,2}", re.ASCII)
_UTC = re.compile(r"\(UTC\)|UTC", re.IGNORECASE)
_DAY_NAME = re.compile(r"\s*(Mon|Tue|Wed|Thu|Fri|Sat|Sun)")
_YEAR_FIRST = re.compile(r"\s*(\d{4}-\d{1,2}-\d{1,2})", re.ASCII)
_BACKWARDS_DATE = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DASHED_DATE = re.compile(r"\s*(\d{1,2})-(\d{1,2})-(\d{4})", re.ASCII)
_OFFSET = re.compile(r"[+|-]\d{4}", re.ASCII)
_FRACTION = re.compile(r"(\d{1,2}:\d{2}:\d{2}).(\d+)", re.ASCII)
_ZONE_NAME_BEFORE_OFFSET = re.compile(r"(?<=\d)\s+(?!AM|PM)[A-Za-z]{1,5}(?= \+0000$)", re.IGNORECASE)
_YEAR_IF_NONE = 2001  # of V8, which stands behind the original in Edge, Chrome and Outlook
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Every property of its row, in its order; each is also a keyword. Of the last of each pair nothing is kept.
_KEYWORDS = ("hop", "from", "by", "with", "id", "for", "via", "date", "delay", "percent")
_KEYWORDS_LOST = ("sourceheader", "delaysort", "datenum")
_LENGTH_MAX = 8192  # of one field; the original has no limit, and takes minutes for what is made for that
_HOPS_MAX = 500


@dataclass(slots=True)
class MhaRow:
    """One row of its table. The names are its own, but for `from`, `with` and `for`, which Python does not lend.

    values: by keyword, text; date_num: milliseconds since 1970, None where it would be NaN or empty;
    delay_sort: milliseconds, -1 where there is none; percent: 0 to 100.
    """

    source_header: str
    values: dict[str, str] = field(default_factory=dict)
    date_num: int | None = None
    hop: int = 0
    delay: str = ""
    delay_sort: int = -1
    percent: float = 0.0

    def set_field(self, name: str, value: str) -> None:
        """A second value of a name stands behind the first."""
        if value:
            present = self.values.get(name)
            self.values[name] = f"{present}; {value}" if present else value

    def shown(self) -> dict[str, str | int | float | None]:
        """Return the row under its names."""
        texts = {name: self.values.get(name, "") for name in _KEYWORDS[1:8]}
        return {
            "sourceHeader": self.source_header,
            "hop": self.hop,
            **texts,
            "delay": self.delay,
            "percent": self.percent or self.values.get("percent", 0),
            "delaySort": self.delay_sort,
            "dateNum": self.date_num,
        }


@dataclass(frozen=True, slots=True)
class MhaAnalysis:
    """rows: the earliest hop first. total_time: in its words, empty where first and last time are the same."""

    headers: tuple[tuple[str, str], ...]
    rows: tuple[MhaRow, ...]
    total_time: str


def analyze_as_mha(text: str) -> MhaAnalysis:
    """Return what Microsoft's analyzer would show of the same text. Raises nothing."""
    headers = header_list(text)
    received = [value for name, value in headers if name.lower() == "received"][:_HOPS_MAX]
    rows = [parse_header(value) for value in received]
    total = compute_deltas(rows)
    return MhaAnalysis(tuple(headers), tuple(rows), total)


def header_list(text: str) -> list[tuple[str, str]]:
    """Return names and values. A line without a name continues the one before it, indented or not."""
    found: list[tuple[str, list[str]]] = []
    for line in _LINE_END.split(text):
        if not line:
            if found:
                break
            continue
        match = _FIELD.match(line)
        if match and match[1] and not _CLOCK_ALONE.fullmatch(match[1]):
            if len(found) == FIELDS_MAX:
                break
            found.append((match[1], [match[2]]))
        elif continued := line.lstrip():
            if found:
                found[-1][1].append(continued)
            else:
                found.append(("", [line]))
    return [(name, _cleaned(" ".join(parts if parts[0] else parts[1:]))) for name, parts in found]


def parse_header(value: str) -> MhaRow:
    """Return the row of one Received field. value: unfolded."""
    row = MhaRow(value)
    text, date_text = _date_apart(value[:_LENGTH_MAX])
    if date_text is not None:
        row.values["date"], row.date_num = parse_date(date_text)
    text = _take(row, text, "by ", " (Postfix, from userid ", is_first_kept=True)
    text = _take(row, text, "(qmail ", " invoked from ", is_first_kept=False)
    tokens = re.split(r"\s+", text)
    starts = [at for at, token in enumerate(tokens) if token.lower() in (*_KEYWORDS, *_KEYWORDS_LOST)]
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=False):
        name = tokens[start].lower()
        if name in _KEYWORDS:
            row.set_field(name, " ".join(tokens[start + 1 : end]).strip())
    return row


def parse_date(text: str) -> tuple[str, int | None]:
    """Return the text that is shown and the milliseconds since 1970; `Invalid Date` and None where it is none."""
    text = _BACKWARDS_DATE.sub(r"\2/\3/\1", text)
    text = _DASHED_DATE.sub(r"\1/\2/\3", text)
    original, is_offset_added = text, not _OFFSET.search(text)
    if is_offset_added:
        text += " +0000"
    fraction = _FRACTION.search(text)
    text = _FRACTION.sub(r"\1", text, count=1)
    instant = parse(_ZONE_NAME_BEFORE_OFFSET.sub("", text)) or parse(f"{text} {_YEAR_IF_NONE}")
    if instant is None and is_offset_added:
        instant = parse(f"{original} 12:00:00 AM +0000")
    if instant is None:
        return "Invalid Date", None
    milliseconds = math.floor(float(f"0.{fraction[2]}") * 1000) if fraction else 0
    try:
        at = instant.at + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return "Invalid Date", None
    return _local_form(at), (at - _EPOCH) // timedelta(milliseconds=1)


def compute_deltas(rows: list[MhaRow]) -> str:
    """Turn the rows round, fill in hop, delay and percent, and return the total in words."""
    rows.reverse()
    times = [row.date_num for row in rows if row.date_num is not None]
    forwards = sum(later - earlier for earlier, later in pairwise(times) if later > earlier)
    last: int | None = None
    for number, row in enumerate(rows, 1):
        row.hop = number
        if row.date_num is None:
            continue
        if last is not None:
            row.delay = compute_time(row.date_num, last)
            if forwards:
                row.delay_sort = row.date_num - last
                row.percent = max(0.0, 100 * row.delay_sort / forwards)
        last = row.date_num
    return compute_time(times[-1], times[0]) if times and times[-1] != times[0] else ""


def compute_time(current: int, last: int) -> str:
    """Return a difference of milliseconds in words; never in hours."""
    difference = current - last
    if abs(difference) < 1000:
        return "0 seconds"
    minutes, rest = divmod(abs(difference), 60_000)
    words = [f"{minutes} minute{'' if minutes == 1 else 's'}"] if minutes else []
    if rest or not minutes:
        seconds = rest // 1000
        words.append(f"{seconds} second{'' if seconds == 1 else 's'}")
    return ("-" if difference < 0 else "") + " ".join(words)


def shown(analysis: MhaAnalysis) -> dict[str, object]:
    """Return the analysis as JSON takes it."""
    return {
        "totalTime": analysis.total_time,
        "receivedHeaders": [row.shown() for row in analysis.rows],
        "headers": [{"header": name, "value": value} for name, value in analysis.headers],
    }


def _cleaned(value: str) -> str:
    return decode(value).replace("\0", "").rstrip("\r\n")


def _date_apart(value: str) -> tuple[str, str | None]:
    text = _UTC.sub("(UTC)", re.sub(r"[\r\n]", " ", value))
    for pattern in (None, _DAY_NAME, _YEAR_FIRST):
        if pattern is not None:
            text = pattern.sub(r"; \1", text)
        at = text.rfind(";")
        if at >= 0:
            return (text, None) if at + 1 == len(text) else (text[:at], text[at + 1 :])
    return text, None


def _take(row: MhaRow, text: str, opening: str, marker: str, *, is_first_kept: bool) -> str:
    """Cut the local forms of Postfix and qmail out of the text, and keep them as `by`.

    The last opening with a marker and a closing parenthesis behind it counts, as a greedy regex has it in cubic time.
    """
    low = text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    opening, marker = opening.lower(), marker.lower()
    last_marker = low.rfind(marker, 0, max(0, low.rfind(")")))
    begin = low.rfind(opening, 0, last_marker) if last_marker >= 0 else -1
    if begin < 0:
        return text
    inside = begin + len(opening) if is_first_kept else begin + 1
    found = low.find(marker, begin + len(opening))
    close = low.find(")", found + len(marker))
    row.set_field("by", text[inside : close + 1 if is_first_kept else close])
    return text[:begin] + text[close + 1 :]


def _local_form(at: datetime) -> str:
    half = "AM" if at.hour < 12 else "PM"
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at.minute:02}:{at.second:02} {half}"
