"""Write the notifications that a settlement owes: new messages, committed in the same transaction as the settlement."""

import secrets
from collections.abc import Callable, Sequence

import structlog

from staffetta.mail.address import Mailbox
from staffetta.mail.content import Content
from staffetta.mail.dsn import compose_dsn
from staffetta.mail.dsn_text import subject
from staffetta.mail.envelope import Envelope, Recipient, Ret
from staffetta.mail.queue_id import to_text
from staffetta.mail.report import Action, RecipientReport, Report, Returned
from staffetta.queue.own_mail import own_message
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, NewMessage

WHOLE_OCTETS_MAX = 50 * 1024
"""Larger content is not returned whole, whatever RET says: a notification is no way to multiply traffic."""

RouteNotification = Callable[[Mailbox], tuple[str, str]]
"""Where a notification to this mailbox goes: route and destination."""

_log = structlog.get_logger()


async def write_notification(
    claim: Claim,
    reports: Sequence[RecipientReport],
    *,
    number: int,
    now: float,
    settings: Settings,
    route_notification: RouteNotification,
) -> NewMessage | None:
    """Return the notification about these recipients; None for a null reverse-path (RFC 5321 §4.5.5).

    number: from Spool.next_number().
    """
    reverse_path = claim.envelope.reverse_path
    if reverse_path is None or not reports:
        return None
    queue_id = to_text(number)
    domains = settings.accepted_domains
    report = Report(
        reporting_mta=settings.hostname,
        author_domain=domains[0].name if domains else settings.hostname,
        message_id=f"<{queue_id}@{settings.hostname}>",
        at=now,
        arrived_at=claim.received_at,
        reverse_path=reverse_path,
        recipients=tuple(reports),
        original_message_id=claim.message_id,
        subject=claim.subject,
        envelope_id=claim.envelope.envelope_id,
        is_internationalised=claim.envelope.smtputf8,
    )
    is_failure = report.action is Action.FAILED
    # The way back may be less protected than the way so far was asked to be (RFC 8689 §5).
    is_whole_wanted = is_failure and claim.envelope.ret is not Ret.HEADERS and not claim.envelope.require_tls
    returned = await _returned(claim.content, is_whole_wanted=is_whole_wanted)
    content = compose_dsn(report, returned, secrets.token_hex(16))
    return own_message(
        number,
        Envelope(None, (Recipient(reverse_path),), smtputf8=not reverse_path.is_ascii),
        content,
        message_id=report.message_id,
        subject=subject(report),
        routed_to=route_notification(reverse_path),
        told={"notification_of": claim.queue_id, "action": str(report.action), "reason": "notification"},
        now=now,
    )


async def _returned(content: Content, *, is_whole_wanted: bool) -> Returned:
    """Return what goes back of the message: small content whole where it is wanted, else the header section.

    RET speaks of failures alone; what tells of no failure returns the header section (RFC 3461 §4.3).
    """
    octets = content.whole
    if octets is None:
        try:
            # A header section is within the first chunk, or it is cut.
            octets = await anext(aiter(content.chunks()), b"")
        except OSError as error:
            # The outcome must be told all the same: a notification without the header section is better than none.
            _log.error("content cannot be returned", error=str(error))
            octets = b""
    if octets and is_whole_wanted and content.size <= WHOLE_OCTETS_MAX:
        return Returned(octets, is_whole=True)
    header, _, _ = octets[:WHOLE_OCTETS_MAX].partition(b"\r\n\r\n")
    return Returned(header + b"\r\n", is_whole=False)
