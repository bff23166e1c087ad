"""What to look for in the trace, and the SQL that finds it.

Rule: whatever is asked for, it is found by an index or by a walk over a range of numbers, which is a range of time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.queue_id import EPOCH_UNIX_SECONDS, from_text
from staffetta.trace.events import Status
from staffetta.trace.letters import glob_pattern, like_pattern
from staffetta.trace.own_mail import OwnMail
from staffetta.trace.pieces import Source

_STATES_OF = {
    Status.GETTING_STATUS: "r.state = 'ready' AND r.attempts = 0",
    Status.PENDING: "(r.state IN ('in attempt', 'deferred', 'unknown', 'held') OR r.state = 'ready' AND r.attempts)",
    Status.DELIVERED: "r.state = 'delivered'",
    Status.FAILED: "r.state IN ('failed', 'deleted')",
}
DOUBTFUL = "r.is_doubtful = 1 AND r.state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown')"
"""Of recipients that are open, though a next hop may have the message; as the index has it (0009_doubtful.sql)."""
_NEXT_HOP = """(SELECT json_extract(detail, '$.host') FROM event e WHERE e.number = r.number
    AND (e.recipient IS NULL OR e.recipient = r.recipient) AND json_extract(detail, '$.host') <> ''
    ORDER BY e.sequence DESC LIMIT 1) = ?"""


class Place(StrEnum):
    """Where in the subject words stand."""

    ANYWHERE = "anywhere"
    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """What to look for; all that is given must hold.

    message_id: with or without angle brackets. sender: "" or "<>" is the null path. sender, recipient: in any
    case; `*@domain` for all of a domain. party: either of the two. connector: by name, in any case of ASCII letters.
    peer: where it came from. next_hop: the host that was tried last. subject: words of it, in any case of letters.
    is_doubtful: open, and a next hop may have it. after, before: seconds since 1970, of receipt. beyond: number and
    place of the last row that is known already. limit: rows; -1: all. own: whose mail alone.
    """

    queue_id: str | None = None
    message_id: str | None = None
    sender: str | None = None
    recipient: str | None = None
    party: str | None = None
    connector: str | None = None
    peer: str | None = None
    next_hop: str | None = None
    subject: str | None = None
    subject_place: Place = Place.ANYWHERE
    status: Status | None = None
    is_doubtful: bool = False
    after: float | None = None
    before: float | None = None
    beyond: tuple[int, int] | None = None
    limit: int = 1000
    own: OwnMail | None = None


def source_of(query: TraceQuery) -> Source:
    """Return the index that finds what is asked for, or the table of which a range of numbers is walked."""
    if query.queue_id is not None:
        return Source("message")
    if query.message_id is not None:
        return _sliced("message", "message_by_message_id", *_message_id_term("m.message_id", query.message_id))
    if query.recipient is not None and not _is_domain(query.recipient):
        return _sliced("recipient", "recipient_by_address", *_address_term("r.address_key", query.recipient))
    if query.sender is not None and not _is_domain(query.sender):
        return _sliced("message", "message_by_reverse_path", *_address_term("m.reverse_path_key", query.sender))
    if query.is_doubtful:
        return Source("recipient", "recipient_doubtful", DOUBTFUL)
    if query.status is Status.FAILED:
        return Source("recipient", "recipient_failed", _STATES_OF[Status.FAILED])
    asks_of_message = (query.sender, query.connector, query.peer, query.subject, query.own)
    if any(each is not None for each in asks_of_message) or query.recipient is query.status is query.next_hop is None:
        return Source("message")
    return Source("recipient")


def effort_of(query: TraceQuery) -> int:
    """Return how many times as long a row takes to look at as the plainest does, about."""
    source = source_of(query)
    efforts = (
        (source.is_sliced and source.table == "message", 2),  # each is looked up in the table
        (query.own is not None, 2),
        (query.next_hop is not None, 4),
        (query.subject is not None and not query.subject.isascii(), 2),
    )
    return 1 + sum(effort for is_needed, effort in efforts if is_needed)


def conditions(query: TraceQuery, number: str) -> tuple[str, list[object]]:
    """Return a WHERE clause and its arguments, without the range of numbers. number: the column to be walked."""
    terms: list[tuple[str, list[object]]] = [("TRUE", [])]
    if query.queue_id is not None:
        try:
            terms.append((f"{number} = ?", [from_text(query.queue_id)]))
        except ValueError:
            return "FALSE", []
    if query.message_id is not None:
        terms.append(_message_id_term("m.message_id", query.message_id))
    if query.sender is not None:
        terms.append(_address_term("m.reverse_path_key", query.sender))
    if query.recipient is not None:
        terms.append(_address_term("r.address_key", query.recipient))
    if query.connector is not None:
        terms.append(("m.connector = ? COLLATE NOCASE", [query.connector]))
    if query.peer is not None:
        terms.append(("m.peer_address = ?", [query.peer]))
    if query.subject is not None:
        terms.append(_subject_term(query.subject, query.subject_place))
    if query.status is not None:
        terms.append((_STATES_OF[query.status], []))
    if query.is_doubtful:
        terms.append((DOUBTFUL, []))
    if query.next_hop is not None:
        terms.append((_NEXT_HOP, [query.next_hop]))
    if query.beyond is not None:
        terms.append((f"NOT ({number} = ? AND r.recipient <= ?)", list(query.beyond)))
    return " AND ".join(term for term, _ in terms), [value for _, values in terms for value in values]


def _sliced(table: str, index: str, where: str, values: Sequence[object]) -> Source:
    return Source(table, index, where, values, is_sliced=True)


def _message_id_term(column: str, message_id: str) -> tuple[str, list[object]]:
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    return f"{column} IN (?, ?)", [bare, f"<{bare}>"]


def _subject_term(words: str, place: Place) -> tuple[str, list[object]]:
    compare, any_text, pattern = (
        ("LIKE ? ESCAPE '\\'", "%", like_pattern) if words.isascii() else ("GLOB ?", "*", glob_pattern)
    )
    before = "" if place is Place.START else any_text
    after = "" if place is Place.END else any_text
    return f"m.subject {compare}", [f"{before}{pattern(words)}{after}"]


def range_of(query: TraceQuery) -> tuple[int, int]:
    """The lowest and the highest number that the times allow."""
    highest = 2**63 - 1 if query.before is None else number_at(query.before)
    return number_at(query.after or 0.0), highest if query.beyond is None else min(highest, query.beyond[0])


def _is_domain(wanted: str) -> bool:
    return wanted.strip().removeprefix("<").startswith("*@")


def _address_term(column: str, wanted: str) -> tuple[str, list[object]]:
    is_domain = _is_domain(wanted)
    wanted = wanted.strip().removeprefix("<").removesuffix(">")
    if is_domain:
        return f"substr({column}, -?) = ?", [len(wanted) - 1, wanted[1:].lower()]
    return f"{column} = ?", [_key(wanted)]


def _key(address: str) -> str:
    try:
        return parse_mailbox(address).key
    except AddressError:
        return address.lower()


def number_at(at: float) -> int:
    """Return the first number of an instant, seconds since 1970."""
    return max(int((at - EPOCH_UNIX_SECONDS) * 1_000_000), 0) << 8
