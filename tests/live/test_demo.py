"""The demo, played whole on its own ports: what it tells has happened, and what it leaves is there."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from staffetta.demo.stage import refuse_taken_ports
from tests.live.relay import PATIENCE_SECONDS

pytestmark = pytest.mark.live

STORY_SECONDS_MAX = 30
# The five hosts of the road: each hands over to the one that wrote the field, so four fields tell of five.
HANDED_OVER = [
    ("{device}.contoso.test", "relay.contoso.test"),
    ("relay.contoso.test", "contoso.mail.protection.test"),
    ("contoso.mail.protection.test", "hub.protection.test"),
    ("hub.protection.test", "mx.outside.example"),
]


def received(path: Path) -> list[str]:
    """Received fields, the earliest first, each on one line."""
    header = path.read_bytes().partition(b"\r\n\r\n")[0].decode()
    unfolded = re.sub(r"\r\n(?=[ \t])", "", header)
    return [line for line in unfolded.split("\r\n") if line.startswith("Received:")][::-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def told(folder: Path) -> str:
    """What the whole story printed."""
    played = subprocess.run(
        [sys.executable, "-m", "staffetta", "demo", "--once", "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=STORY_SECONDS_MAX + PATIENCE_SECONDS,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    return played.stdout


def test_the_story_takes_less_than_half_a_minute(told: str) -> None:
    done = re.search(r"^Done in (\d+) s\.$", told, re.MULTILINE)
    assert done and int(done[1]) < STORY_SECONDS_MAX


@pytest.mark.parametrize("device", ["printer", "erp"])
def test_received_fields_tell_of_five_hosts(told: str, folder: Path, device: str) -> None:
    (arrived,) = [
        path for path in (folder / "outside" / "new").iterdir() if f"<{device}-".encode() in path.read_bytes()
    ]
    fields = received(arrived)
    assert [re.findall(r"(?:from|by) (\S+) \(", field) for field in fields] == [
        [giver.format(device=device), taker] for giver, taker in HANDED_OVER
    ]
    is_secured = ["version=TLS" in field for field in fields]
    assert is_secured == [False, device == "erp", True, False]


@pytest.mark.parametrize("device", ["printer", "erp"])
def test_both_notifications_of_success_come_back(told: str, device: str) -> None:
    back = [line for line in told.splitlines() if line.startswith(f"  Back to {device}@contoso.test")]
    assert sorted(line.rpartition("(")[2] for line in back) == [
        "bob@contoso.test delivered)",
        "eve@outside.example relayed)",
    ]


def test_hop_table_names_every_host(told: str) -> None:
    for _, host in HANDED_OVER:
        assert told.count(host) >= 2
    assert "printer.contoso.test" in told


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = subprocess.run(
        [sys.executable, "-m", "staffetta", "demo", "--once", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert refused.returncode == 75
    assert "--folder" in refused.stderr
    assert (tmp_path / "thesis.txt").exists()


def hear_ctrl_c() -> None:
    """In a new process: what a shell runs in the background ignores it, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def playing(folder: Path, until: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A demo that stays up, as at a terminal: with a process group of its own. Yields it when it has said `until`."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "staffetta", "demo", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear_ctrl_c,
        start_new_session=True,
    )
    said: list[str] = []
    assert demo.stdout is not None
    try:
        for line in demo.stdout:
            said.append(line)
            if line.startswith(until):
                break
        yield demo, said
    finally:
        if demo.poll() is None:  # only where a test has failed
            os.killpg(demo.pid, signal.SIGTERM)
            demo.wait(2 * PATIENCE_SECONDS)
        demo.stdout.close()


def relays_of(folder: Path) -> list[int]:
    """Processes whose command line names a settings file in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes()
        except OSError:
            continue
        if b"serve" in words and str(folder).encode() in words:
            found.append(int(process.parent.name))
    return found


def test_everything_stays_up_what_it_says_to_type_works_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with playing(folder, "Ctrl-C ends the demo") as (demo, said):
        commands = [line.strip()[2:] for line in said if line.startswith("    $ ")]
        assert len(relays_of(folder)) == 3 and len(commands) == 6
        for command in commands:
            words = shlex.split(command)
            done = subprocess.run(
                words,
                input="Get-InboundConnector\n",  # to the shell
                capture_output=True,
                text=True,
                timeout=2 * PATIENCE_SECONDS,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert done.stdout.strip(), command
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        assert demo.wait(2 * PATIENCE_SECONDS) == 0
    assert relays_of(folder) == []
    refuse_taken_ports()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_no_relay_outlives_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "demo"
    with playing(folder, "3. ") as (demo, _):
        assert len(relays_of(folder)) == 3
        os.killpg(demo.pid, number)
        assert demo.wait(2 * PATIENCE_SECONDS) == 0
    assert relays_of(folder) == []
    refuse_taken_ports()


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with playing(folder, "3. ") as (demo, _):
        for relay in relays_of(folder):
            os.kill(relay, signal.SIGSTOP)  # so that they cannot stop by themselves
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.stdout is not None
        assert any("Stopping the relays" in line for line in demo.stdout)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(PATIENCE_SECONDS) == 0
    assert relays_of(folder) == []
