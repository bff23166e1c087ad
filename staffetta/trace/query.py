"""What to look for in the trace, and the SQL that finds it.

Rule: whatever is asked for, it is found by an index or by a walk over a range of numbers, which is a range of time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.queue_id import EPOCH_UNIX_SECONDS, from_text
from staffetta.trace.events import Status

_STATES_OF = {
    Status.GETTING_STATUS: "r.state = 'ready' AND r.attempts = 0",
    Status.PENDING: "(r.state IN ('in attempt', 'deferred', 'unknown', 'held') OR r.state = 'ready' AND r.attempts)",
    Status.DELIVERED: "r.state = 'delivered'",
    Status.FAILED: "r.state IN ('failed', 'deleted')",
}

DOUBTFUL = "r.is_doubtful = 1 AND r.state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown')"
"""Of recipients that are open, though a next hop may have the message; as the index has it (0009_doubtful.sql)."""

Only = Callable[[str, str, str | None, str, str | None], bool]
"""Whether a row is wanted: by its sender ("" for the null path), recipient, connector, peer and subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """What to look for; all that is given must hold.

    message_id: with or without angle brackets. sender: "" or "<>" is the null path. sender, recipient: in any
    case; `*@domain` for all of a domain. party: either of the two. connector: by name, in any case of ASCII letters.
    peer: where it came from. subject: words of it, in any case of letters. after, before: seconds since 1970, of
    receipt. is_doubtful: open, and a next hop may have it. beyond: number and place of the last row that is known
    already. limit: rows; -1: all. only: asked last, of what all else has left.
    """

    queue_id: str | None = None
    message_id: str | None = None
    sender: str | None = None
    recipient: str | None = None
    party: str | None = None
    connector: str | None = None
    peer: str | None = None
    subject: str | None = None
    status: Status | None = None
    is_doubtful: bool = False
    after: float | None = None
    before: float | None = None
    beyond: tuple[int, int] | None = None
    limit: int = 1000
    only: Only | None = None


def index_for(query: TraceQuery) -> str:
    """Return the index that finds what is asked for, or the table of which a range of numbers is walked."""
    if query.queue_id is not None:
        return "message"
    if query.message_id is not None:
        return "message_by_message_id"
    if query.recipient is not None and not _is_domain(query.recipient):
        return "recipient_by_address"
    if query.sender is not None and not _is_domain(query.sender):
        return "message_by_reverse_path"
    if query.is_doubtful:
        return "recipient_doubtful"
    if query.status is Status.FAILED:
        return "recipient_failed"
    return "message"


def conditions(query: TraceQuery, number: str) -> tuple[str, list[object]]:
    """Return a WHERE clause and its arguments. number: the column to be walked."""
    if query.queue_id is not None:
        try:
            terms: list[tuple[str, list[object]]] = [(f"{number} = ?", [from_text(query.queue_id)])]
        except ValueError:
            return "FALSE", []
    else:
        terms = [(f"{number} BETWEEN ? AND ?", list(range_of(query)))]
    if query.message_id is not None:
        bare = query.message_id.strip().removeprefix("<").removesuffix(">")
        terms.append(("m.message_id IN (?, ?)", [bare, f"<{bare}>"]))
    if query.sender is not None:
        terms.append(_address_term("m.reverse_path_key", query.sender))
    if query.recipient is not None:
        terms.append(_address_term("r.address_key", query.recipient))
    if query.connector is not None:
        terms.append(("m.connector = ? COLLATE NOCASE", [query.connector]))
    if query.peer is not None:
        terms.append(("m.peer_address = ?", [query.peer]))
    if query.subject is not None:
        terms.append(_subject_term(query.subject))
    if query.status is not None:
        terms.append((_STATES_OF[query.status], []))
    if query.is_doubtful:
        terms.append((DOUBTFUL, []))
    if query.beyond is not None:
        terms.append((f"NOT ({number} = ? AND r.recipient <= ?)", list(query.beyond)))
    return " AND ".join(term for term, _ in terms), [value for _, values in terms for value in values]


def _subject_term(words: str) -> tuple[str, list[object]]:
    """SQLite folds ASCII by itself, and fast; the rest of the letters it is taught (search.py)."""
    if words.isascii():
        escaped = "".join(f"\\{each}" if each in "\\%_" else each for each in words)
        return "m.subject LIKE ? ESCAPE '\\'", [f"%{escaped}%"]
    return "instr(casefolded(m.subject), ?)", [words.casefold()]


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
