"""Several queues keep together to what a route or a connector may carry, as two workers do."""

import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from staffetta.queue.book import Book
from staffetta.queue.slots import Slots
from staffetta.settings.objects import InboundConnector
from staffetta.settings.roads import Route
from staffetta.spool.marks import ConnectorMark, HourMark, PaceMark, Scope
from tests.unit.queue.relay import DEFERRED, FakeCourier, Relay
from tests.unit.queue.virtual_time import run

HERE = ("out", "example.net")


def relays(folder: Path, courier: FakeCourier, count: int = 2, **limits: int) -> list[Relay]:
    """With one courier, and with what workers share."""
    made = []
    for number in range(count):
        slots = Slots(folder / "lanes.lock", number / count)
        relay = Relay(courier, book=Book(folder / "limits.db"), slots=slots)
        routes = (Route(name="out", **{"concurrency": 20, **limits}),)
        relay.settings = relay.settings.model_copy(update={"routes": routes})
        made.append(relay)
    return made


def test_all_queues_together_have_no_more_lanes_than_the_route_and_each_has_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        courier = FakeCourier(seconds=0.1)
        several = relays(tmp_path, courier, 5, concurrency=3)
        async with AsyncExitStack() as stack:
            for relay in several:
                await stack.enter_async_context(relay)
                for _ in range(60):
                    await relay.commit("a@x.test", destination="example.net")
            await several[0].until(lambda: all(relay.spool.settled for relay in several), seconds=20)
            await several[0].until(lambda: len(courier.attempts) == 300, seconds=60)
        assert courier.most_under_way["example.net"] == 3

    run(story)


def test_a_queue_alone_has_all_lanes(tmp_path: Path) -> None:
    async def story() -> None:
        courier = FakeCourier(seconds=0.1)
        busy, idle = relays(tmp_path, courier, concurrency=3)
        async with busy, idle:
            for _ in range(30):
                await busy.commit("a@x.test", destination="example.net")
            await busy.until(lambda: len(courier.attempts) == 30, seconds=10)
        assert courier.most_under_way["example.net"] == 3

    run(story)


def test_all_queues_together_keep_to_the_rate_of_a_route(tmp_path: Path) -> None:
    async def story() -> None:
        courier = FakeCourier(seconds=0.01)
        several = relays(tmp_path, courier, messages_per_minute=30)
        async with several[0], several[1]:
            for place in range(120):
                await several[place % 2].commit("a@x.test", destination="one")
            await several[0].until(lambda: len(courier.attempts) == 120, seconds=300)
        times = courier.times("one")
        assert all(later - earlier > 59.9 for earlier, later in zip(times, times[30:], strict=False))

    run(story)


