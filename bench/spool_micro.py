"""What the spool costs: commit, begin_attempt and settle of small messages, with many in flight.

Run: python -m bench.spool_micro [messages] [in flight] [folder]. Prints messages/s and CPU µs per message.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Delivered, Stage
from staffetta.spool.spool import NewMessage, RecipientState, RoutedRecipient, Settlement
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind

CONTENT = MemoryContent(b"Subject: bench\r\n\r\n" + b"x" * 72 + b"\r\n" * 1 + b"y" * 4000)


def new_message(spool: SqliteSpool, place: int) -> NewMessage:
    now = time.time()
    recipient = Recipient(parse_mailbox(f"user{place % 4000}@example.net"))
    return NewMessage(
        number=spool.next_number(),
        message_id=f"<{place}.bench@contoso.test>",
        subject="bench",
        envelope=Envelope(parse_mailbox("sender@contoso.test"), (recipient,)),
        recipients=(RoutedRecipient(recipient, "out", "example.net"),),
        content=CONTENT,
        has_eight_bit=False,
        received_at=now,
        session_id="0123456789ABC",
        peer_address="127.0.0.1",
        helo="client.test",
        connector="loopback",
        events=(Event(now, EventKind.RECEIVE, None, {"listener": "relay", "tls": None, "size": 4096}),),
    )


async def one_by_one(spool: SqliteSpool, messages: int, in_flight: int) -> None:
    """Each producer commits, and carries what it committed, before its next."""
    claims: asyncio.Queue = asyncio.Queue()
    spool.subscribe(lambda claim: claims.put_nowait(claim) or True)

    async def produce(first: int) -> None:
        for place in range(first, messages, in_flight):
            await spool.commit(new_message(spool, place))

    async def carry() -> None:
        outcome = Delivered(status="2.0.0", diagnostic="250 2.0.0 Ok", stage=Stage.FINAL_DOT, host="mx.example.net")
        while True:
            claim = await claims.get()
            if claim is None:
                return
            await spool.begin_attempt(claim, [0], {"host": "mx.example.net"}, time.time())
            event = Event(time.time(), EventKind.SEND, 0, {"host": "mx.example.net", "reply": "250 2.0.0 Ok"})
            await spool.settle([Settlement(claim.number, 0, RecipientState.DELIVERED, None, outcome, events=(event,))])

    carriers = [asyncio.create_task(carry()) for _ in range(in_flight)]
    await asyncio.gather(*(produce(first) for first in range(in_flight)))
    for _ in carriers:
        claims.put_nowait(None)
    await asyncio.gather(*carriers)


async def main(messages: int, in_flight: int, folder: Path) -> None:
    spool = await SqliteSpool.open(folder)
    for title in ("first", "second"):
        wall, cpu = time.perf_counter(), time.process_time()
        await one_by_one(spool, messages, in_flight)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{title}: {messages / wall:,.0f} msgs/s, {cpu / messages * 1e6:.1f} CPU µs per message")
    await spool.close()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=arguments[2] if len(arguments) > 2 else None) as name:
        uvloop.run(
            main(
                int(arguments[0]) if arguments else 20_000,
                int(arguments[1]) if len(arguments) > 1 else 20,
                Path(name) / "spool",
            )
        )
