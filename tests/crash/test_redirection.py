"""kill -9 around the orders that send mail another way: it arrives, by one road, and is never left on none."""

import random
import smtplib
import time
from pathlib import Path

import pytest

from staffetta.spool.commands import Order, command_result, leave_commands
from staffetta.spool.spool import CommandVerb
from staffetta.trace.waiting import what_waits
from tests.crash.ledger import Ledger, assert_all_arrived, assert_duplicates_explained
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink
from tests.ports import free_port

pytestmark = pytest.mark.crash

MESSAGES = 40
KILLS = 5
SEED = 20261124
SPARE = """
[[routes]]
name = "spare"
next_hops = [{{ host = "127.0.0.1", port = {port} }}]
tls = "opportunistic"
"""
# What waits is looked at again seldom, so that it is the order that moves it.
PATIENT = "[queue]\nretry_first_seconds = 3600\nretry_max_seconds = 3600\nunknown_retry_seconds = 0.2\n"


def give_order(relay: Relay) -> int:
    """Send all that waits by the spare road, and return the order's number; it is on disk."""
    folder = relay.folder / "data" / "spool"
    keys = [each.key for each in what_waits(folder)]
    order = Order(verb=CommandVerb.REDIRECT, keys=keys, route="spare", destination="spare")
    return leave_commands(folder, [order], asked_by="tests")[0]


def send(relay: Relay, ledger: Ledger, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="c.test", timeout=20) as client:
        for number in range(1, count + 1):
            ledger.offer(f"redirected-{number}", client)


def test_redirected_mail_arrives_by_the_new_road_although_the_relay_is_killed_around_the_order(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    ledger = Ledger()
    with Sink(*EVERYTHING) as spare:
        relay = Relay(tmp_path, free_port(), queue=PATIENT, more=SPARE.format(port=spare.port))  # nobody listens
        relay.start()
        send(relay, ledger, MESSAGES)
        for _ in range(KILLS):
            give_order(relay)
            time.sleep(chance.uniform(0, 0.6))  # the instant is the point: nothing is waited for
            relay.kill()
            relay.start()
        with Sink(*EVERYTHING, port=relay.next_port) as old:  # the old road is open again, and nobody takes it
            copies = assert_all_arrived(ledger, spare)
            assert_duplicates_explained(copies, relay)
            assert {row["route"] for row in relay.trace("--limit", "1000")} == {"spare"}
            assert old.arrivals == []
        relay.kill()


def test_what_may_have_arrived_by_the_old_road_is_never_sent_by_the_new_one(tmp_path: Path) -> None:
    ledger = Ledger()
    with Sink(*EVERYTHING) as old, Sink(*EVERYTHING) as spare:
        old.may_confirm.clear()
        relay = Relay(tmp_path, old.port, queue=PATIENT, more=SPARE.format(port=spare.port)).start()
        send(relay, ledger, 1)
        old.wait_for(1)  # content is there, and its reply held back: the order meets an attempt
        number = give_order(relay)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (result := command_result(tmp_path / "data" / "spool", number)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert (result.changed, result.claimed) == (0, 1)
        relay.kill()
        old.may_confirm.set()
        relay.start()
        old.wait_for(2)
        copies = assert_all_arrived(ledger, old)
        assert assert_duplicates_explained(copies, relay) == 1
        assert spare.arrivals == []
        relay.kill()
