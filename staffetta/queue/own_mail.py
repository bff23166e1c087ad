"""Messages of our own that are no notifications, as the spool takes them."""

from staffetta.mail.address import Mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.queue_id import to_text
from staffetta.spool.spool import NewMessage, RoutedRecipient
from staffetta.trace.events import Event, EventKind


def own_message(
    number: int,
    author: Mailbox,
    to: Mailbox,
    content: bytes,
    *,
    message_id: str,
    subject: str,
    routed_to: tuple[str, str],
    reason: str,
    now: float,
) -> NewMessage:
    """Return a message to one recipient. content: whole and canonical. routed_to: route and destination.

    reason: what the trace tells of why there is such a message.
    """
    queue_id = to_text(number)
    recipient = Recipient(to)
    return NewMessage(
        number=number,
        message_id=message_id,
        subject=subject,
        envelope=Envelope(author, (recipient,)),
        recipients=(RoutedRecipient(recipient, *routed_to),),
        content=MemoryContent(content),
        has_eight_bit=not content.isascii(),
        received_at=now,
        session_id=queue_id,
        peer_address="",
        helo=None,
        connector=None,
        events=(Event(now, EventKind.RECEIVE, None, {"reason": reason}),),
    )
