"""The two that are compared, and what they cost."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live.postfix import Postfix
from tests.live.relay import Relay, open_folder
from tests.ports import free_port

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Debian's defaults, with as much concurrency as the other side has, and no pause for the queue's sake.
POSTFIX = """
default_process_limit = 200
default_destination_concurrency_limit = 100
initial_destination_concurrency = 20
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
"""
WEB = """
[console]
address = "127.0.0.1:{port}"
"""


class OurRelay:
    name = "staffetta"

    def __init__(self, next_port: int, workers: int = 1) -> None:
        self.folder = open_folder()
        web = WEB.format(port=free_port())
        self.relay = Relay(self.folder, next_port, tls="none", more=web, workers=workers)
        self.port = self.relay.port

    @property
    def pid(self) -> int:
        assert self.relay.process is not None
        return self.relay.process.pid

    def start(self) -> None:
        self.relay.start()

    def stop(self) -> None:
        self.relay.kill()  # while the sink is held back, a polite end would wait for its replies


class DebianPostfix:
    name = "postfix"

    def __init__(self, next_port: int) -> None:
        self.folder = open_folder()
        self.postfix = Postfix(next_port, POSTFIX, folder=self.folder)
        self.port = self.postfix.port

    @property
    def pid(self) -> int:
        return int((self.folder / "queue/pid/master.pid").read_text())

    def start(self) -> None:
        self.postfix.start()

    def stop(self) -> None:
        self.postfix.stop()


@contextmanager
def standing(server: OurRelay | DebianPostfix) -> Iterator[OurRelay | DebianPostfix]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    cpu_ticks: int


def cpu_seconds(root: int) -> float:
    """Of a process and all that it has started; a child that is gone counts in the parent that waited for it."""
    return sum(process.cpu_ticks for process in _tree(root)) / TICKS_PER_SECOND


def memory_octets(root: int) -> int:
    """Proportional set size of a process and all that it has started: shared pages are counted once."""
    return sum(_proportional(process.pid) for process in _tree(root))


def _tree(root: int) -> list[_Process]:
    everything = [process for path in Path("/proc").glob("[0-9]*") if (process := _read(path)) is not None]
    members = {root}
    size = 0
    while len(members) > size:
        size = len(members)
        members |= {process.pid for process in everything if process.parent in members}
    return [process for process in everything if process.pid in members]


def _read(path: Path) -> _Process | None:
    try:
        words = (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # utime, stime, cutime, cstime are fields 14 to 17 of proc(5); the words start with field 3.
    return _Process(int(path.name), int(words[1]), sum(map(int, words[11:15])))


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
