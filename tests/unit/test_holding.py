"""What a worker holds: its own partition, and what workers have left that are no more."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from staffetta.holding import Holding
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.outcome import Contact, Delivered, Outcome, Stage
from staffetta.operations.queues import CommandVerb, Order, act, waiting
from staffetta.place import ALONE, Place
from staffetta.queue.book import Book
from staffetta.queue.manager import QueueManager
from staffetta.queue.slots import Slots
from staffetta.settings.model import Settings
from staffetta.settings.roads import NextHop, Route
from staffetta.spool.sqlite import SqliteSpool
from tests.unit.operations.mail import kept

DELIVERED = Delivered(status="2.0.0", diagnostic="250 2.0.0 OK", stage=Stage.FINAL_DOT, is_remote_reply=True)


class Courier:
    """Delivers everything."""

    def __init__(self) -> None:
        self.carried: list[str] = []

    async def __call__(self, consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        await before_data(Contact(host="mx.test"))
        self.carried.append(consignment.queue_id)
        return [DELIVERED] * len(consignment.envelope.recipients)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    routes = (Route(name="outside", next_hops=(NextHop(host="192.0.2.1"),)),)
    return Settings(hostname="relay.test", data_dir=tmp_path / "data", routes=routes)


class Worker:
    """Holds its partitions while it runs."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings = settings
        self.place = place
        self.courier = Courier()
        self.is_shared: list[bool] = []

    def queue(self, spool: SqliteSpool, book: Book | None, slots: Slots | None) -> QueueManager:
        self.is_shared.append(book is not None and slots is not None)
        return QueueManager(
            spool,
            self.courier,
            lambda: self.settings,
            route_notification=lambda mailbox: ("outside", "outside"),
            book=book,
            slots=slots,
        )

    async def __aenter__(self) -> Holding:
        self.holding = await Holding.open(self.settings, self.place, self.queue)
        await self.holding.start()
        return self.holding

    async def __aexit__(self, *_: object) -> None:
        await self.holding.drain(5)
        await self.holding.close()


async def until_carried(worker: Worker, count: int) -> None:
    async with asyncio.timeout(30):
        while len(worker.courier.carried) < count:  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.01)


def test_one_worker_carries_on_what_three_have_left(settings: Settings) -> None:
    queue_ids = [kept(settings, f"r{place}@outside.example", place=place) for place in (0, 1, 2)]

    async def story() -> None:
        worker = Worker(settings, ALONE)
        async with worker as holding:
            await until_carried(worker, 3)
            assert holding.own.next_number() & 255 == 0
        assert sorted(worker.courier.carried) == sorted(queue_ids)
        assert worker.is_shared == [True] * 3

    asyncio.run(story())
    assert waiting(settings) == []


def test_one_worker_that_has_all_shares_nothing(settings: Settings) -> None:
    async def story() -> None:
        worker = Worker(settings, ALONE)
        async with worker as holding:
            assert list(holding.troubles()) == []
        assert worker.is_shared == [False]

    asyncio.run(story())
    assert [path.name for path in (settings.data_dir / "spool").glob("*l*")] == ["spool.db", "spool.lock"]


def test_what_is_suspended_is_so_in_a_new_partition_until_it_is_resumed_in_all(settings: Settings) -> None:
    kept(settings, "first@outside.example")
    act(settings, [Order(verb=CommandVerb.SUSPEND, route="outside")], asked_by="ada")

    async def story() -> None:
        async with Worker(settings, Place(0, 2)), Worker(settings, Place(1, 2)):
            pass
        kept_id = await asyncio.to_thread(kept, settings, "second@outside.example", place=1)
        first, second = Worker(settings, Place(0, 2)), Worker(settings, Place(1, 2))
        async with first, second:
            rows = await asyncio.to_thread(waiting, settings, queue_id=kept_id)
            assert "suspended" in str(rows[0].diagnostic)
            resume = Order(verb=CommandVerb.RESUME, route="outside")
            await asyncio.to_thread(act, settings, [resume], asked_by="ada")
            await until_carried(first, 1)
            await until_carried(second, 1)

    asyncio.run(story())
