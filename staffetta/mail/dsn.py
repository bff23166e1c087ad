"""Delivery status notifications: compose and read (RFC 3461 §6, RFC 3462 §1, RFC 3464 §2, RFC 6533 §4, §5, §6).

Rule 1: whatever comes from outside (subject, replies, ENVID, ORCPT) is cleaned here and nowhere else, so that
no field of ours can be ended, forged or lengthened by it.
Rule 2: the same report and boundary give the same octets; the clock and the dice are the caller's.
"""

import binascii
import re
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime

from staffetta.mail.dsn_text import DIAGNOSTIC_CHARACTERS_MAX, clean, explanation, subject
from staffetta.mail.report import Action, RecipientReport, Report, Returned
from staffetta.mail.xtext import XtextError, decode_utf8_address, decode_xtext, encode_utf8_address

DISPLAY_NAME = "Mail Delivery System"
FIELD_CHARACTERS_MAX = 500  # ENVID and ORCPT: RFC 3461 §4.4 and §4.2 allow 100 and 500 characters
_LINE_OCTETS = 76
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")  # RFC 3463 §2
_DEFAULT_STATUS = {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0"}
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9\-]+")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+>")


def compose_dsn(report: Report, returned: Returned, boundary: str) -> bytes:
    """Return the notification's content: CRLF line ends, ending in one.

    boundary: 1 to 70 letters and digits, drawn at random by the caller, so that no content can hold it.
    """
    is_global = report.is_internationalised
    parts = (
        _text_part(explanation(report)),
        _status_part(report, is_global),
        _returned_part(returned, is_global),
    )
    delimiter = b"--" + boundary.encode("ascii")
    body = b"".join(delimiter + b"\r\n" + part for part in parts)
    return _header_section(report, boundary) + b"\r\n" + body + delimiter + b"--\r\n"


def _header_section(report: Report, boundary: str) -> bytes:
    fields = [
        f"From: {DISPLAY_NAME} <postmaster@{report.author_domain}>",
        f"To: <{report.reverse_path}>",
        f"Subject: {_encoded_subject(report)}",
        f"Date: {_date(report.at)}",
        f"Message-ID: {report.message_id}",
    ]
    if report.original_message_id and _MESSAGE_ID.fullmatch(report.original_message_id):
        original = report.original_message_id[:900]
        fields += [f"In-Reply-To: {original}", f"References: {original}"]
    fields += [
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
    ]
    return "".join(f"{field}\r\n" for field in fields).encode()


def _encoded_subject(report: Report) -> str:
    """Plain where it is ASCII, so that encoded words of the original stay as they were; else RFC 2047."""
    text = subject(report)
    if text.isascii():
        return text
    return Header(text, "utf-8", maxlinelen=_LINE_OCTETS, header_name="Subject").encode(linesep="\r\n")


def _text_part(text: str) -> bytes:
    """quoted-printable, because replies may be longer than a line and hold any character."""
    quoted = binascii.b2a_qp(text.encode(), istext=True).replace(b"\r", b"").replace(b"\n", b"\r\n")
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + quoted + b"\r\n"


def _status_part(report: Report, is_global: bool) -> bytes:
    """Per-message fields, then a group for each recipient (RFC 3464 §2.1; RFC 6533 §4)."""
    groups = [_message_fields(report), *(_recipient_fields(each, is_global) for each in report.recipients)]
    text = "\r\n".join("".join(f"{_folded(field)}\r\n" for field in group) for group in groups)
    if is_global:
        head = "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    else:
        head = "Content-Type: message/delivery-status\r\n\r\n"
    return (head + text + "\r\n").encode()


def _message_fields(report: Report) -> list[str]:
    fields = [f"Reporting-MTA: dns; {report.reporting_mta}"]
    if report.envelope_id:
        fields.insert(0, f"Original-Envelope-Id: {_shown_xtext(report.envelope_id)}")
    fields.append(f"Arrival-Date: {_date(report.arrived_at)}")
    return fields