def test_all_queues_together_keep_to_the_recipients_of_a_day_and_what_was_not_taken_counts_for_none(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        courier = FakeCourier()
        several = relays(tmp_path, courier, recipients_per_day=10)
        async with several[0], several[1]:
            courier.script = lambda consignment: DEFERRED
            await several[0].commit("a@x.test", destination="one")
            await several[0].until(lambda: bool(several[0].spool.settled))
            courier.script = FakeCourier().script
            for place in range(12):
                await several[place % 2].commit("a@x.test", destination="two")
            await several[0].until(lambda: len(courier.times("two")) >= 10, seconds=5)
            assert len(courier.times("two")) == 10

    run(story)


def test_all_queues_together_keep_to_the_rate_of_a_connector(tmp_path: Path) -> None:
    async def story() -> None:
        courier = FakeCourier(seconds=0.01)
        several = relays(tmp_path, courier)
        connector = InboundConnector(name="c", sender_ip_addresses=("192.0.2.1",), messages_per_minute=30)
        for relay in several:
            relay.settings = relay.settings.model_copy(update={"inbound_connectors": (connector,)})
        async with several[0], several[1]:
            for place in range(90):
                await several[place % 2].commit("a@x.test", destination=f"d{place % 3}", connector="c")
            await several[0].until(lambda: len(courier.attempts) == 90, seconds=300)
        times = [at for at, _ in courier.attempts]
        assert all(later - earlier > 59.9 for earlier, later in zip(times, times[30:], strict=False))

    run(story)


def test_lanes_of_a_process_that_is_killed_are_free(tmp_path: Path) -> None:
    path = tmp_path / "lanes.lock"
    code = (
        "import sys; from pathlib import Path; from staffetta.queue.slots import Slots; "
        "slots = Slots(Path(sys.argv[1])); "
        "print(slots.take(('out', 'example.net'), 1), flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() != b"None"
        slots = Slots(path)
        assert slots.take(HERE, 1) is None
        assert slots.take(("out", "example.org"), 1) is not None
        other.kill()
        other.wait()
        assert slots.take(HERE, 1) is not None
        assert slots.take(HERE, 1) is None
    slots.close()


def test_a_slot_that_is_wanted_is_told_of_until_it_is_had(tmp_path: Path) -> None:
    ours, theirs = Slots(tmp_path / "lanes.lock"), Slots(tmp_path / "lanes.lock")
    slot = ours.take(HERE, 1)
    assert slot is not None
    theirs.want(HERE)
    assert ours.are_wanted(HERE)
    assert not theirs.are_wanted(HERE)
    ours.give_back(slot)
    assert theirs.take(HERE, 1) is not None
    assert not ours.are_wanted(HERE)
    theirs.want(HERE)
    theirs.want_no_more(HERE)
    assert not ours.are_wanted(HERE)
    for each in (ours, theirs):
        each.close()


def test_a_slot_is_kept_for_the_next_lane_until_it_is_let_go_or_wanted(tmp_path: Path) -> None:
    ours, theirs = Slots(tmp_path / "lanes.lock"), Slots(tmp_path / "lanes.lock", 0.5)
    slot = ours.take(HERE, 2)
    assert slot is not None
    assert ours.keep(HERE, slot, 100.0)
    assert [theirs.take(HERE, 2) is None for _ in range(2)] == [False, True]
    assert ours.take(HERE, 2) == slot
    assert ours.keep(HERE, slot, 100.0)
    ours.let_go(HERE)
    assert theirs.take(HERE, 2) is not None
    for each in (ours, theirs):
        each.close()
    ours, theirs = Slots(tmp_path / "lanes.lock"), Slots(tmp_path / "lanes.lock")
    slot = ours.take(HERE, 1)
    assert slot is not None
    theirs.want(HERE)
    assert not ours.keep(HERE, slot, 100.0)
    assert theirs.take(HERE, 1) is not None
    assert ours.take(HERE, 1) is None


def test_a_book_goes_on_with_the_marks_that_count_most(tmp_path: Path) -> None:
    book, other = Book(tmp_path / "limits.db"), Book(tmp_path / "limits.db")
    book.remember([PaceMark("r", "d", 10.0), HourMark("r", Scope.ALL, 3, 5), ConnectorMark("c", 7.0)])
    other.remember([PaceMark("r", "d", 9.0), HourMark("r", Scope.ALL, 3, 6), HourMark("r", Scope.ALL, 4, 1)])
    assert (book.expected("r", "d"), book.expected_of("c"), book.expected("r", "e")) == (10.0, 7.0, None)
    assert book.hours("r", Scope.ALL) == {3: 6, 4: 1}
    other.add("r", Scope.ALL, 4, -5)
    assert book.hours("r", Scope.ALL) == {3: 6, 4: 0}
    for each in (book, other):
        each.close()


def test_a_book_that_cannot_be_used_keeps_nobody_from_carrying(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "limits.db").write_bytes(b"no database" * 500)
        courier = FakeCourier()
        (relay,) = relays(tmp_path, courier, 1, messages_per_minute=600, recipients_per_day=10)
        async with relay:
            for _ in range(5):
                await relay.commit("a@x.test", destination="one")
            await relay.until(lambda: len(courier.attempts) == 5, seconds=10)

    run(story)
