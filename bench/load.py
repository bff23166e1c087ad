"""The load generator: a process with many sessions, each of which sends its next message when the last is answered."""

import asyncio
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import cast

import uvloop

from bench.far_end import SPAWN

LINE = b"The quick brown fox jumps over the lazy dog and is carried on by a relay.\r\n"
PATIENCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Load:
    """sessions: at a time. A run ends after `seconds`, or after `messages` where that is given.

    octets: of content. per_connection: messages before QUIT; None means that a connection is kept to the end.
    """

    sessions: int = 20
    seconds: float = 6
    messages: int | None = None
    octets: int = 4096
    recipients: int = 1
    per_connection: int | None = None


@dataclass(slots=True)
class Sent:
    """What was answered. latencies: seconds from the final dot to 250, unordered."""

    acknowledged: int = 0
    refused: int = 0
    started_at: float = 0
    latencies: list[float] = field(default_factory=list)

    def latency_ms(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return round(ordered[int(share * (len(ordered) - 1))] * 1000, 2)


def send(load: Load, port: int) -> Sent:
    """Run the load in a process of its own, and return what was answered."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_run, args=(load, port, theirs), daemon=True)
    process.start()
    theirs.close()
    if not ours.poll(PATIENCE_SECONDS):
        process.kill()
        raise TimeoutError("the load generator was never answered")
    sent: Sent = ours.recv()
    process.join()
    return sent


def _run(load: Load, port: int, answer: Connection) -> None:
    answer.send(uvloop.run(_Generator(load, port).run()))


class _Generator:
    def __init__(self, load: Load, port: int) -> None:
        self.load = load
        self.port = port
        self.sent = Sent()
        self.handed_out = 0
        self.active = load.sessions
        fields = b"From: ada@contoso.test\r\nMessage-ID: <bench@contoso.test>\r\nSubject: bench\r\n\r\n"
        body = LINE * ((load.octets - len(fields)) // len(LINE) + 1)
        self.content = (fields + body)[: load.octets - 2] + b"\r\n.\r\n"
        recipients = b"".join(b"RCPT TO:<user%d@outside.example>\r\n" % number for number in range(load.recipients))
        self.envelope = b"MAIL FROM:<ada@contoso.test>\r\n" + recipients + b"DATA\r\n"

    async def run(self) -> Sent:
        self.loop = asyncio.get_running_loop()
        self.is_done = self.loop.create_future()
        self.sent.started_at = time.monotonic()
        self.ends_at = self.sent.started_at + self.load.seconds
        for _ in range(self.load.sessions):
            await self.connect()
        await self.is_done
        return self.sent

    async def connect(self) -> None:
        await self.loop.create_connection(lambda: _Session(self), "127.0.0.1", self.port)

    def may_send(self) -> bool:
        """Whether one more message is wanted; if so, it is counted as handed out."""
        if self.load.messages is None:
            return time.monotonic() < self.ends_at
        self.handed_out += 1
        return self.handed_out <= self.load.messages

    def session_ended(self) -> None:
        self.active -= 1
        if not self.active:
            self.is_done.set_result(None)


class _Session(asyncio.Protocol):
    """`expected`: final reply lines to come before the next step."""

    def __init__(self, generator: _Generator) -> None:
        self.generator = generator
        self.unread = b""
        self.messages = 0
        self.is_over = False
        self.step = self.on_greeting
        self.expected = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none, and acts as one

    def data_received(self, data: bytes) -> None:
        *lines, self.unread = (self.unread + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            if line[:1] > b"3":
                self.generator.sent.refused += 1
                return self.end()
            self.expected -= 1
            if not self.expected:
                self.step()

    def on_greeting(self) -> None:
        self.write(b"EHLO bench.test\r\n", 1)
        self.step = self.on_ready

    def on_ready(self) -> None:
        if not self.generator.may_send():
            return self.end()
        self.write(self.generator.envelope, self.generator.load.recipients + 2)
        self.step = self.on_go

    def on_go(self) -> None:
        self.write(self.generator.content, 1)
        self.dot_at = time.monotonic()
        self.step = self.on_kept

    def on_kept(self) -> None:
        sent = self.generator.sent
        sent.latencies.append(time.monotonic() - self.dot_at)
        sent.acknowledged += 1
        self.messages += 1
        if self.messages != self.generator.load.per_connection:
            return self.on_ready()
        self.write(b"QUIT\r\n", 1)
        self.step = self.on_bye

    def on_bye(self) -> None:
        self.is_over = True
        self.transport.close()
        self.generator.loop.create_task(self.generator.connect())

    def end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.transport.close()
            self.generator.session_ended()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.is_over:
            self.generator.sent.refused += 1
            self.end()

    def write(self, octets: bytes, expected: int) -> None:
        self.expected = expected
        self.transport.write(octets)
