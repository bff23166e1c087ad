"""The alert rules, judged and played by Prometheus's own tool; and what it scrapes."""

import re
import shutil
import smtplib
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.live.conftest import need
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink
from tests.ports import free_port

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FOLDER = Path(__file__).parents[2] / "contrib" / "prometheus"


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    need(None if shutil.which("promtool") else "promtool (Debian's prometheus) is not installed")
    return subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True, timeout=120)


def test_prometheus_takes_the_alert_rules() -> None:
    answer = promtool("check", "rules", "staffetta.rules.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "14 rules found" in answer.stdout


def test_each_alert_is_raised_by_its_trouble_and_by_no_other_and_a_healthy_relay_raises_none() -> None:
    answer = promtool("test", "rules", "staffetta.test.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_time_of_a_delivery_names_the_message_by_its_queue_id(folder: Path) -> None:
    port = free_port()
    with (
        Sink(*EVERYTHING) as sink,
        Relay(folder, sink.port, more=f'[console]\naddress = "127.0.0.1:{port}"\n') as relay,
    ):
        with smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail("press@contoso.test", ["bob@contoso.test"], "Subject: page\r\n\r\npage\r\n")
        [arrival] = sink.wait_for(1)
        queue_id = re.search(rb"\bid ([0-9A-Z]+)", arrival.content)
        assert queue_id is not None
        expected = f'# {{queue_id="{queue_id[1].decode()}"}}'
        deadline = time.monotonic() + PATIENCE_SECONDS
        while expected not in (text := scraped(port)):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
    [line] = [line for line in text.splitlines() if expected in line]
    assert line.startswith("staffetta_delivery_seconds_bucket{")
    assert text.endswith("# EOF\n")


def scraped(port: int) -> str:
    """What Prometheus gets."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": OPENMETRICS})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        text: str = answer.read().decode()
        return text