def _recipient_fields(recipient: RecipientReport, is_global: bool) -> list[str]:
    fields = []
    if original := _original_recipient(recipient.original, is_global):
        fields.append(f"Original-Recipient: {original}")
    fields += [
        f"Final-Recipient: {_final_recipient(recipient.final, is_global)}",
        f"Action: {recipient.action}",
        f"Status: {_status(recipient)}",
    ]
    if recipient.remote_mta:
        fields.append(f"Remote-MTA: dns; {_ascii(clean(recipient.remote_mta, 255))}")
    if recipient.diagnostic:
        kind = "smtp" if recipient.is_remote_reply else "x-staffetta"
        diagnostic = clean(recipient.diagnostic, DIAGNOSTIC_CHARACTERS_MAX)
        fields.append(f"Diagnostic-Code: {kind}; {diagnostic if is_global else _ascii(diagnostic)}")
    if recipient.last_attempt_at is not None:
        fields.append(f"Last-Attempt-Date: {_date(recipient.last_attempt_at)}")
    if recipient.will_retry_until is not None and recipient.action is Action.DELAYED:
        fields.append(f"Will-Retry-Until: {_date(recipient.will_retry_until)}")
    return fields


def _final_recipient(address: str, is_global: bool) -> str:
    """rfc822 where it is ASCII; else utf-8, raw or with its escapes (RFC 6533 §3)."""
    if address.isascii():
        return f"rfc822; {clean(address, FIELD_CHARACTERS_MAX)}"
    return f"utf-8; {address if is_global else encode_utf8_address(address)}"


def _original_recipient(original: str | None, is_global: bool) -> str | None:
    """ORCPT as the sender gave it, decoded where that is harmless (RFC 3461 §6.3, RFC 6533 §3)."""
    kind, semicolon, encoded = (original or "").partition(";")
    if not semicolon or not _ADDRESS_TYPE.fullmatch(kind):
        return None
    if kind.lower() != "utf-8":
        return f"{kind}; {_shown_xtext(encoded)}"
    address = clean(decode_utf8_address(encoded), FIELD_CHARACTERS_MAX)
    return f"{kind}; {address if is_global else encode_utf8_address(address)}"


def _shown_xtext(encoded: str) -> str:
    """Decoded if that gives printable ASCII, else as it came: what is hidden by encoding stays encoded."""
    try:
        text = decode_xtext(encoded)
    except XtextError:
        return _ascii(clean(encoded, FIELD_CHARACTERS_MAX))
    return text[:FIELD_CHARACTERS_MAX] if text.isascii() and text.isprintable() else encoded[:FIELD_CHARACTERS_MAX]


def _status(recipient: RecipientReport) -> str:
    return recipient.status if _STATUS.fullmatch(recipient.status) else _DEFAULT_STATUS.get(recipient.action, "2.0.0")


def _returned_part(returned: Returned, is_global: bool) -> bytes:
    if returned.is_whole:
        kind = b"message/global" if is_global else b"message/rfc822"
    else:
        kind = b"message/global-headers" if is_global else b"text/rfc822-headers"
    encoding = b"" if returned.octets.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    line_end = b"" if returned.octets.endswith(b"\r\n") else b"\r\n"
    return b"Content-Type: " + kind + b"\r\n" + encoding + b"\r\n" + returned.octets + line_end + b"\r\n"


def _folded(field: str) -> str:
    """Fold at spaces (RFC 5322 §2.2.3); a word longer than a line is left whole, the caller has bounded it."""
    lines, line = [], ""
    for word in field.split(" "):
        if line.strip() and len(line) + 1 + len(word) > _LINE_OCTETS:
            lines.append(line)
            line = " " + word
        else:
            line = f"{line} {word}" if line else word
    return "\r\n".join([*lines, line])


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _date(unix_seconds: float) -> str:
    """date-time (RFC 5322 §3.3), in UTC."""
    return format_datetime(datetime.fromtimestamp(unix_seconds, UTC).replace(microsecond=0))
