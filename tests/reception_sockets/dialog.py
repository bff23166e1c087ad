"""A listener on loopback, and a client that speaks to it line by line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from staffetta.net.tls import ServerContext
from staffetta.reception.authentication import Authenticator
from staffetta.reception.listener import Listener
from staffetta.settings import model, roads
from staffetta.spool.memory import MemorySpool

PATIENCE_SECONDS = 10.0  # only a broken test waits this long


def settings(**limits: Any) -> model.Settings:
    """Inside is contoso.test; this machine may send outside in its name."""
    return model.Settings(
        hostname="relay.contoso.test",
        data_dir=Path("unused"),
        accepted_domains=(model.AcceptedDomain(name="contoso.test", route="out"),),
        inbound_connectors=(model.InboundConnector(name="Loopback", sender_ip_addresses=("127.0.0.0/8",)),),
        routes=(roads.Route(name="out", next_hops=(roads.NextHop(host="192.0.2.1"),)),),
        default_route="out",
        limits=model.Limits(**limits),
    )


class Client:
    """Sends text, reads whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: str, replies: int = 1) -> list[str]:
        """Send lines, given with \\n for CRLF, in one write, and return so many replies."""
        self.send(text.replace("\n", "\r\n").encode())
        return [await self.reply() for _ in range(replies)]

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def reply(self) -> str:
        """Return the last line of the next reply."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                line = (await self.reader.readuntil(b"\r\n")).decode()
                if line[3] == " ":
                    return line.rstrip()

    async def rest(self) -> str:
        """Return all that comes until the server closes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.reader.read()).decode()


class Bench:
    """What a test has at hand."""

    def __init__(self, listener: Listener, spool: MemorySpool) -> None:
        self.listener, self.spool = listener, spool

    async def connect(self) -> Client:
        """Connect; the greeting has not been read."""
        return Client(*await asyncio.open_connection("127.0.0.1", self.listener.port))

    async def greeted(self) -> Client:
        client = await self.connect()
        assert (await client.reply()).startswith("220 ")
        await client.say("EHLO client.example\n")
        return client

    @property
    def messages(self) -> list[Any]:
        """What the spool keeps, oldest first."""
        return list({kept.message.number: kept.message for kept in self.spool.recipients.values()}.values())


@contextlib.asynccontextmanager
async def listening(
    spool: MemorySpool | None = None,
    *,
    tls: ServerContext | None = None,
    declared: dict[str, Any] | None = None,
    changed: dict[str, Any] | None = None,
    authenticator: Authenticator | None = None,
    **limits: Any,
) -> AsyncIterator[Bench]:
    """A listener, closed at the end. changed: settings that are others than those above."""
    told = model.Listener(**{"name": "relay", "address": "127.0.0.1:0"} | (declared or {}))
    snapshot = settings(**limits).model_copy(update={"listeners": (told,)} | (changed or {}))
    spool = spool or MemorySpool()
    listener = Listener(
        told,
        spool=spool,
        get_settings=lambda: snapshot,
        tls=tls,
        authenticator=authenticator,
    )
    await listener.start()
    try:
        yield Bench(listener, spool)
    finally:
        listener.close()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())
