"""The log in Postfix's manner, read by what reads Postfix's logs."""

import re
import shutil
import smtplib
import subprocess
from pathlib import Path

import pytest

from tests.live.conftest import need
from tests.live.relay import Relay
from tests.live.sink import EVERYTHING, Sink

LOG_IN_POSTFIX_S_MANNER = """
[log]
format = "postfix"
"""
PRESS = """
[[inbound_connectors]]
name = "Press"
sender_ip_addresses = ["127.0.0.1"]
"""
EXPECTED = {"received": 4, "delivered": 3, "deferred": 1, "bounced": 1, "rejected": 1, "senders": 1, "recipients": 3}
CONTENT = "From: press@contoso.test\r\nMessage-ID: <1@contoso.test>\r\nSubject: page\r\n\r\npage\r\n"


def answer(address: str) -> str:
    if address.startswith("nobody"):
        return "550 5.1.1 no such user"
    return "451 4.3.0 not now" if address.startswith("later") else "250 2.1.5 ok"


def test_pflogsumm_counts_what_came_what_left_what_waits_and_what_was_refused(folder: Path) -> None:
    need(None if shutil.which("pflogsumm") else "pflogsumm is not installed")
    with (
        Sink(*EVERYTHING, recipient_reply=answer) as sink,
        Relay(folder, sink.port, connectors=PRESS, more=LOG_IN_POSTFIX_S_MANNER, queue="") as relay,
    ):
        with smtplib.SMTP("127.0.0.1", relay.port, "press.contoso.test") as client:
            for recipient in ("bob@contoso.test", "carol@fabrikam.test", "nobody@contoso.test", "later@contoso.test"):
                client.sendmail("press@contoso.test", [recipient], CONTENT)
        with (
            smtplib.SMTP("127.0.0.1", relay.port, source_address=("127.0.0.2", 0)) as stranger,
            pytest.raises(smtplib.SMTPRecipientsRefused),
        ):
            stranger.sendmail("eve@evil.test", ["dave@fabrikam.test"], CONTENT)
        sink.wait_for(3)  # two pages, and the notification of the one that nobody has
        relay.stop()
        summary = summarized(relay.folder / "log")
    assert {what: total(summary, what) for what in EXPECTED} == EXPECTED
    assert total(summary, "bytes received") >= 4 * len(CONTENT)
    assert "Relay Access Denied" in summary


def summarized(log: Path) -> str:
    """The grand totals of pflogsumm."""
    command = ["pflogsumm", "--syslog-name=staffetta", str(log)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def total(summary: str, what: str) -> int:
    found = re.search(rf"^ *(\d+) +{what}\b", summary, re.MULTILINE)
    if found is None:
        pytest.fail(f"no {what!r} in:\n{summary}")
    return int(found.group(1))
