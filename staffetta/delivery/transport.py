"""Drives a ClientSession through one transaction on an open channel (RFC 5321 §3.3)."""

from collections.abc import Awaitable, Callable, Sequence

from staffetta.delivery.channel import Channel
from staffetta.delivery.opening import Timeouts
from staffetta.delivery.trouble import refused_session
from staffetta.mail.content import Content
from staffetta.mail.outcome import Stage
from staffetta.smtp.client import SERVICE_CLOSING, Transaction
from staffetta.smtp.stuffing import FINAL_DOT, DotStuffer, stuff

# In one write, DATA costs no more than BDAT, and every server of the last forty years has seen it. With CHUNKING,
# what is larger than this goes by BDAT: neither side has to look for dots in it. See bench/delivery_micro.py.
CHUNKED_OCTETS_MIN = 16 * 1024

Announce = Callable[[], Awaitable[None]]
"""Awaited before DATA or BDAT: when it returns, the attempt is on disk."""


async def carry(
    channel: Channel,
    mail: bytes,
    recipients: Sequence[bytes],
    content: Content,
    announce: Announce,
    timeouts: Timeouts,
) -> Transaction:
    """Carry one message and return what was answered.

    mail, recipients: commands, line ends included. Raises HopTrouble where nothing was answered for the content;
    whether the content was complete by then, and the outcome so unknown, is in `channel.session.transaction`.
    """
    session = channel.session
    is_chunked = session.capabilities.chunking and content.size >= CHUNKED_OCTETS_MIN
    transaction = session.open_transaction(mail, recipients, is_chunked=is_chunked)
    channel.messages += 1
    while True:
        if session.is_data_next:
            await announce()
        octets = session.next_commands()
        if not octets:
            break
        await channel.exchange(octets, timeouts.reply_seconds)
    if session.closing_reply is not None and not _is_decided(transaction, len(recipients)):
        raise refused_session(session.closing_reply, _closing_stage(transaction))
    if is_chunked and session.wants_content:
        await announce()
    if session.wants_content:  # still: the server may have said good-bye meanwhile
        channel.check()
        await _send_content(channel, transaction, content, timeouts)
    return transaction


def _is_decided(transaction: Transaction, recipient_count: int) -> bool:
    """Whether every recipient was refused for its own or the message's sake before the server said good-bye."""
    if transaction.mail is None or any(
        reply.code == SERVICE_CLOSING for reply in (transaction.mail, *transaction.recipients)
    ):
        return False
    return transaction.accepted_count == 0 and (
        not transaction.mail.is_positive or len(transaction.recipients) == recipient_count
    )


def _closing_stage(transaction: Transaction) -> Stage:
    if transaction.data is not None:
        return Stage.DATA
    return Stage.RCPT if transaction.recipients else Stage.MAIL


async def _send_content(channel: Channel, transaction: Transaction, content: Content, timeouts: Timeouts) -> None:
    session = channel.session
    if transaction.accepted_count == 0:
        await _send_nothing(channel, timeouts)
        return
    whole = content.whole
    if whole is None:
        await _stream_content(channel, transaction, content, timeouts)
    elif transaction.is_chunked:
        session.content_complete()
        channel.write(session.chunk_head(len(whole)), whole)
    else:
        session.content_complete()
        channel.write(stuff(whole), FINAL_DOT)
    await channel.answered(timeouts.final_reply_seconds)


async def _send_nothing(channel: Channel, timeouts: Timeouts) -> None:
    """Nobody was accepted, and yet DATA: a lone dot ends it (RFC 2920 §3.1). LMTP has no reply for that: close."""
    if channel.session.is_lmtp:
        channel.abort()
        return
    channel.session.content_complete()
    await channel.exchange(FINAL_DOT, timeouts.final_reply_seconds)


async def _stream_content(channel: Channel, transaction: Transaction, content: Content, timeouts: Timeouts) -> None:
    """Send content that is not in memory, no faster than the server takes it; stop where it refuses the rest.

    Raises OSError where the content cannot be read; the server has no complete message then.
    """
    session = channel.session
    stuffer = DotStuffer()
    if transaction.is_chunked:
        channel.write(session.chunk_head(content.size))
    left = content.size
    async for piece in content.chunks():
        left -= len(piece)
        if not _goes_on(channel):
            return
        if transaction.is_chunked and not left:
            session.content_complete()
        channel.write(piece if transaction.is_chunked else stuffer.stuff(piece))
        await channel.drain(timeouts.reply_seconds)
        if transaction.is_content_complete:
            return
    if left:
        raise OSError(f"the content in the spool is {left} octets short")
    if not _goes_on(channel):
        return
    session.content_complete()
    channel.write(stuffer.end() + FINAL_DOT)


def _goes_on(channel: Channel) -> bool:
    """Whether the server still takes content. Asked after every wait for the disk: what cannot be written any more
    must not count as complete, or the outcome were unknown without need. Raises HopTrouble."""
    channel.check()
    return channel.session.closing_reply is None
