"""Trace events: values that the rooms hand to the spool, written in the same transaction as the change they tell of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Detail = Mapping[str, str | int | float | bool | None]


class EventKind(StrEnum):
    """What happened. The words are Exchange's where Exchange has one."""

    RECEIVE = "Receive"
    ATTEMPT = "Attempt"
    DELIVER = "Deliver"  # into a mailbox of ours
    SEND = "Send"  # to a next hop
    DEFER = "Defer"
    FAIL = "Fail"
    UNKNOWN = "Unknown"
    EXPIRE = "Expire"
    NOTIFY = "Notify"  # a delivery status notification was queued
    HOLD = "Hold"
    RELEASE = "Release"
    RETRY = "Retry"
    DELETE = "Delete"
    REDIRECT = "Redirect"  # to another road
    RESUBMIT = "Resubmit"  # what had failed, by an administrator
    COMPLETE = "Complete"  # of unknown outcome, and taken as delivered by an administrator


class Status(StrEnum):
    """A recipient's status in the words of Exchange's message trace."""

    GETTING_STATUS = "GettingStatus"
    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a message, or to one of its recipients.

    at: seconds since 1970 UTC. recipient: its number in the envelope, None for the whole message.
    """

    at: float
    kind: EventKind
    recipient: int | None = None
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A command that policy refused: what we saw, and why (row C7)."""

    at: float
    session_id: str
    listener: str
    peer_address: str
    helo: str | None
    tls: str | None
    reverse_path: str | None
    forward_path: str | None
    reply: str
    reason: str
    evidence: Detail = field(default_factory=dict)
