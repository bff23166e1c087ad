"""A burst of one connector does not delay another connector's page."""

import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.relay import IMPATIENT, Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

BURST, SENDERS = 2_000, 4
LANES = 20  # the default of a route
CONNECTORS = """
[[inbound_connectors]]
name = "ERP"
sender_ip_addresses = ["127.0.0.2"]

[[inbound_connectors]]
name = "Printers"
sender_ip_addresses = ["127.0.0.3"]
"""


@pytest.fixture
def own_folder(tmp_path: Path) -> Iterator[Path]:
    """The relay's folder of one test."""
    yield tmp_path


def test_a_page_overtakes_a_burst_of_2000_that_waits_for_a_slow_next_hop(own_folder: Path) -> None:
    queue = f"{IMPATIENT}active_messages_max = 400\n"  # so that most of the burst is on disk alone
    with Sink(*EVERYTHING) as sink, Relay(own_folder, sink.port, connectors=CONNECTORS, queue=queue) as relay:
        sink.may_confirm.clear()
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(lambda _: _send(relay, "127.0.0.2", "erp", BURST // SENDERS), range(SENDERS)))
        _send(relay, "127.0.0.3", "printer", 1)
        sink.may_confirm.set()
        arrivals = sink.wait_for(BURST + 1, patience_seconds=120)
    senders_in_order = [arrival.reverse_path.address for arrival in arrivals]
    assert senders_in_order.count("erp@contoso.test") == BURST
    # What was on its way already, and what goes beside it.
    assert senders_in_order.index("printer@contoso.test") < 3 * LANES


def _send(relay: Relay, address: str, name: str, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60, source_address=(address, 0)) as client:
        for _ in range(count):
            client.sendmail(f"{name}@contoso.test", ["bob@outside.example"], b"Subject: x\r\n\r\nx\r\n")
