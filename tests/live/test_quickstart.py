"""What README and `make run` promise, on the settings that they use; only the ports are others."""

import json
import re
import signal
import smtplib
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.live

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.toml"
PATIENCE_SECONDS = 20
MESSAGE = "From: ada@contoso.test\r\nMessage-ID: <{0}@contoso.test>\r\nSubject: {0}\r\n\r\nIt works.\r\n"


@dataclass
class Relay:
    """A relay in a process of its own, with the quickstart's settings in a folder of its own."""

    folder: Path
    config: Path
    smtp_port: int
    submission_port: int
    submissions_port: int
    web_port: int
    process: subprocess.Popen[str]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return staffetta(*arguments, "--config", str(self.config))

    def send(self, name: str, *recipients: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=PATIENCE_SECONDS) as client:
            client.sendmail("ada@contoso.test", recipients, MESSAGE.format(name))

    def trace(self, name: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(
            self.command("trace", "--message-id", f"{name}@contoso.test", "--json").stdout
        )
        return rows

    def trace_with(self, name: str, status: str, count: int) -> list[dict[str, object]]:
        """Wait until `count` recipients have this status, and return their rows."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            rows = self.trace(name)
            if [row["status"] for row in rows] == [status] * count:
                return rows
            assert time.monotonic() < deadline, rows

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


def staffetta(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "staffetta", *arguments], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def start(folder: Path, *, capture_port: int | None = None) -> Relay:
    """Start a relay and return when it has said that it is running."""
    config = folder / "examples" / "quickstart.toml"
    smtp_port, submission_port, submissions_port = free_port(), free_port(), free_port()
    web_port, outside_port = free_port(), free_port()
    text = QUICKSTART.read_text(encoding="utf-8")
    ports = {
        ":2525": f":{smtp_port}",
        ":8025": f":{web_port}",
        ":2587": f":{submission_port}",
        ":2465": f":{submissions_port}",
        ":2626": f":{capture_port or outside_port}",
        "port = 2626": f"port = {outside_port}",
    }
    # In one pass: a port of ours may begin like one that is yet to be replaced.
    text = re.sub("|".join(ports), lambda found: ports[found[0]], text)
    config.parent.mkdir(exist_ok=True)
    config.write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "staffetta", "serve", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("a"),
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert "is running" in first, (folder / "log").read_text()
    return Relay(folder, config, smtp_port, submission_port, submissions_port, web_port, process)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    relay = start(tmp_path)
    yield relay
    relay.process.kill()
    relay.process.wait()


def test_one_message_reaches_a_mailbox_here_and_the_capture_host(relay: Relay) -> None:
    relay.send("both", "bob@contoso.test", "eve@outside.example")
    rows = relay.trace_with("both", "Delivered", 2)
    assert {row["recipient"] for row in rows} == {"bob@contoso.test", "eve@outside.example"}
    assert all({"queue_id", "message_id", "sender", "status", "received_at", "events"} <= row.keys() for row in rows)
    (mailbox_file,) = (relay.folder / "var/mailboxes/contoso.test/bob/new").iterdir()
    (outside_file,) = (relay.folder / "var/outside/new").iterdir()
    assert mailbox_file.read_bytes().endswith(b"\r\n\r\nIt works.\r\n")
    assert b"X-Envelope-To: <eve@outside.example>\r\n" in outside_file.read_bytes()


def test_what_serve_says_to_type_next_works(relay: Relay) -> None:
    assert relay.process.stdout is not None
    lines = iter(relay.process.stdout.readline, "")
    send = next(line for line in lines if " send " in line)
    trace = next(line for line in lines if "trace" in line)
    subprocess.run(send, shell=True, check=True, timeout=PATIENCE_SECONDS)
    assert re.search(r" trace --config .* --message-id hello@contoso.test\n", trace)
    relay.trace_with("hello", "Delivered", 2)


def test_trace_works_when_the_relay_is_stopped_and_knows_nothing_of_unknown_ids(relay: Relay) -> None:
    relay.send("later", "bob@contoso.test")
    relay.trace_with("later", "Delivered", 1)
    assert relay.stop() == 0
    assert len(relay.trace("later")) == 1
    assert relay.trace("never-seen") == []
    assert "No message matches" in relay.command("trace", "--message-id", "never-seen").stdout


def test_second_start_on_the_same_folder_is_refused_with_a_reason(relay: Relay) -> None:
    second = relay.command("serve")
    assert second.returncode == 75
    assert "in use by process" in second.stderr


def test_taken_port_is_refused_with_its_address(relay: Relay, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(relay.config.read_text().replace("../var", str(tmp_path / "other")), encoding="utf-8")
    second = staffetta("serve", "--config", str(other))
    assert second.returncode == 75
    assert f"127.0.0.1:{relay.smtp_port}" in second.stderr


def test_certificate_that_cannot_be_used_is_a_settings_error(relay: Relay, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    text = relay.config.read_text().replace("../var", str(tmp_path / "other"))
    text = text.replace('name = "relay"', 'name = "relay"\ncertificate = "none.pem"\nprivate_key = "none.pem"')
    other.write_text(text, encoding="utf-8")
    refused = staffetta("serve", "--config", str(other))
    assert refused.returncode == 78
    assert "listeners.relay.certificate" in refused.stderr


def test_starttls_is_offered_from_the_first_start(relay: Relay) -> None:
    with smtplib.SMTP("127.0.0.1", relay.smtp_port, timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=ssl._create_unverified_context())
        client.sendmail("ada@contoso.test", ["bob@contoso.test"], MESSAGE.format("secret"))
    (row,) = relay.trace_with("secret", "Delivered", 1)
    assert "TLSv1.3" in str(row["events"])


def test_the_device_of_the_example_logs_in_both_ways_and_sends_outside(relay: Relay) -> None:
    untrusted = ssl._create_unverified_context()
    message = MESSAGE.replace("ada@", "scanner@")
    with smtplib.SMTP("127.0.0.1", relay.submission_port, timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=untrusted)
        client.login("scanner@contoso.test", "carry-the-mail")
        client.sendmail("scanner@contoso.test", ["eve@outside.example"], message.format("starttls"))
    port = relay.submissions_port
    with smtplib.SMTP_SSL("127.0.0.1", port, timeout=PATIENCE_SECONDS, context=untrusted) as client:
        client.login("scanner@contoso.test", "carry-the-mail")
        client.sendmail("scanner@contoso.test", ["eve@outside.example"], message.format("tls"))
    for name in ("starttls", "tls"):
        (row,) = relay.trace_with(name, "Delivered", 1)
        assert "scanner@contoso.test" in str(row["events"])


def test_idle_client_is_sent_away_when_the_relay_stops(relay: Relay) -> None:
    with smtplib.SMTP("127.0.0.1", relay.smtp_port, timeout=PATIENCE_SECONDS) as client:
        relay.process.send_signal(signal.SIGTERM)
        assert client.getreply()[0] == 421
    assert relay.process.wait(PATIENCE_SECONDS) == 0


def test_health_and_metrics_are_served(relay: Relay) -> None:
    relay.send("metered", "bob@contoso.test")
    relay.trace_with("metered", "Delivered", 1)
    assert relay.get("/healthz") == (200, "ok\n")
    assert relay.get("/readyz") == (200, "ok\n")
    _, text = relay.get("/metrics")
    assert 'staffetta_messages_received_total{listener="relay"} 1.0' in text
    assert 'staffetta_attempts_total{result="delivered",route="mailboxes"} 1.0' in text
    assert 'staffetta_queue_recipients{route="outside",state="deferred"} 0.0' in text


def test_broken_settings_file_is_refused_at_start_with_file_and_line(relay: Relay) -> None:
    relay.config.write_text(relay.config.read_text().replace("[capture]", "[capture]\ncolour = 1"))
    refused = relay.command("check")
    assert refused.returncode == 78
    assert re.search(r"quickstart\.toml:\d+: .*colour", refused.stderr)


def test_broken_settings_file_at_reload_leaves_the_relay_as_it_was(relay: Relay) -> None:
    relay.config.write_text("nonsense\n" + relay.config.read_text())
    relay.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "not reloaded" not in (relay.folder / "log").read_text():
        assert time.monotonic() < deadline and relay.process.poll() is None
    relay.config.write_text(relay.config.read_text().removeprefix("nonsense\n"))
    relay.send("still", "bob@contoso.test")
    relay.trace_with("still", "Delivered", 1)


def test_queue_commands_reach_a_running_relay_and_a_stopped_one(tmp_path: Path) -> None:
    relay = start(tmp_path, capture_port=free_port())  # nobody listens where the route "outside" leads
    try:
        relay.send("stuck", "eve@outside.example")
        (row,) = relay.trace_with("stuck", "Pending", 1)
        queue_id = str(row["queue_id"])
        assert queue_id in relay.command("queue", "list").stdout
        assert relay.command("queue", "hold", queue_id).stdout == "1 recipient suspended\n"
        (waiting,) = json.loads(relay.command("queue", "show", queue_id, "--json").stdout)
        assert waiting["state"] == "held"
        assert relay.stop() == 0
        assert relay.command("queue", "release", queue_id).stdout == "1 recipient resumed\n"
        assert (
            relay.command("queue", "delete", "--all", "--yes").stdout == "1 recipient deleted, and nobody is notified\n"
        )
        assert relay.command("queue", "list").stdout == "The queue is empty.\n"
    finally:
        relay.process.kill()
        relay.process.wait()


def test_the_id_in_a_refusal_finds_why(relay: Relay) -> None:
    with smtplib.SMTP("127.0.0.1", relay.smtp_port, timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        client.mail("mallory@foreign.example")
        code, text = client.rcpt("eve@outside.example")
    assert code == 550
    session = text.decode().rstrip("]").split()[-1]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (rows := json.loads(relay.command("refusals", "--session", session, "--json").stdout)):
        assert time.monotonic() < deadline  # it is written with the next batch
    assert rows[0]["recipient"] == "eve@outside.example"
    assert rows[0]["evidence"]["sender_domain_accepted"] is False
    assert "sender_domain_accepted: False" in relay.command("refusals", "--session", session).stdout
