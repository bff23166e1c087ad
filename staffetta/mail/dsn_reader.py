"""Read the recipients' fields out of someone's delivery status notification (RFC 3464 §2, RFC 6533 §4)."""

import re
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.utils import parsedate_to_datetime

from staffetta.mail.report import Action, RecipientReport
from staffetta.mail.xtext import decode_utf8_address

_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_BLANK_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ACTIONS = {str(action): action for action in Action}


def read_dsn(content: bytes) -> list[RecipientReport]:
    """Return one report per recipient group, in order; empty where this is no notification. Raises nothing.

    A group without a final recipient or with an unknown action is left out. Addresses of type utf-8 are decoded.
    """
    for part in message_from_bytes(content).walk():
        if part.get_content_type() in _STATUS_TYPES:
            groups = [_fields(group) for group in _BLANK_LINES.split(_octets(part).strip()) if group.strip()]
            return [report for group in groups if (report := _report(group)) is not None]
    return []


def _octets(part: Message) -> bytes:
    """The part's body. The standard parser takes it apart into messages, in one of two ways; this joins them."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return str(payload).encode("utf-8", "surrogateescape")
    return b"\n\n".join(_as_written(group) for group in payload if isinstance(group, Message))


def _as_written(group: Message) -> bytes:
    try:
        return group.as_bytes()
    except (MessageError, ValueError, LookupError):  # the standard generator would not write such a field
        return "".join(f"{name}: {value}\n" for name, value in group.raw_items()).encode("utf-8", "surrogateescape")


def _fields(group: bytes) -> dict[str, str]:
    """Names in lower case; the first of a name counts."""
    fields: dict[str, str] = {}
    for line in _FOLD.sub("", group.decode("utf-8", "replace")).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _report(fields: dict[str, str]) -> RecipientReport | None:
    action = _ACTIONS.get(fields.get("action", "").lower())
    if action is None or "final-recipient" not in fields:
        return None
    kind, diagnostic = _typed(fields.get("diagnostic-code", ""))
    return RecipientReport(
        final=_address(fields["final-recipient"]),
        action=action,
        status=fields.get("status", ""),
        original=fields.get("original-recipient"),
        remote_mta=_typed(fields["remote-mta"])[1] if "remote-mta" in fields else None,
        diagnostic=diagnostic or None,
        is_remote_reply=kind == "smtp",
        last_attempt_at=_unix_seconds(fields.get("last-attempt-date")),
        will_retry_until=_unix_seconds(fields.get("will-retry-until")),
    )


def _typed(value: str) -> tuple[str, str]:
    """`type; text`; the type in lower case, empty where there is none."""
    kind, semicolon, text = value.partition(";")
    return (kind.strip().lower(), text.strip()) if semicolon else ("", value)


def _address(value: str) -> str:
    kind, address = _typed(value)
    return decode_utf8_address(address) if kind == "utf-8" else address


def _unix_seconds(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
