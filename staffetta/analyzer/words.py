"""Times and hops in words, the same in findings, tables and pages."""

from datetime import datetime

from staffetta.analyzer.received import Received, Tls
from staffetta.analyzer.summary import Summary

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Return `2 h 10 min`, `3 s`, `-1 min 5 s`: the two largest units that say anything, rounded to seconds."""
    rest = round(abs(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return ("-" if seconds <= -0.5 else "") + (" ".join(parts[:2]) or "0 s")


def clock(offset_seconds: float) -> str:
    """Return `clock +2 min 3 s`: how far a hop's clock is off."""
    return f"clock {'+' if offset_seconds >= 0 else ''}{duration(offset_seconds)}"


def moment(at: datetime | None) -> str:
    """Return `2021-09-03 00:42:11`, without the zone, which is UTC everywhere; empty for None."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def secured(tls: Tls | None) -> str:
    """Return `TLSv1.3 TLS_AES_256_GCM_SHA384`, or `TLS` where no more is told; empty where nothing tells of TLS."""
    if tls is None:
        return ""
    return " ".join(filter(None, (tls.version, tls.cipher))) or "TLS"


def carried(received: Received) -> str:
    """Return protocol and link, such as `ESMTPS` or `Microsoft SMTP Server via Frontend Transport`."""
    return " via ".join(filter(None, (received.with_protocol, received.via)))


def sending_host(received: Received) -> str:
    """Return name and address of who sent to this hop."""
    name, address = received.from_name, received.from_address
    if name and address and address not in name:
        return f"{name} ({address})"
    return name or address or ""


def summary_lines(summary: Summary, total_seconds: float | None) -> list[tuple[str, str]]:
    """Return names and values of what a message says of itself, without what it does not say."""
    created = f"{moment(summary.created_at)} UTC" if summary.created_at else None
    if created and total_seconds is not None:
        created += f" (the hops took {duration(total_seconds)})"
    lines = (
        ("Subject", summary.subject),
        ("Message-ID", summary.message_id),
        ("Created", created),
        ("From", summary.sender),
        ("Reply-To", summary.reply_to),
        ("To", summary.to),
        ("Cc", summary.cc),
        ("Return-Path", summary.return_path),
        ("Archived-At", summary.archived_at),
    )
    return [(name, value) for name, value in lines if value is not None]
