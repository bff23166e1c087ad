"""Several workers: whoever of them dies or is renewed, what was answered 250 arrives, and connections are taken."""

import os
import signal
import smtplib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.ledger import Clients, Ledger, assert_all_arrived, assert_duplicates_explained
from tests.live.relay import Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.crash

CLIENTS = 4


def test_nothing_is_lost_whether_workers_or_their_supervisor_are_killed_and_however_many_come_after(
    tmp_path: Path,
) -> None:
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        relay = Relay(tmp_path, sink.port, workers=2)
        with Clients(relay, ledger, CLIENTS):
            relay.start()
            for victim in (0, 1):
                ledger.wait_for(20)
                os.kill(relay.worker_pids[victim], signal.SIGKILL)
            ledger.wait_for(20)
            for workers in (1, 3):
                _kill_supervisor(relay)
                relay.workers = workers
                relay.write_settings()
                relay.start()
                ledger.wait_for(20)
        copies = assert_all_arrived(ledger, sink)
        assert_duplicates_explained(copies, relay)
        assert len({str(row["queue_id"])[-2:] for row in relay.trace("--limit", "100000")}) > 2, "one partition alone"
        relay.kill()


def test_a_restart_refuses_no_connection_loses_nothing_and_takes_over_what_fewer_workers_leave(tmp_path: Path) -> None:
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        relay = Relay(tmp_path, sink.port, workers=3).start()
        with Knocking(relay.port) as knocking, Clients(relay, ledger, CLIENTS):
            ledger.wait_for(20)
            sink.__exit__()  # what comes now waits, in all three partitions
            ledger.wait_for(20)
            _restart(relay, 1)
            sink.__enter__()
            ledger.wait_for(20)
            _restart(relay, 2)
            ledger.wait_for(20)
        assert len(relay.worker_pids) == 2
        copies = assert_all_arrived(ledger, sink)
        assert_duplicates_explained(copies, relay)
        assert knocking.count > 0
        assert knocking.failures == []
        relay.kill()


def test_a_restart_that_would_fail_changes_nothing(tmp_path: Path) -> None:
    with Sink(*EVERYTHING) as sink:
        relay = Relay(tmp_path, sink.port, workers=2).start()
        before = relay.worker_pids
        text = relay.config.read_text()
        relay.config.write_text(text.replace("127.0.0.1:", "192.0.2.1:", 1))
        done = relay.restart()
        assert done.returncode == 75
        assert "goes on as it was: Cannot listen on 192.0.2.1" in done.stderr
        assert relay.worker_pids == before
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
            Ledger().offer("one-1", client)
        sink.wait_for(1)
        relay.kill()


def test_a_worker_that_hangs_is_replaced_and_systemd_hears_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sink(*EVERYTHING) as sink, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        monkeypatch.setenv("WATCHDOG_USEC", "8000000")
        relay = Relay(tmp_path, sink.port, workers=2).start()
        assert relay.process is not None
        assert _told(systemd, "READY=1") == relay.process.pid
        hung = relay.worker_pids[1]
        os.kill(hung, signal.SIGSTOP)
        _wait_until(lambda: hung not in relay.worker_pids and len(relay.worker_pids) == 2)
        assert "worker hangs, and is killed" in relay.log
        _told(systemd, "WATCHDOG=1")
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
            Ledger().offer("one-1", client)
        sink.wait_for(1)
        relay.process.terminate()
        _told(systemd, "STOPPING=1")
        assert relay.process.wait() == 0
        relay.kill()


class Knocking:
    """Connects again and again; failures: of those that got no greeting."""

    def __init__(self, port: int) -> None:
        self.count = 0
        self.failures: list[str] = []
        self._port = port
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._knock)

    def __enter__(self) -> "Knocking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _knock(self) -> None:
        while not self._is_over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=120) as client:
                    greeting = client.recv(1000)
                if greeting[:3] not in (b"220", b"421"):
                    self.failures.append(repr(greeting))
                self.count += 1
            except OSError as error:
                self.failures.append(repr(error))


def _told(systemd: socket.socket, word: str) -> int | None:
    """Wait for a word to systemd; return the main process that came with it."""
    systemd.settimeout(60)
    while True:
        lines = systemd.recv(4096).decode().split("\n")
        if word in lines:
            return next((int(line.partition("=")[2]) for line in lines if line.startswith("MAINPID=")), None)


def _restart(relay: Relay, workers: int) -> None:
    relay.workers = workers
    relay.write_settings()
    done = relay.restart()
    assert done.returncode == 0, done.stderr + relay.log


def _kill_supervisor(relay: Relay) -> None:
    """Kill it alone; its workers finish by themselves."""
    workers = relay.worker_pids
    assert relay.process is not None
    relay.process.kill()
    relay.process.wait()
    for pid in workers:
        _wait_until(lambda pid=pid: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(is_so: Callable[[], bool]) -> None:
    gone = threading.Event()
    for _ in range(1200):
        if is_so():
            return
        gone.wait(0.05)
    raise AssertionError("it never came so")
