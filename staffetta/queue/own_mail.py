"""Messages of our own making, notifications and reports, as the spool takes them."""

from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope
from staffetta.mail.queue_id import to_text
from staffetta.spool.spool import NewMessage, RoutedRecipient
from staffetta.trace.events import Detail, Event, EventKind


def own_message(
    number: int,
    envelope: Envelope,
    content: bytes,
    *,
    message_id: str,
    subject: str,
    routed_to: tuple[str, str],
    told: Detail,
    now: float,
) -> NewMessage:
    """Return a message that no client brought, all its recipients on one road.

    content: whole and canonical. routed_to: route and destination. told: what the trace says of why there is such a
    message.
    """
    return NewMessage(
        number=number,
        message_id=message_id,
        subject=subject,
        envelope=envelope,
        recipients=tuple(RoutedRecipient(recipient, *routed_to) for recipient in envelope.recipients),
        content=MemoryContent(content),
        has_eight_bit=not content.isascii(),
        received_at=now,
        session_id=to_text(number),
        peer_address="",
        helo=None,
        connector=None,
        events=(Event(now, EventKind.RECEIVE, None, told),),
    )
