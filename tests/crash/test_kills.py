"""kill -9 at random instants, under load, again and again: what was answered 250 arrives."""

import os
import random
import smtplib
import time
from pathlib import Path

import pytest

from tests.crash.ledger import Clients, Ledger, assert_all_arrived, assert_duplicates_explained
from tests.live.relay import Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.crash

KILLS = int(os.environ.get("STAFFETTA_KILLS", "20"))
KILLS_PER_RELAY = 20  # then a new folder: what has arrived is compared in memory
CLIENTS = 8
SEED = 20261124
START_SECONDS_MAX = 0.8  # some kills fall into the start, while the spool is mended


@pytest.mark.parametrize("relay_number", range(-(-KILLS // KILLS_PER_RELAY)))
def test_every_acknowledged_message_arrives_although_the_relay_is_killed_again_and_again(
    relay_number: int, tmp_path: Path
) -> None:
    chance = random.Random(SEED + relay_number)
    kills = min(KILLS_PER_RELAY, KILLS - relay_number * KILLS_PER_RELAY)
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        relay = Relay(tmp_path, sink.port)
        with Clients(relay, ledger, CLIENTS):
            for _ in range(kills):
                _run_and_kill(relay, ledger, chance)
            relay.start()
            ledger.wait_for(CLIENTS)
        copies = assert_all_arrived(ledger, sink)
        duplicates = assert_duplicates_explained(copies, relay)
        relay.kill()
    print(f"{kills} kills, {len(ledger.acknowledged)} acknowledged, {duplicates} duplicates")


def _run_and_kill(relay: Relay, ledger: Ledger, chance: random.Random) -> None:
    if chance.random() < 0.2:
        relay.launch()
        time.sleep(chance.uniform(0, START_SECONDS_MAX))  # the instant is the point: nothing is waited for
    else:
        relay.start()
        ledger.wait_for(chance.randrange(40))
        time.sleep(chance.uniform(0, 0.02))
    relay.kill()


def test_attempt_cut_between_data_and_its_reply_is_tried_again_and_called_unknown(tmp_path: Path) -> None:
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        sink.may_confirm.clear()
        relay = Relay(tmp_path, sink.port).start()
        _send_one(relay, ledger)
        sink.wait_for(1)
        relay.kill()
        sink.may_confirm.set()
        relay.start()
        sink.wait_for(2)
        copies = assert_all_arrived(ledger, sink)
        assert assert_duplicates_explained(copies, relay) == 1
        relay.kill()


def test_attempt_cut_between_data_and_its_reply_is_held_where_the_connector_says_never_twice(tmp_path: Path) -> None:
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        sink.may_confirm.clear()
        relay = Relay(tmp_path, sink.port)
        text = relay.config.read_text().replace("[[accepted_domains]]", "never_twice = true\n\n[[accepted_domains]]")
        relay.config.write_text(text)
        relay.start()
        _send_one(relay, ledger)
        sink.wait_for(1)
        relay.kill()
        sink.may_confirm.set()
        relay.start()
        deadline = time.monotonic() + 10
        while "Unknown" not in str(rows := relay.trace()):
            assert time.monotonic() < deadline, rows
        with Clients(relay, ledger, 1):
            ledger.wait_for(5)
        copies = assert_all_arrived(ledger, sink)
        assert set(copies.values()) == {1}
        relay.kill()


def test_sigterm_under_load_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    ledger = Ledger()
    with Sink(*EVERYTHING) as sink:
        relay = Relay(tmp_path, sink.port)
        with Clients(relay, ledger, CLIENTS):
            for _ in range(5):
                relay.start()
                ledger.wait_for(50)
                assert relay.stop() == 0, relay.log
                relay.kill()
            relay.start()
        copies = assert_all_arrived(ledger, sink)
        assert set(copies.values()) == {1}
        relay.kill()


def _send_one(relay: Relay, ledger: Ledger) -> None:
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="c.test", timeout=20) as client:
        ledger.offer("one-1", client)
