"""Killed at every write and at every sync: strace kills the relay just before its N-th such call, for N = 1, 2, 3…

The calls are counted per thread from the start of the process, so that the start, the commit of small and of large
content, the record of an attempt and its settlement are all met. The sweep ends with the first N that is never reached.
"""

import contextlib
import os
import shutil
import smtplib
from pathlib import Path

import pytest

from tests.crash.ledger import Ledger, assert_all_arrived, assert_duplicates_explained
from tests.crash.tracing import missing, strace
from tests.live.conftest import need
from tests.live.relay import Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.crash

IS_LONG_FORM = int(os.environ.get("STAFFETTA_KILLS", "20")) >= 200
WRITES_STEP = 1 if IS_LONG_FORM else 9  # a commit makes tens of writes and few syncs
CALLS_MAX = 400
MESSAGES = ("p-1", "p-9", "p-2")  # small, large, small


@pytest.mark.parametrize(
    ("calls", "step"),
    [("fdatasync,fsync", 1), ("pwrite64,ftruncate,unlink,rename", WRITES_STEP)],
    ids=["sync", "write"],
)
def test_kill_at_a_call_of_the_commit_path_loses_nothing(calls: str, step: int, tmp_path: Path) -> None:
    need(missing())
    used = tmp_path / "used"
    used.mkdir()
    with Sink() as nobody:  # a database that exists, as on any day but the first
        Relay(used, nobody.port).start().stop()
    kills = 0
    for when in range(1, CALLS_MAX, step):
        if not _is_killed_at(calls, when, used, tmp_path / str(when)):
            break
        kills += 1
        shutil.rmtree(tmp_path / str(when))
    assert 3 <= kills < CALLS_MAX // step - 1, "the sweep met no call, or did not end"
    print(f"{kills} kills at {calls}")


def _is_killed_at(calls: str, when: int, used: Path, folder: Path) -> bool:
    """Run the scenario with a kill at one call, then without; check the ledger. False: the call was never reached."""
    folder.mkdir()
    shutil.copytree(used / "data", folder / "data")
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        relay = Relay(folder, sink.port, wrapper=strace(calls, f"signal=KILL:when={when}"))
        _send_all(relay, ledger, sink)
        assert relay.process is not None
        was_killed = relay.process.returncode != 0
        relay.kill()
        relay.wrapper = ()
        relay.start()
        copies = assert_all_arrived(ledger, sink)
        assert_duplicates_explained(copies, relay)
        relay.kill()
    return was_killed


def _send_all(relay: Relay, ledger: Ledger, sink: Sink) -> None:
    """Send, and let the relay deliver and settle, until it is killed or all is done."""
    process = relay.launch()
    assert process.stdout is not None
    if "is running" not in process.stdout.readline():
        process.wait()
        return
    try:
        for number, name in enumerate(MESSAGES, 1):
            with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="c.test", timeout=20) as client:
                ledger.offer(name, client)
            while len(sink.arrivals) < number and process.poll() is None:
                with contextlib.suppress(AssertionError):
                    sink.wait_for(number, 0.1)
    except OSError:  # killed; its connections are cut, and a moment later it is gone
        process.wait(20)
    if process.poll() is not None:
        return
    # A relay that is asked to stop settles first; a kill in there counts as well.
    relay.stop()
