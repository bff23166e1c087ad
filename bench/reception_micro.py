"""CPU per message of reception alone: real sockets, our Protocol, a MemorySpool, the client in another process.

.venv/bin/python bench/reception_micro.py [messages] [sessions]
"""

import asyncio
import io
import multiprocessing
import resource
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from staffetta import logs
from staffetta.reception.listener import Listener
from staffetta.settings import model, roads
from staffetta.spool.memory import MemorySpool
from staffetta.spool.spool import NewMessage

CONTENT = b"Message-ID: <1@contoso.test>\r\nSubject: x\r\n\r\n" + b"0123456789 abcdefghijklmnopqrstuvwxyz\r\n" * 104
ENVELOPE = b"MAIL FROM:<a@contoso.test>\r\nRCPT TO:<b@contoso.test>\r\nDATA\r\n"
TARGET_MICROSECONDS = 60


class ForgettingSpool(MemorySpool):
    """Says yes on the next turn of the loop, keeps nothing."""

    async def commit(self, message: NewMessage) -> None:
        await asyncio.sleep(0)


async def send(port: int, messages: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"HELO client.example\r\n")
    await reader.readline()
    for _ in range(messages):
        writer.write(ENVELOPE)
        for _ in range(3):
            await reader.readline()
        writer.write(CONTENT + b".\r\n")
        answer = await reader.readline()
        assert answer.startswith(b"250"), answer
    writer.close()


async def send_all(port: int, messages: int, sessions: int) -> None:
    await asyncio.gather(*(send(port, messages // sessions) for _ in range(sessions)))


def serve(ends: Connection) -> None:
    uvloop.run(_serve(ends))


async def _serve(ends: Connection) -> None:
    logs.configure(postfix=None, level="info", hostname="relay.contoso.test", write=io.BytesIO().write)
    settings = model.Settings(
        hostname="relay.contoso.test",
        data_dir=Path("unused"),
        accepted_domains=(model.AcceptedDomain(name="contoso.test", route="out"),),
        inbound_connectors=(model.InboundConnector(name="Loopback", sender_ip_addresses=("127.0.0.0/8",)),),
        routes=(roads.Route(name="out", next_hops=(roads.NextHop(host="192.0.2.1"),)),),
    )
    declared = model.Listener(name="relay", address="127.0.0.1:0")
    listener = Listener(declared, spool=ForgettingSpool(), get_settings=lambda: settings)
    await listener.start()
    ends.send(listener.port)
    before = cpu_seconds()
    await asyncio.get_running_loop().run_in_executor(None, ends.recv)
    ends.send(cpu_seconds() - before)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    sessions = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    server.start()
    port = here.recv()
    start = time.perf_counter()
    uvloop.run(send_all(port, messages, sessions))
    seconds = time.perf_counter() - start
    here.send("done")
    microseconds = here.recv() / messages * 1e6
    server.join()
    print(
        f"{messages / seconds:,.0f} messages/s, {microseconds:.1f} µs of CPU per message (target {TARGET_MICROSECONDS})"
    )


if __name__ == "__main__":
    main()
