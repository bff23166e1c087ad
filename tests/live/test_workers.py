"""Two workers are one relay to whoever sends, looks or gives orders; a dead one takes nothing but its own sessions."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink
from tests.ports import free_port

pytestmark = pytest.mark.live

MESSAGES = 12


@pytest.fixture
def web_port() -> int:
    return free_port()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(*EVERYTHING) as sink:
        yield sink


@pytest.fixture
def relay(tmp_path: Path, sink: Sink, web_port: int) -> Iterator[Relay]:
    with Relay(tmp_path, sink.port, more=f'[console]\naddress = "127.0.0.1:{web_port}"\n', workers=2) as relay:
        yield relay


def test_two_workers_are_one_relay_and_a_dead_one_is_replaced(relay: Relay, sink: Sink, web_port: int) -> None:
    sink.__exit__()  # so that all of it waits
    sessions = sessions_on_both(relay)
    for number in range(MESSAGES):
        session = list(sessions.values())[number % 2]
        content = f"Message-ID: <m{number}@contoso.test>\r\nSubject: s\r\n\r\nhello\r\n"
        session.sendmail("ada@contoso.test", ["bob@outside.example"], content)
    until(lambda: received(web_port) == MESSAGES)  # each tells every two seconds
    assert len({str(row["queue_id"])[-2:] for row in relay.trace("--limit", "100")}) > 1, "one partition alone"
    staffetta(relay, "queue", "hold", "--all", "--yes")
    until(lambda: [row["state"] for row in waiting(relay)] == ["held"] * MESSAGES)  # of those in attempt it follows
    dead, alive = sessions
    os.kill(dead, signal.SIGKILL)
    assert sessions[alive].noop()[0] == 250
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        while True:
            sessions[dead].noop()
    sink.__enter__()
    assert f"{MESSAGES} recipients resumed" in staffetta(relay, "queue", "release", "--all", "--yes")
    sink.wait_for(MESSAGES)
    until(lambda: len(relay.trace("--status", "Delivered", "--limit", "100")) == MESSAGES)
    assert received(web_port) == MESSAGES
    assert alive in relay.worker_pids
    assert dead not in relay.worker_pids
    sessions[alive].close()
    assert relay.stop() == 0


def sessions_on_both(relay: Relay) -> dict[int, smtplib.SMTP]:
    """Return a session with each worker, by its process."""
    found: dict[int, smtplib.SMTP] = {}
    others = []
    for _ in range(500):
        session = smtplib.SMTP("127.0.0.1", relay.port, timeout=PATIENCE_SECONDS)
        assert session.sock is not None
        holder = holder_of(session.sock.getsockname()[1], relay)
        others.append(found.pop(holder, None))
        found[holder] = session
        if len(found) == 2:
            return found
    raise AssertionError("one worker took all")


def holder_of(client_port: int, relay: Relay) -> int:
    """Return the worker whose socket has that peer (proc(5): net/tcp names the inode of each socket)."""
    peer = f"0100007F:{client_port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = (row[9] for row in rows if row[2] == peer and row[1].endswith(f":{relay.port:04X}"))
    for pid in relay.worker_pids:
        if any(link_of(each) == f"socket:[{inode}]" for each in Path(f"/proc/{pid}/fd").iterdir()):
            return pid
    raise AssertionError("no worker has it")


def link_of(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


def received(web_port: int) -> float:
    """What all workers have answered with 250, as the metrics say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/metrics", timeout=PATIENCE_SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("staffetta_messages_received_total{"))


def waiting(relay: Relay) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(staffetta(relay, "queue", "list", "--json"))
    return rows


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3 * PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came so"
        time.sleep(0.1)


def staffetta(relay: Relay, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "staffetta", *words, "--config", str(relay.config)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
