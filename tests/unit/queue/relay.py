"""A queue on MemorySpool with a scripted courier, in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.content import MemoryContent
from staffetta.mail.dsn_reader import read_dsn
from staffetta.mail.envelope import Envelope, Notify, Recipient, Ret
from staffetta.mail.outcome import Contact, Deferred, Delivered, Failed, Outcome, Stage, Unknown
from staffetta.mail.report import RecipientReport
from staffetta.queue.book import Book
from staffetta.queue.manager import QueueManager
from staffetta.queue.slots import Slots
from staffetta.settings.model import QueueSettings, Settings
from staffetta.settings.roads import Route
from staffetta.spool.memory import MemorySpool
from staffetta.spool.spool import NewMessage, RecipientState, RoutedRecipient
from tests.unit.queue.virtual_time import now

DELIVERED = Delivered(status="2.0.0", diagnostic="250 2.0.0 OK", stage=Stage.FINAL_DOT, is_remote_reply=True)
DEFERRED = Deferred(status="4.2.0", diagnostic="450 4.2.0 Later", stage=Stage.RCPT, is_remote_reply=True)
DEAD = Deferred(
    status="4.4.1", diagnostic="Connection refused", stage=Stage.CONNECT, is_destination_trouble=True, host="mx.test"
)
FAILED = Failed(
    status="5.1.1", diagnostic="550 5.1.1 No such user", stage=Stage.RCPT, is_remote_reply=True, host="mx.test"
)
UNKNOWN = Unknown(status="4.4.2", diagnostic="Connection lost", stage=Stage.FINAL_DOT, host="mx.test")

CONCURRENCY = 3
SENDER = parse_mailbox("sender@contoso.test")
Script = Callable[[Consignment], Sequence[Outcome] | Outcome]


@dataclass
class FakeCourier:
    """script: what comes of a consignment. seconds: how long an attempt takes. Everything else is looked at."""

    script: Script = lambda consignment: DELIVERED
    seconds: float = 0.1
    attempts: list[tuple[float, Consignment]] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    most_under_way: Counter[str] = field(default_factory=Counter)
    hold: Callable[[Consignment], Awaitable[Any]] | None = None

    async def __call__(self, consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        name = consignment.destination
        self.attempts.append((now(), consignment))
        self.under_way[name] += 1
        self.most_under_way[name] = max(self.most_under_way[name], self.under_way[name])
        try:
            outcomes = self.script(consignment)
            if not isinstance(outcomes, Sequence):
                outcomes = [outcomes] * len(consignment.envelope.recipients)
            if outcomes[0].stage not in (Stage.CONNECT, Stage.ROUTE):
                await before_data(Contact(host="mx.test"))
            if self.hold is not None:
                await self.hold(consignment)
            await asyncio.sleep(self.seconds)
            return outcomes
        finally:
            self.under_way[name] -= 1

    def times(self, destination: str) -> list[float]:
        return [at for at, consignment in self.attempts if consignment.destination == destination]


class CountingSpool(MemorySpool):
    """Counts the ends of claims, so that a test can say that each has one."""

    def __init__(self) -> None:
        super().__init__(clock=now)
        self.released: list[tuple[int, int]] = []
        self.settled: list[tuple[int, int]] = []
        self.notifications: list[NewMessage] = []

    def release(self, claim: Any) -> None:
        assert all((claim.number, each.number) in self._hand for each in claim.recipients), "released, not in hand"
        self.released += [(claim.number, each.number) for each in claim.recipients]
        super().release(claim)

    async def settle(
        self, settlements: Sequence[Any], notifications: Sequence[NewMessage] = (), marks: Sequence[Any] = ()
    ) -> None:
        keys = [(each.number, each.recipient) for each in settlements]
        assert len(keys) == len(set(keys)), "settled twice"
        assert all(key in self._hand for key in keys), "settled, not in hand"
        await super().settle(settlements, notifications, marks)
        self.settled += keys
        self.notifications += notifications

    @property
    def in_hand(self) -> int:
        return len(self._hand.keys)


class Relay:
    """Everything a test of the queue needs. Notifications go to the destination `inside`."""

    def __init__(
        self,
        courier: FakeCourier,
        *,
        spool: CountingSpool | None = None,
        draw: Callable[[], float] = lambda: 0.5,
        book: Book | None = None,
        slots: Slots | None = None,
        clock: Callable[[], float] = now,
        **queue: Any,
    ) -> None:
        self.courier = courier
        self.clock = clock
        self.spool = spool or CountingSpool()
        self.spool.clock = clock
        self.settings = Settings(
            hostname="relay.contoso.test",
            data_dir=Path("unused"),
            routes=(Route(name="out", concurrency=CONCURRENCY),),
            queue=QueueSettings(**queue),
        )
        self.manager = QueueManager(
            self.spool,
            courier,
            lambda: self.settings,
            route_notification=lambda mailbox: ("out", "inside"),
            now=clock,
            draw=draw,
            book=book,
            slots=slots,
        )

    async def __aenter__(self) -> "Relay":
        await self.manager.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.manager.drain(0)
        assert (self.manager.in_hand, self.manager.octets_in_hand) == (0, 0)
        assert self.spool.in_hand == 0

    async def commit(
        self,
        *recipients: str | Recipient,
        destination: str = "outside",
        connector: str | None = None,
        reverse_path: Mailbox | None = SENDER,
        is_once: bool = False,
        ret: Ret | None = None,
        body: bytes = b"body\r\n",
    ) -> int:
        """Commit a message; `x@y` goes to `destination`. Return its number."""
        wanted = [each if isinstance(each, Recipient) else Recipient(parse_mailbox(each)) for each in recipients]
        number = self.spool.next_number()
        await self.spool.commit(
            NewMessage(
                number=number,
                message_id="<original@contoso.test>",
                subject="Hello",
                envelope=Envelope(reverse_path, tuple(wanted), ret=ret),
                recipients=tuple(RoutedRecipient(each, "out", destination) for each in wanted),
                content=MemoryContent(b"Subject: Hello\r\n\r\n" + body),
                has_eight_bit=False,
                received_at=self.clock(),
                session_id="S",
                peer_address="127.0.0.1",
                helo="client.test",
                connector=connector,
                is_once=is_once,
            )
        )
        return number

    def state(self, number: int, recipient: int = 0) -> RecipientState:
        return self.spool.recipients[number, recipient].state

    async def until(self, condition: Callable[[], bool], seconds: float = 10 * 86400) -> float:
        """Wait in virtual time until the condition holds; return when."""
        deadline = now() + seconds
        while not condition():
            assert now() < deadline, "it did not come to pass"
            await asyncio.sleep(0.05 if now() < deadline - seconds + 60 else 20)
        return now()

    def reports(self) -> list[RecipientReport]:
        """All recipients' reports of all notifications so far."""
        found: list[RecipientReport] = []
        for message in self.spool.notifications:
            assert message.content.whole is not None
            found += read_dsn(message.content.whole)
        return found


def asking(address: str, notify: Notify) -> Recipient:
    return Recipient(parse_mailbox(address), notify)
