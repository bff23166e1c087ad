"""Both spools, each with a clock to set and a way to start it again, and what tests put into them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Deferred, Delivered, Failed, Stage
from staffetta.spool.commands import leave_command
from staffetta.spool.memory import MemorySpool
from staffetta.spool.spool import (
    Claim,
    CommandVerb,
    NewMessage,
    RecipientState,
    RoutedRecipient,
    Settlement,
    Spool,
)
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind

START = 1_800_000_000.0
SMALL_OCTETS_MAX = 1000


@dataclass
class FakeClock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A spool under test, and how to start it again."""

    spool: Spool
    clock: FakeClock
    restart: Callable[[], Awaitable[Spool]] | None
    leave_command: Callable[..., int]


def run(kind: str, folder: Path, test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run one test on one implementation."""

    async def main() -> None:
        clock = FakeClock()
        if kind == "memory":
            memory = MemorySpool(clock=clock)
            await test(Bench(memory, clock, None, memory.leave_command))
            return

        async def open_spool() -> SqliteSpool:
            return await SqliteSpool.open(
                folder / "spool", clock=clock, content_in_memory_octets_max=SMALL_OCTETS_MAX, free_octets_min=0
            )

        async def restart() -> Spool:
            assert isinstance(bench.spool, SqliteSpool)
            await bench.spool.close()
            bench.spool = await open_spool()
            return bench.spool

        def leave(verb: CommandVerb, numbers: tuple[int, ...] = ()) -> int:
            return leave_command(folder / "spool", verb, numbers, asked_by="tests")

        bench = Bench(await open_spool(), clock, restart, leave)
        try:
            await test(bench)
        finally:
            assert isinstance(bench.spool, SqliteSpool)
            await bench.spool.close()

    asyncio.run(main())


def message(spool: Spool, *addresses: str, content: Content | None = None, **changes: Any) -> NewMessage:
    """A message; recipients at `later.test` go by another route, those at `held.test` are held."""
    recipients = tuple(Recipient(parse_mailbox(address)) for address in addresses or ("bob@example.net",))
    values: dict[str, Any] = {
        "number": spool.next_number(),
        "message_id": "<1@contoso.test>",
        "subject": "Prüfung",
        "envelope": Envelope(parse_mailbox("alice@contoso.test"), recipients),
        "recipients": tuple(
            RoutedRecipient(recipient, "out", recipient.mailbox.domain, is_held=recipient.mailbox.domain == "held.test")
            for recipient in recipients
        ),
        "content": content or MemoryContent(b"Subject: x\r\n\r\nhello\r\n"),
        "has_eight_bit": False,
        "received_at": START,
        "session_id": "S1",
        "peer_address": "192.0.2.1",
        "helo": "client.test",
        "connector": "printers",
        "events": (Event(START, EventKind.RECEIVE),),
    }
    return NewMessage(**(values | changes))


def settled(claim: Claim, state: RecipientState, due_at: float | None = None, place: int = 0) -> Settlement:
    outcomes = {
        RecipientState.DELIVERED: Delivered(status="2.0.0", diagnostic="250 Ok", stage=Stage.FINAL_DOT),
        RecipientState.FAILED: Failed(status="5.1.1", diagnostic="550 no", stage=Stage.RCPT),
        RecipientState.DEFERRED: Deferred(status="4.2.0", diagnostic="450 later", stage=Stage.RCPT),
    }
    return Settlement(claim.number, claim.recipients[place].number, state, due_at, outcomes.get(state))


async def octets(content: Content) -> bytes:
    return b"".join([chunk async for chunk in content.chunks()])


async def places(spool: Spool) -> list[tuple[str, float]]:
    return [(found.destination, found.due_at) for found in await spool.due()]
