"""Messages in a spool, for operations to find."""

import asyncio
import time
from collections.abc import Callable, Coroutine

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.queue_id import made_at, to_text
from staffetta.operations.spools import open_spool
from staffetta.settings.model import Settings
from staffetta.spool.spool import NewMessage, RoutedRecipient
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Detail, Event, EventKind, Refusal


def in_spool(settings: Settings, work: Callable[[SqliteSpool], Coroutine[None, None, str]], place: int = 0) -> str:
    """Do something with the spool open, and return what came of it. place: of the partition."""

    async def scene() -> str:
        spool = await open_spool(settings, place)
        try:
            return await work(spool)
        finally:
            await spool.close()

    return asyncio.run(scene())


def kept(
    settings: Settings,
    *recipients: str,
    sender: str | None = "ada@contoso.com",
    subject: str = "Hello",
    peer: str = "192.0.2.7",
    connector: str | None = "SMTP Relay",
    is_once: bool = False,
    content: bytes = b"Subject: Hello\r\n\r\nHello\r\n",
    told: Detail | None = None,
    place: int = 0,
) -> str:
    """Commit one message, received now, and return its queue id.

    is_once: its connector says never twice. told: what the trace tells of the reception.
    """

    async def work(spool: SqliteSpool) -> str:
        number = spool.next_number()
        at = made_at(number)
        envelope = Envelope(
            parse_mailbox(sender) if sender else None, tuple(Recipient(parse_mailbox(each)) for each in recipients)
        )
        draft = spool.open_draft()
        draft.write(content)
        received = Event(at, EventKind.RECEIVE, None, told or {"connector": connector, "helo": '"<&'})
        await spool.commit(
            NewMessage(
                number=number,
                message_id=f"<{subject}@contoso.com>",
                subject=subject,
                envelope=envelope,
                recipients=tuple(RoutedRecipient(each, "outside", "example.net") for each in envelope.recipients),
                content=await draft.finish(b""),
                has_eight_bit=False,
                received_at=at,
                session_id="S",
                peer_address=peer,
                helo="client.example",
                connector=connector,
                is_once=is_once,
                events=(received,),
            )
        )
        return to_text(number)

    return in_spool(settings, work, place)


def crashed_in_attempt(settings: Settings) -> None:
    """Begin an attempt for all that is due, and stop there as a crash does; the next start finds it."""

    async def work(spool: SqliteSpool) -> str:
        for line in await spool.due():
            at = time.time()
            for claim in await spool.claim(line.route, line.destination, line.connector, at, 1000):
                await spool.begin_attempt(claim, [each.number for each in claim.recipients], {"host": "mx.test"}, at)
        return ""

    async def start(spool: SqliteSpool) -> str:
        return ""

    in_spool(settings, work)
    in_spool(settings, start)


def refused(settings: Settings, *refusals: Refusal, place: int = 0) -> None:
    """Keep refusals, as a session does."""

    async def work(spool: SqliteSpool) -> str:
        for each in refusals:
            spool.record_refusal(each)
        return ""

    in_spool(settings, work, place)
