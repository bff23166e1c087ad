"""CPU of delivery alone: couriers against a trivial sink in another process, before_data doing nothing.

    .venv/bin/python bench/delivery_micro.py

Prints CPU µs per message of this process. Compare lines of one run only.
"""

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from staffetta.delivery import transport
from staffetta.delivery.courier import Couriers
from staffetta.mail.address import parse_mailbox
from staffetta.mail.consignment import Consignment
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Delivered
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.roads import NextHop, Route

SESSIONS = 20
EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-DSN\r\n250 SIZE 0\r\n"


class Sink(asyncio.Protocol):
    """Knows just enough: EHLO, an envelope with DATA or without, content, QUIT."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.write = transport.write  # type: ignore[attr-defined]
        self.is_in_data = False
        self.left = 0
        self.tail = b""
        self.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        if self.left:
            self.take_chunk(data)
        elif self.is_in_data:
            self.tail = (self.tail + data)[-5:]
            if self.tail == b"\r\n.\r\n":
                self.is_in_data, self.tail = False, b""
                self.write(b"250 2.0.0 queued\r\n")
        elif data.startswith(b"BDAT"):
            head, _, rest = data.partition(b"\r\n")
            self.left = int(head.split()[1])
            self.take_chunk(rest)
        elif data.startswith(b"EHLO"):
            self.write(EHLO)
        elif data.startswith(b"QUIT"):
            self.transport.close()
        else:
            self.is_in_data = data.endswith(b"DATA\r\n")
            accepted = b"250 2.1.5 ok\r\n" * (data.count(b"\r\n") - self.is_in_data)
            self.write(accepted + b"354 go\r\n" if self.is_in_data else accepted)

    def take_chunk(self, data: bytes) -> None:
        self.left -= len(data)
        if not self.left:
            self.write(b"250 2.0.0 queued\r\n")


def serve(listener: socket.socket) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, sock=listener)
        await server.serve_forever()

    uvloop.run(main())


@dataclass(frozen=True)
class Case:
    name: str
    content: bytes
    messages: int
    recipients: int = 1
    idle_seconds: float = 5
    chunked_min: int = 1 << 40


LINE = b"The quick brown fox jumps over the lazy dog, again and again, for 76 octets.\r\n"
DOTS = b".leading dots\r\n"
SMALL = b"Subject: bench\r\n\r\n" + LINE * 52
CASES = (
    Case("4 KiB, reused, DATA", SMALL, 30_000),
    Case("4 KiB, reused, BDAT", SMALL, 30_000, chunked_min=0),
    Case("4 KiB of dots, reused, DATA", b"Subject: dots\r\n\r\n" + DOTS * 270, 30_000),
    Case("4 KiB of dots, reused, BDAT", b"Subject: dots\r\n\r\n" + DOTS * 270, 30_000, chunked_min=0),
    Case("4 KiB, 20 recipients, reused, DATA", SMALL, 10_000, recipients=20),
    Case("4 KiB, one per connection, DATA", SMALL, 10_000, idle_seconds=0),
    Case("64 KiB, reused, DATA", SMALL * 16, 5_000),
    Case("64 KiB, reused, BDAT", SMALL * 16, 5_000, chunked_min=0),
    Case("512 KiB, reused, DATA", SMALL * 128, 1_000),
    Case("512 KiB, reused, BDAT", SMALL * 128, 1_000, chunked_min=0),
)


def settings_for(port: int, idle_seconds: float) -> Settings:
    return Settings(
        hostname="relay.example",
        data_dir=Path("var"),
        routes=(Route(name="out", next_hops=(NextHop(host="127.0.0.1", port=port),)),),
        delivery=Delivery(messages_per_connection_max=1 << 30, idle_connection_seconds=idle_seconds),
    )


async def nothing(host: str) -> None:
    pass


async def measure(case: Case, port: int) -> None:
    transport.CHUNKED_OCTETS_MIN = case.chunked_min
    settings = settings_for(port, case.idle_seconds)
    couriers = Couriers(lambda: settings)
    recipients = tuple(Recipient(parse_mailbox(f"r{number}@example.org")) for number in range(case.recipients))
    envelope = Envelope(parse_mailbox("author@contoso.test"), recipients)
    consignment = Consignment("0000000000001", "out", "out", envelope, MemoryContent(case.content), None)

    async def session(messages: int) -> None:
        for _ in range(messages):
            outcomes = await couriers(consignment, nothing)
            assert all(type(outcome) is Delivered for outcome in outcomes), outcomes

    await asyncio.gather(*(session(10) for _ in range(SESSIONS)))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(session(case.messages // SESSIONS) for _ in range(SESSIONS)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await couriers.close()
    print(f"{case.name:40} {cpu / case.messages * 1e6:8.1f} µs CPU {case.messages / wall:9,.0f} messages/s")


def main(run: Callable[..., None] = uvloop.run) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sink = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
    sink.start()
    for case in CASES:
        run(measure(case, listener.getsockname()[1]))
    sink.terminate()


if __name__ == "__main__":
    main()
