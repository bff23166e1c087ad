"""What systemd is told, and what it hands down; a socket of ours plays its part."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from staffetta.supervisor import HandedDown, Supervisor


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(5)
        yield ear


def heard(ear: socket.socket) -> list[str]:
    return ear.recv(4096).decode().split("\n")


def test_start_reload_and_stop_are_told(ear: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": ear.getsockname()})
    supervisor.ready("all well")
    assert heard(ear) == ["READY=1", "STATUS=all well", f"MAINPID={os.getpid()}"]
    with supervisor.reloading("all well"):
        first, at = heard(ear)
        assert (first, at.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert heard(ear)[0] == "READY=1"
    supervisor.stopping()
    assert heard(ear)[0] == "STOPPING=1"


def test_the_watchdog_is_told_while_the_event_loop_turns(ear: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "20000"})

    async def turn() -> None:
        loop = asyncio.get_running_loop()
        end = supervisor.watch(loop)
        for _ in range(3):
            assert await loop.run_in_executor(None, heard, ear) == ["WATCHDOG=1"]
        end()

    asyncio.run(turn())


def test_another_process_s_watchdog_is_not_ours(ear: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}

    async def turn() -> None:
        Supervisor(environment).watch(asyncio.get_running_loop())()

    asyncio.run(turn())
    ear.setblocking(False)
    with pytest.raises(BlockingIOError):
        ear.recv(1)


def test_without_a_supervisor_nothing_happens() -> None:
    Supervisor({}).ready("all well")
    Supervisor({"NOTIFY_SOCKET": "/nonexistent/notify"}).stopping()
    assert HandedDown({}).addresses == []
    assert HandedDown({"LISTEN_PID": "1", "LISTEN_FDS": "1"}).addresses == []


TAKER = """
import os, socket
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2")
from staffetta.supervisor import HandedDown
handed = HandedDown()
address = handed.addresses[0]
taken = handed.take(socket.AF_INET, "127.0.0.1", int(address.rpartition(":")[2]))
print(address, taken.fileno(), handed.addresses, "LISTEN_FDS" in os.environ, os.get_inheritable(3))
"""


def test_a_socket_handed_down_is_taken_by_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_UNIX) as other:
        port = listening.getsockname()[1]

        def hand_down() -> None:
            os.dup2(listening.fileno(), 30)
            os.dup2(other.fileno(), 31)
            os.dup2(30, 3)
            os.dup2(31, 4)

        told = subprocess.run(
            [sys.executable, "-c", TAKER], preexec_fn=hand_down, close_fds=False, capture_output=True, text=True
        )
    assert told.stdout == f"127.0.0.1:{port} 3 [] False False\n", told.stderr
