"""A whole relay in one process, and a next hop that keeps every octet it is sent: what the tests of this folder attack.

Inside is contoso.test. A client at 127.0.0.1 matches the connector `Office`; one at 127.0.0.2 is a stranger.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from staffetta.delivery.courier import Couriers
from staffetta.mail.address import Mailbox
from staffetta.mail.content import MemoryContent
from staffetta.net.tls import ServerContext
from staffetta.policy.route import route
from staffetta.queue.manager import QueueManager
from staffetta.reception.listener import Listener
from staffetta.settings import model, roads
from staffetta.spool.memory import MemorySpool
from staffetta.spool.spool import RecipientState
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop, Message
from tests.reception_sockets.dialog import PATIENCE_SECONDS, Client

OFFICE, STRANGER = "127.0.0.1", "127.0.0.2"
INSIDER, OUTSIDER, INSIDE = "ada@contoso.test", "eve@outside.example", "bob@contoso.test"
_OPEN = (RecipientState.READY, RecipientState.IN_ATTEMPT)


class _Tee:
    """A reader that keeps what it read, line ends included."""

    def __init__(self, reader: asyncio.StreamReader, kept: list[bytes]) -> None:
        self._reader, self._kept = reader, kept

    async def readline(self) -> bytes:
        return self._keep(await self._reader.readline())

    async def readexactly(self, count: int) -> bytes:
        return self._keep(await self._reader.readexactly(count))

    async def read(self) -> bytes:
        return self._keep(await self._reader.read())

    def _keep(self, octets: bytes) -> bytes:
        self._kept.append(octets)
        return octets


@dataclass
class Outside(FakeHop):
    """A careless next hop: any LF ends a line, and a dot on such a line ends the content. octets: all that came."""

    octets: list[bytes] = field(default_factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super()._serve(cast(asyncio.StreamReader, _Tee(reader, self.octets)), writer)

    @property
    def wire(self) -> bytes:
        return b"".join(self.octets)


@dataclass
class Running:
    """What a test has at hand."""

    spool: MemorySpool
    outside: Outside
    listener: Listener

    async def connect(self, *, source: str = OFFICE, hello: str = "EHLO client.example") -> Client:
        """Connect from an address, and say hello."""
        streams = await asyncio.open_connection("127.0.0.1", self.listener.port, local_addr=(source, 0), limit=1 << 24)
        client = Client(*streams)
        assert (await client.reply()).startswith("220 ")
        if hello:
            await client.say(f"{hello}\n")
        return client

    async def settled(self) -> None:
        """Return when no recipient waits for its first attempt, and no notification either."""
        await until(lambda: not any(kept.state in _OPEN for kept in self.spool.recipients.values()))

    def left(self) -> list[Message]:
        """What the outside was given."""
        return self.outside.messages

    def stored(self) -> list[bytes]:
        """Content of every message that was ever kept, oldest first, with our trace fields."""
        messages = {kept.message.number: kept.message for kept in self.spool.recipients.values()}
        return [message.content.octets for message in messages.values() if isinstance(message.content, MemoryContent)]

    @property
    def reasons(self) -> list[str]:
        return [str(refusal.reason) for refusal in self.spool.refusals]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition that no event tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - the spool under test has no event to wait for
            await asyncio.sleep(0.005)


def settings(outside_port: int, road: dict[str, Any] | None = None, **changes: Any) -> model.Settings:
    keys = {"next_hops": (roads.NextHop(host="127.0.0.1", port=outside_port),)} | (road or {})
    declared = {
        "hostname": "relay.contoso.test",
        "data_dir": "unused",
        "routes": (roads.Route(name="out", **keys),),
        "accepted_domains": (model.AcceptedDomain(name="contoso.test", route="out"),),
        "inbound_connectors": (model.InboundConnector(name="Office", sender_ip_addresses=(OFFICE,)),),
        "default_route": "out",
        "queue": model.QueueSettings(retry_first_seconds=3600),
    }
    return model.Settings.model_validate({**declared, **changes})


@contextlib.asynccontextmanager
async def relay(
    *,
    capabilities: tuple[str, ...] = ALL_CAPABILITIES,
    script: Callable[[str, str], Any] = lambda step, line: None,
    tls: ServerContext | None = None,
    address: str = "127.0.0.1:0",
    proxies: tuple[str, ...] = (),
    road: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[Running]:
    """Run a relay and its outside. proxies: whose PROXY header is believed. road: keys of the route.

    changes: of the settings.
    """
    async with Outside(script=script, capabilities=capabilities).listening() as outside:
        assert isinstance(outside, Outside)
        snapshot = settings(outside.port, road, **changes)
        spool, couriers = MemorySpool(), Couriers(lambda: snapshot)

        def route_notification(mailbox: Mailbox) -> tuple[str, str]:
            to = route(mailbox, None, snapshot)
            return to.route, to.destination

        queue = QueueManager(spool, couriers, lambda: snapshot, route_notification=route_notification)
        await queue.start()
        declared = model.Listener(name="relay", address=address, proxy_protocol_from=proxies)
        listener = Listener(declared, spool=spool, get_settings=lambda: snapshot, tls=tls)
        await listener.start()
        try:
            yield Running(spool, outside, listener)
        finally:
            listener.close()
            await queue.drain(1)
            await couriers.close()
