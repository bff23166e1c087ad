"""A message as reception gives it to a spool, for tests that want many of them kept."""

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.spool.spool import NewMessage, RoutedRecipient
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind


async def keep(spool: SqliteSpool, place: int, content: bytes, now: float) -> int:
    """Commit message `place`, to one recipient at example.net by route `out`; return its number. now: POSIX time."""
    recipient = Recipient(parse_mailbox(f"r{place}@example.net"))
    draft = spool.open_draft()
    draft.write(content)
    message = NewMessage(
        number=spool.next_number(),
        message_id=f"<{place}@contoso.test>",
        subject=str(place),
        envelope=Envelope(parse_mailbox("alice@contoso.test"), (recipient,)),
        recipients=(RoutedRecipient(recipient, "out", "example.net"),),
        content=await draft.finish(b""),
        has_eight_bit=False,
        received_at=now,
        session_id="S1",
        peer_address="192.0.2.1",
        helo="client.test",
        connector=None,
        events=(Event(now, EventKind.RECEIVE),),
    )
    await spool.commit(message)
    return message.number
