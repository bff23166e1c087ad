"""A host with several addresses: a dead one costs a moment, and not a timeout."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from staffetta.delivery.channel import Channel
from staffetta.delivery.connecting import NEXT_ADDRESS_SECONDS, Way, connect
from staffetta.delivery.trouble import HopTrouble
from staffetta.smtp.client import ClientSession
from tests.delivery_sockets.carrying import run
from tests.delivery_sockets.fake_hop import FakeHop

HERE, REFUSING, BLACK_HOLE = "127.0.0.1", "127.0.0.98", "127.0.0.99"


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[None]:
    """An address that answers nothing: its queue of connections is full, and Linux drops what more comes."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((BLACK_HOLE, port), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield


@contextlib.asynccontextmanager
async def connected(hop: FakeHop, *addresses: str, timeout_seconds: float = 10) -> AsyncIterator[Channel]:
    channel = await connect(
        Way("hop.example", hop.port), lambda: ClientSession("relay.example"), timeout_seconds, addresses
    )
    yield channel
    channel.abort()


@pytest.mark.parametrize("addresses", [(BLACK_HOLE, HERE), (REFUSING, HERE), (REFUSING, BLACK_HOLE, HERE)])
def test_a_dead_address_costs_a_moment(addresses: tuple[str, ...]) -> None:
    async def main() -> None:
        hop = FakeHop()
        async with hop.listening():
            with black_hole(hop.port):
                begun = time.monotonic()
                async with connected(hop, *addresses) as channel:
                    assert channel.address == HERE
                    assert (await channel.answered(5)).code == 220
                assert time.monotonic() - begun < 5  # half the timeout of one address

    run(main())


def test_an_address_that_answers_is_not_raced_against() -> None:
    async def main() -> None:
        hop = FakeHop()
        async with hop.listening():
            async with connected(hop, HERE, BLACK_HOLE) as channel:
                assert channel.address == HERE
            assert hop.connections == 1

    run(main())


def test_where_all_are_dead_the_last_one_is_told() -> None:
    async def main() -> None:
        hop = FakeHop()
        async with hop.listening():
            with pytest.raises(HopTrouble, match=f"cannot connect to hop.example\\[{REFUSING}\\].*Connection refused"):
                async with connected(hop, "127.0.0.97", REFUSING):
                    pass

    run(main())


def test_a_connection_attempt_that_is_given_up_leaves_nothing_behind() -> None:
    async def main() -> None:
        hop = FakeHop()
        async with hop.listening():
            with black_hole(hop.port):
                before = asyncio.all_tasks()
                under_way = asyncio.create_task(
                    connect(
                        Way("hop.example", hop.port),
                        lambda: ClientSession("relay.example"),
                        10,
                        (BLACK_HOLE, BLACK_HOLE),
                    )
                )
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(2 * NEXT_ADDRESS_SECONDS):
                        await under_way
                assert asyncio.all_tasks() == before

    run(main())
