"""The analysis of one message: everything that is shown, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from staffetta.analyzer import dates
from staffetta.analyzer.fields import Field, Section, read
from staffetta.analyzer.hops import HOPS_MAX, Hop, hops_of, total_seconds
from staffetta.analyzer.received import read_received

_SUMMARY = ("subject", "message-id", "archived-at", "date", "from", "reply-to", "to", "cc", "received")


@dataclass(frozen=True, slots=True)
class Summary:
    """What the message says of itself; None where it does not. created_at: the Date field in UTC."""

    subject: str | None
    message_id: str | None
    archived_at: str | None
    created_at: datetime | None
    sender: str | None
    reply_to: str | None
    to: str | None
    cc: str | None
    return_path: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """hops: the earliest first. total_seconds: from the first believed clock to the last. others: as they stand."""

    summary: Summary
    hops: tuple[Hop, ...]
    total_seconds: float | None
    others: tuple[Field, ...]


def analyze(text: str) -> Report:
    """Return what the headers in a text tell. Raises NotHeaders, and nothing else, whatever the text is."""
    section = read(text)
    received = [read_received(field.written) for field in section.every("received")][:HOPS_MAX]
    hops = hops_of(received)
    return Report(
        summary=_summary(section),
        hops=hops,
        total_seconds=total_seconds(hops),
        others=_others(section.fields),
    )


def _summary(section: Section) -> Summary:
    created = dates.parse(section.first("date") or "")
    return Summary(
        subject=section.first("subject"),
        message_id=section.first("message-id"),
        archived_at=section.first("archived-at"),
        created_at=created.at if created else None,
        sender=section.first("from"),
        reply_to=section.first("reply-to"),
        to=section.first("to"),
        cc=section.first("cc"),
        return_path=section.first("return-path"),
    )


def _others(fields: Sequence[Field]) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.name.lower() not in _SUMMARY)
