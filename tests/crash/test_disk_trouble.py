"""A disk that refuses: 452 for new mail while it lasts, recovery when it is over, and nothing lost."""

import os
import re
import resource
import smtplib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.crash.ledger import RECIPIENT, SENDER, Ledger, assert_all_arrived, content_of
from tests.crash.tracing import Faults, missing
from tests.live.conftest import need
from tests.live.relay import Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.crash

PATIENCE_SECONDS = 20
SMALL, LARGE = "d-1", "d-9"
ANY_FREE_SPACE = "\n[limits]\nspool_free_octets_min = 0\n"
INJECTED = {
    "failed-sync": ("fdatasync,fsync", "EIO"),
    "failed-write": ("pwrite64", "EIO"),
    "full-disk": ("pwrite64", "ENOSPC"),
    "read-only-folder": ("pwrite64,ftruncate,unlink,mkdir", "EROFS"),
}


def reply_to(relay: Relay, name: str) -> int:
    """Offer a message and return the code of the first refusal, or 250."""
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="c.test", timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        for code, _ in (client.mail(SENDER), client.rcpt(RECIPIENT)):
            if code != 250:
                return code
        return client.data(content_of(name))[0]


def assert_452_then_recovery(relay: Relay, sink: Sink, trouble: Callable[[], AbstractContextManager[object]]) -> None:
    """Acknowledge one message, make trouble, see 452, end the trouble, see 250: and all that was owed has arrived."""
    ledger = Ledger()
    _offer(relay, ledger, "before-1")
    with trouble():
        assert reply_to(relay, SMALL) == 452
        assert reply_to(relay, LARGE) == 452
        assert reply_to(relay, SMALL) == 452
        assert relay.is_running, relay.log
    deadline = time.monotonic() + PATIENCE_SECONDS
    while reply_to(relay, "after-0") != 250:
        assert time.monotonic() < deadline and relay.is_running, relay.log
        time.sleep(0.1)
    ledger.offered.append("after-0")
    _offer(relay, ledger, "after-2")
    copies = assert_all_arrived(ledger, sink)
    assert SMALL not in copies and LARGE not in copies


def _offer(relay: Relay, ledger: Ledger, name: str) -> None:
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="c.test", timeout=PATIENCE_SECONDS) as client:
        ledger.offer(name, client)


@pytest.mark.parametrize("name", INJECTED)
def test_disk_error_means_452_and_recovery(name: str, tmp_path: Path) -> None:
    need(missing())
    calls, error = INJECTED[name]
    with Sink(*EVERYTHING) as sink, Relay(tmp_path, sink.port) as relay:
        assert relay.process is not None
        pid = relay.process.pid
        assert_452_then_recovery(relay, sink, lambda: Faults(pid, calls, error))


def test_full_file_system_means_452_and_recovery(tmp_path: Path) -> None:
    """Not simulated: a file system of 16 MiB, filled while mail waits that was acknowledged before."""
    need(None if os.geteuid() == 0 else "only root may mount")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(data)], check=True)
    try:
        with Sink(*EVERYTHING) as sink, Relay(tmp_path, sink.port, more=ANY_FREE_SPACE) as relay:
            assert_452_then_recovery(relay, sink, lambda: _ballast(data / "ballast"))
            assert relay.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


@contextmanager
def _ballast(path: Path) -> Iterator[None]:
    """A file that takes all the space there is."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    yield
    path.unlink()


def test_too_little_free_space_means_452_before_the_disk_is_full(tmp_path: Path) -> None:
    with Sink(*EVERYTHING) as sink:
        more = f"\n[limits]\nspool_free_octets_min = {2**60}\n"
        with Relay(tmp_path, sink.port, more=more) as relay:
            assert reply_to(relay, SMALL) == 452
            assert reply_to(relay, SMALL) == 452


def test_limit_on_file_size_means_452_and_recovery(tmp_path: Path) -> None:
    with Sink(*EVERYTHING) as sink, Relay(tmp_path, sink.port) as relay:
        assert relay.process is not None
        pid = relay.process.pid
        assert_452_then_recovery(relay, sink, lambda: _file_size_limit(pid, 1024))


def test_without_descriptors_nothing_is_lost_and_nobody_spins(tmp_path: Path) -> None:
    """EMFILE at accept, at the spool's files and at the next hop at once; then there are descriptors again."""
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink, Relay(tmp_path, sink.port) as relay:
        assert relay.process is not None
        with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="c.test", timeout=PATIENCE_SECONDS) as client:
            ledger.offer("before-1", client)
            began = time.monotonic()
            with _descriptor_limit(relay.process.pid, 3):  # less than it has: not one more can be opened
                ledger.offer("small-1", client)
                with pytest.raises(OSError, match="452"):
                    ledger.offer(LARGE, client)
                waiting = socket.create_connection(("127.0.0.1", relay.port), PATIENCE_SECONDS)
                while relay.log.count(NO_ROOM) < 3:
                    assert relay.is_running
                    time.sleep(0.05)
                assert relay.log.count(NO_ROOM) <= (time.monotonic() - began) / 0.5 + 2, "it spins"
            assert waiting.recv(100).startswith(b"220 ")
            waiting.close()
            ledger.offer("after-2", client)
        assert_all_arrived(ledger, sink)


NO_ROOM = "cannot accept connections for a moment"


@contextmanager
def _descriptor_limit(pid: int, count: int) -> Iterator[None]:
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_a_disk_that_was_mounted_read_only_is_told_of_and_forgets_nothing(tmp_path: Path) -> None:
    """As after an error of the disk: no start then, and all of the mail once it can be written again."""
    ledger, data = Ledger(), tmp_path / "data"
    data.mkdir()
    with _file_system(data) as remount, Sink(*EVERYTHING) as sink:
        sink.may_confirm.clear()
        relay = Relay(tmp_path, sink.port, more=ANY_FREE_SPACE).start()
        _offer(relay, ledger, "before-1")
        _offer(relay, ledger, "before-9")
        relay.kill()
        remount("ro")
        assert relay.launch().wait(PATIENCE_SECONDS) != 0
        assert re.search(REFUSAL, relay.log) and "Traceback" not in relay.log, relay.log
        remount("rw")
        sink.may_confirm.set()
        relay.start()
        assert_all_arrived(ledger, sink)
        relay.kill()


REFUSAL = r"[Rr]ead-?only|[Pp]ermission"


@contextmanager
def _file_system(place: Path) -> Iterator[Callable[[str], None]]:
    """What can be mounted again, `ro` or `rw`; for who may not mount, folders without the right to write."""

    def set_modes(how: str) -> None:
        for each in (place, *place.glob("**/")):
            each.chmod(0o500 if how == "ro" else 0o700)

    def mount_again(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)

    if os.geteuid() != 0:
        yield set_modes
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], check=True)
    try:
        yield mount_again
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def _file_size_limit(pid: int, octets: int) -> Iterator[None]:
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
