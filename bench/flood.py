"""A known device while strangers flood the relay: how long its messages take, and what memory the flood costs.

.venv/bin/python bench/flood.py [connections] [seconds]

A third of the hostile connections drip (an octet a second), a third reset (connect, say half a line, RST and again,
each once a second), a third send garbage (noise, lines that are no commands, content nobody asked for), once a second;
all come again when they are closed, within two seconds where they have noticed it.
They come from 500 addresses of 127.1.0.0/16, which no connector names; the device is at 127.0.0.1.
"""

import asyncio
import multiprocessing
import os
import random
import resource
import smtplib
import socket
import struct
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop

from tests.live.relay import Relay
from tests.live.sink import Sink
from tests.ports import free_port

MIB = 1024 * 1024
ADDRESSES = 500
SECONDS_AFTER = 10  # in which all must be as before
DEVICE_PAUSE_SECONDS = 0.05
DEVICE = '\n[[inbound_connectors]]\nname = "Device"\nsender_ip_addresses = ["127.0.0.1"]\n'
CONTENT = b"Subject: page\r\n\r\n" + b"A line of the device's page.\r\n" * 50
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: close() sends RST

Attack = Callable[[socket.socket, random.Random], Awaitable[None]]


async def drip(connection: socket.socket, chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(connection, b"E")
        await asyncio.sleep(0.5 + chance.random())


async def reset(connection: socket.socket, chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    begun = b"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRC"
    await loop.sock_sendall(connection, begun[: chance.randrange(1, len(begun))])
    await asyncio.sleep(chance.random() * 2)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


async def garbage(connection: socket.socket, chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    envelope = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@contoso.test>\r\nDATA\r\n"
    while True:
        noise = chance.randbytes(chance.randrange(1, 4000))
        await loop.sock_sendall(connection, chance.choice((noise, b"NOOP\r\n" * 50, b"x" * 3000, envelope + noise)))
        await asyncio.sleep(chance.random())


async def attack(port: int, number: int, attacks: Sequence[Attack]) -> None:
    """Come again for ever, in one manner, from one address."""
    chance = random.Random(number)
    source = f"127.1.{number % ADDRESSES // 200}.{number % 200 + 1}"
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as connection:
            connection.setblocking(False)
            try:
                connection.bind((source, 0))
                await loop.sock_connect(connection, ("127.0.0.1", port))
                await attacks[number % len(attacks)](connection, chance)
            except OSError:
                await asyncio.sleep(chance.random() * 2)


def flood(port: int, connections: int) -> None:
    """The hostile side, in a process of its own."""
    os.nice(5)  # it stands for machines elsewhere, whose processors are not ours

    async def main() -> None:
        await asyncio.gather(*(attack(port, number, (drip, reset, garbage)) for number in range(connections)))

    uvloop.run(main())


def send(port: int) -> float:
    """Connect, send one message, and return after how many seconds it was accepted."""
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, "device.contoso.test", timeout=30) as client:
        client.sendmail("device@contoso.test", ["bob@contoso.test"], CONTENT)
        return time.perf_counter() - began


def send_for(port: int, seconds: float) -> list[float]:
    """Send one message after the other, and return how long each took."""
    until, taken = time.monotonic() + seconds, []
    while time.monotonic() < until:
        taken.append(send(port))
        time.sleep(DEVICE_PAUSE_SECONDS)
    return sorted(taken)


def sessions_open(console: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{console}/metrics") as page:
        lines = page.read().decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("staffetta_sessions_open{"))


def told(name: str, taken: Sequence[float], relay: Relay, console: int) -> None:
    p50, p99 = taken[len(taken) // 2], taken[min(len(taken) - 1, len(taken) * 99 // 100)]
    print(
        f"{name:7} {len(taken):4} messages accepted, p50 {p50 * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms; "
        f"memory {relay.memory_octets('VmRSS') / MIB:6.1f} MiB, sessions {sessions_open(console)}"
    )


def main() -> None:
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30
    _, granted = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, granted))
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        console = free_port()
        relay = Relay(
            Path(folder), sink.port, connectors=DEVICE, more=f'\n[console]\naddress = "127.0.0.1:{console}"\n'
        )
        with relay:
            told("before", send_for(relay.port, 5), relay, console)
            before = relay.memory_octets("VmRSS")
            hostile = multiprocessing.Process(target=flood, args=(relay.port, connections), daemon=True)
            hostile.start()
            time.sleep(3)
            told("flood", send_for(relay.port, seconds), relay, console)
            hostile.terminate()
            hostile.join()
            time.sleep(SECONDS_AFTER)
            told("after", send_for(relay.port, 5), relay, console)
            print(f"the peak was {(relay.memory_octets('VmHWM') - before) / MIB:.1f} MiB above what was there before")


if __name__ == "__main__":
    main()
