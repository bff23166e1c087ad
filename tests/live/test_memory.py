"""Large content is never whole in memory."""

import smtplib

import pytest

from tests.live.relay import Relay
from tests.live.sink import Sink

pytestmark = pytest.mark.live

MIB = 1024 * 1024
GROWTH_OCTETS_MAX = 20 * MIB
LINE = b"A line of a large message, as an encoder of attachments would make them: 76 cs.\r\n"


def test_message_of_100_mib_grows_the_process_by_less_than_20_mib(running: Relay, sink: Sink) -> None:
    _send(running, b"Subject: warm\r\n\r\n" + LINE * (2 * MIB // len(LINE)))
    sink.wait_for(1)
    before = running.memory_octets("VmRSS")
    content = b"Subject: large\r\n\r\n" + LINE * (100 * MIB // len(LINE))
    _send(running, content)
    arrival = sink.wait_for(2)[-1]
    assert arrival.content.endswith(content)
    growth = running.memory_octets("VmHWM") - before
    assert growth < GROWTH_OCTETS_MAX, f"{growth / MIB:.1f} MiB"


def _send(relay: Relay, content: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as client:
        client.sendmail("ada@contoso.test", ["bob@outside.example"], content)
