"""What a message says of itself."""

from dataclasses import dataclass
from datetime import datetime

from staffetta.analyzer import dates
from staffetta.analyzer.fields import Section


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


def summary_of(section: Section) -> Summary:
    """Return the summary."""
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
