"""Date and Message-ID, for a message whose client wrote none (RFC 5322 §3.6, RFC 6409 §8)."""

from datetime import UTC, datetime
from email.utils import format_datetime

from staffetta.mail.header import HeaderSection


def missing_fields(header: HeaderSection, *, unique: str, at: float) -> bytes:
    """Return the fields that the section lacks, each with its CRLF; empty where it lacks none.

    unique: the Message-ID without its angle brackets. at: when the message came, in seconds since 1970.
    """
    added = b""
    if not header.count(b"date"):
        date = format_datetime(datetime.fromtimestamp(at, UTC).replace(microsecond=0))
        added += f"Date: {date}\r\n".encode()
    if not header.count(b"message-id"):
        added += f"Message-ID: <{unique}>\r\n".encode()
    return added
