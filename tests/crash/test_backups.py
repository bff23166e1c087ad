"""A backup taken under load, and the machine lost after it: what was answered 250 before the backup still arrives."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.ledger import PATIENCE_SECONDS, Clients, Ledger, content_of, name_of, names
from tests.live.relay import Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.crash

CLIENTS = 4


def staffetta(*arguments: object) -> None:
    command = [sys.executable, "-m", "staffetta", *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert answer.returncode == 0, answer.stderr


def test_what_was_acknowledged_before_a_backup_arrives_from_the_restored_relay(tmp_path: Path) -> None:
    for name in ("lost", "new"):
        (tmp_path / name).mkdir()
    ledger, backup = Ledger(), tmp_path / "relay.tar"
    with Sink(*EVERYTHING) as sink, Sink(*EVERYTHING) as later:
        relay = Relay(tmp_path / "lost", sink.port).start()
        with Clients(relay, ledger, CLIENTS):
            ledger.wait_for(30)
            sink.may_confirm.clear()  # from now on the queue grows, with attempts under way
            ledger.wait_for(30)
            owed = set(ledger.acknowledged)
            staffetta("backup", backup, "--config", relay.config)
            ledger.wait_for(CLIENTS)  # it goes on
            relay.kill()
        restored = Relay(tmp_path / "new", later.port)
        staffetta("restore", backup, "--config", restored.config)
        with restored:
            arrived = names(sink.arrivals)
            assert owed - arrived, "nothing was queued"
            arrivals = later.wait_until(lambda arrivals: owed <= arrived | names(arrivals), PATIENCE_SECONDS * 2)
    for arrival in arrivals:
        assert arrival.content.endswith(content_of(name_of(arrival)))
