"""What is typed into a search box for messages: `from:ada@contoso.com status:failed after:2h`, and bare words.

Rule 1: all that is typed must hold, and each field stands once; what cannot be read is refused with what can be.
Rule 2: a word without a field is taken for what it looks like: an id, the address of a host or a mailbox, or subject.
Rule 3: times without a zone are UTC, as everywhere in the trace; `2h` is two hours ago.
"""

import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from staffetta.mail.queue_id import from_text, to_text
from staffetta.operations.errors import BadValue
from staffetta.trace.events import Status
from staffetta.trace.query import TraceQuery

_CHARACTERS_MAX = 2000
_TOKEN = re.compile(r'\s*((?:[^\s"]|"[^"]*")+)')
_AGO = re.compile(r"(\d{1,4})(m|min|h|d|w)")
_UNKNOWN = "unknown"  # no status of Exchange's: a next hop may have it, and nobody knows
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
EXAMPLE = "from:ada@contoso.com to:*@example.net status:failed after:2h"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceWords:
    """What is asked for, as TraceQuery has it, but for times; None for what is not."""

    queue_id: str | None = None
    message_id: str | None = None
    sender: str | None = None
    recipient: str | None = None
    party: str | None = None
    connector: str | None = None
    peer: str | None = None
    status: Status | None = None
    is_doubtful: bool | None = None
    after: datetime | None = None
    before: datetime | None = None
    subject: str | None = None

    def also(self, other: "TraceWords") -> "TraceWords":
        """Return what both ask for. Raises BadValue where they ask for different values of one thing."""
        found: dict[str, object] = {}
        for field in fields(self):
            mine, its = getattr(self, field.name), getattr(other, field.name)
            if mine is not None and its is not None and mine != its:
                raise _bad(f"'{mine}' is asked for already where it says '{its}'")
            found[field.name] = its if mine is None else mine
        return TraceWords(**found)  # type: ignore[arg-type]

    def query(self, *, limit: int) -> TraceQuery:
        """Return it for the trace. limit: rows."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("after", "before"):
            values[name] = values[name] and values[name].timestamp()
        values["is_doubtful"] = bool(self.is_doubtful)
        return TraceQuery(**values, limit=limit)


def read_trace_words(text: str, now: datetime) -> TraceWords:
    """Parse a search. now: what `2h` and `today` count from, in UTC. Raises BadValue."""
    if len(text) > _CHARACTERS_MAX:
        raise _bad(f"it is longer than {_CHARACTERS_MAX} characters")
    if text.count('"') % 2:
        raise _bad("a quotation mark is not closed")
    found = TraceWords()
    subject: list[str] = []
    for token in _TOKEN.findall(text):
        name, colon, value = token.partition(":")
        read = _FIELDS.get(name.lower()) if colon else None
        bare = _unquoted(value if read else token)
        if read is not None:
            if not bare:
                raise _bad(f"nothing stands after {name}:")
            found = found.also(read(bare, now))
        elif (looks := _looked_at(bare)) is not None:
            found = found.also(looks)
        elif colon and name.isalpha() and not token.startswith('"'):
            raise _bad(f"there is no field '{name}:'; there are {', '.join(f'{each}:' for each in FIELDS)}")
        else:
            subject.append(bare)
    return found.also(TraceWords(subject=" ".join(subject))) if subject else found


def as_search(arguments: Sequence[str]) -> str:
    """Return words of a command line as they would be typed: what a shell took for one word stays one."""
    return " ".join(map(_quoted, arguments))


def _quoted(argument: str) -> str:
    if '"' in argument or not re.search(r"\s", argument):
        return argument
    name, colon, value = argument.partition(":")
    return f'{name}:"{value}"' if colon and name.isalpha() else f'"{argument}"'


def _unquoted(token: str) -> str:
    return token.replace('"', "").strip()


def _looked_at(word: str) -> TraceWords | None:
    """What a word without a field is; None: of the subject."""
    bare = word.removeprefix("<").removesuffix(">")
    if word.startswith("<") and word.endswith(">") and "@" in bare:
        return TraceWords(message_id=bare)
    if (queue_id := _queue_id(word)) is not None:
        return TraceWords(queue_id=queue_id)
    if _is_address(word):
        return TraceWords(peer=word)
    return TraceWords(party=word) if "@" in bare.strip("@") or bare.startswith("*@") else None


def _queue_id(text: str) -> str | None:
    try:
        return to_text(uuid.UUID(text).int) if len(text) > 13 else to_text(from_text(text))
    except (ValueError, IndexError):
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _id(value: str, now: datetime) -> TraceWords:
    queue_id = _queue_id(value)
    return TraceWords(message_id=value) if queue_id is None else TraceWords(queue_id=queue_id)


def _peer(value: str, now: datetime) -> TraceWords:
    if not _is_address(value):
        raise _bad(f"'{value}' is no address of a host, such as 192.0.2.7")
    return TraceWords(peer=value)


def _status(value: str, now: datetime) -> TraceWords:
    known = {each.value.lower(): each for each in Status}
    if value.lower() == _UNKNOWN:
        return TraceWords(is_doubtful=True)
    if value.lower() not in known:
        raise _bad(f"'{value}' is no status; there are {', '.join([*known, _UNKNOWN])}")
    return TraceWords(status=known[value.lower()])


def _instant(value: str, now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if value.lower() in ("today", "yesterday"):
        return midnight if value.lower() == "today" else midnight - timedelta(days=1)
    try:
        if ago := _AGO.fullmatch(value.lower()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        text = f"'{value}' is no time; write 2h, 7d, today, 2026-11-24 or 2026-11-24T10:00"
        raise _bad(text) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


_FIELDS: Mapping[str, Callable[[str, datetime], TraceWords]] = {
    "from": lambda value, now: TraceWords(sender=value),
    "to": lambda value, now: TraceWords(recipient=value),
    "status": _status,
    "connector": lambda value, now: TraceWords(connector=value),
    "id": _id,
    "ip": _peer,
    "subject": lambda value, now: TraceWords(subject=value),
    "after": lambda value, now: TraceWords(after=_instant(value, now)),
    "before": lambda value, now: TraceWords(before=_instant(value, now)),
}
FIELDS: Sequence[str] = tuple(_FIELDS)


def _bad(why: str) -> BadValue:
    return BadValue(f"The search cannot be read: {why}. Write for instance {EXAMPLE}.", parameter="Search")
