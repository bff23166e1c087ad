"""The sink of the benchmark: a process that takes mail as fast as it comes, and counts."""

import asyncio
import multiprocessing
import multiprocessing.context
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Array, c_double
from dataclasses import dataclass
from typing import cast

import uvloop

EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"
END_OF_DATA = b"\r\n.\r\n"
HELD_POLL_SECONDS = 0.05
MESSAGES, DELIVERIES, OCTETS, FIRST_AT, LAST_AT, IS_HELD = range(6)
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Seen from the run: the port, and the counters in shared memory. Times are of time.monotonic()."""

    port: int
    counters: "Array[c_double]"

    @property
    def messages(self) -> int:
        return int(self.counters[MESSAGES])

    @property
    def deliveries(self) -> int:
        """Recipients that were reached: a message to three counts three."""
        return int(self.counters[DELIVERIES])

    @property
    def first_at(self) -> float:
        return float(self.counters[FIRST_AT])

    @property
    def last_at(self) -> float:
        return float(self.counters[LAST_AT])

    def reset(self) -> None:
        for index in (MESSAGES, DELIVERIES, OCTETS, FIRST_AT, LAST_AT):
            self.counters[index] = 0

    def hold(self, *, is_held: bool) -> None:
        """Held back, the sink takes connections and says nothing."""
        self.counters[IS_HELD] = is_held

    def wait_for(self, deliveries: int, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        while self.deliveries < deliveries:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.deliveries} of {deliveries} reached the sink")
            time.sleep(0.01)


@contextmanager
def far_end() -> Iterator[FarEnd]:
    counters = SPAWN.RawArray(c_double, 6)
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    process = SPAWN.Process(target=_serve, args=(listening, counters), daemon=True)
    process.start()
    yield FarEnd(listening.getsockname()[1], counters)
    process.kill()
    process.join()


def _serve(listening: socket.socket, counters: "Array[c_double]") -> None:
    async def main() -> None:
        sessions: set[_Session] = set()
        server = await asyncio.get_running_loop().create_server(lambda: _Session(counters, sessions), sock=listening)
        async with server:
            while True:
                await asyncio.sleep(HELD_POLL_SECONDS)
                if not counters[IS_HELD]:
                    for session in sessions:
                        session.flush()

    uvloop.run(main())


class _Session(asyncio.Protocol):
    def __init__(self, counters: "Array[c_double]", sessions: "set[_Session]") -> None:
        self.counters = counters
        self.sessions = sessions
        self.unread = b""
        self.unsaid: list[bytes] = []
        self.is_in_data = False
        self.recipients = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none, and acts as one
        self.sessions.add(self)
        self.unsaid.append(b"220 sink.test ESMTP\r\n")
        if not self.counters[IS_HELD]:
            self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.sessions.discard(self)

    def flush(self) -> None:
        if self.unsaid:
            self.transport.write(b"".join(self.unsaid))
            self.unsaid.clear()

    def data_received(self, data: bytes) -> None:
        self.unread += data
        while self._take_content() if self.is_in_data else self._take_command():
            pass
        if not self.counters[IS_HELD]:
            self.flush()

    def _take_content(self) -> bool:
        end = self.unread.find(END_OF_DATA)
        if end < 0:
            self.unread = self.unread[-4:]  # enough to find an end of data that is split
            return False
        self.unread = self.unread[end + len(END_OF_DATA) :]
        self.is_in_data = False
        counters = self.counters
        counters[LAST_AT] = time.monotonic()
        counters[FIRST_AT] = counters[FIRST_AT] or counters[LAST_AT]
        counters[MESSAGES] += 1
        counters[DELIVERIES] += self.recipients
        self.recipients = 0
        self.unsaid.append(b"250 2.0.0 kept\r\n")
        return True

    def _take_command(self) -> bool:
        line, ending, rest = self.unread.partition(b"\r\n")
        if not ending:
            return False
        self.unread = rest
        verb = line[:4].upper()
        if verb == b"RCPT":
            self.recipients += 1
            self.unsaid.append(b"250 2.1.5 ok\r\n")
        elif verb == b"DATA":
            self.is_in_data = True
            self.unsaid.append(b"354 go\r\n")
        elif verb == b"EHLO":
            self.unsaid.append(EHLO)
        elif verb == b"QUIT":
            self.unsaid.append(b"221 2.0.0 bye\r\n")
            self.flush()
            self.transport.close()
            return False
        else:
            self.recipients = 0
            self.unsaid.append(b"250 2.0.0 ok\r\n")
        return True
