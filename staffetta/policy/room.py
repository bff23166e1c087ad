"""Whether there is room for one more message: on the disk, and in the queue. Known clients have the last of both.

Exchange calls it back pressure: at the first mark mail from outside waits, at the second all does.
"""

from dataclasses import dataclass

from staffetta.policy.decision import Decision, Reason
from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.trace.events import Detail


@dataclass(frozen=True, slots=True)
class Room:
    """free_octets: of disk. backlog: recipients that are not closed; both as of the last look."""

    free_octets: int
    backlog: int


def for_message(room: Room, size: int | None, limits: Limits, *, is_known: bool) -> Decision | None:
    """Return why a message must wait, None where it need not. size: as MAIL declared it (RFC 1870 §6.1), or None."""
    if size is not None and size > max(0, room.free_octets - limits.spool_free_octets_min):
        return _wait("more is announced than there is space", {"size": size, "free": room.free_octets})
    if room.backlog >= limits.backlog_recipients_max:
        return _wait("the queue is full", {"backlog": room.backlog})
    if is_known:
        return None
    if room.free_octets < limits.spool_free_octets_low:
        return _wait("space is low and kept for known clients", {"free": room.free_octets})
    if room.backlog >= limits.backlog_recipients_max // 2:
        return _wait("the queue is half full, and the rest is kept for known clients", {"backlog": room.backlog})
    return None


def _wait(trouble: str, evidence: Detail) -> Decision:
    return Decision(reply.SPOOL_TROUBLE, Reason.SPOOL_TROUBLE, {"trouble": trouble, **evidence})
