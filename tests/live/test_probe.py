"""`staffetta probe` and probes by the clock, with a relay that runs and places where mail really arrives."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import dovecot
from tests.live.conftest import need
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import Sink
from tests.ports import free_port

pytestmark = pytest.mark.live

ROUTES = """
[[routes]]
name = "mailboxes"
transport = "maildir"
path = "{folder}/mailboxes"

[[routes]]
name = "dovecot"
transport = "lmtp"
next_hops = [{{ host = "127.0.0.1", port = {lmtp} }}]
tls = "none"

[[routes]]
name = "far"
next_hops = [{{ host = "127.0.0.1", port = {far} }}]

[[routes]]
name = "dead"
next_hops = [{{ host = "127.0.0.1", port = 9 }}]

[console]
address = "127.0.0.1:{web}"
"""
PROBES = """
[[probes]]
name = "mailbox"
route = "mailboxes"
to = "probe@contoso.test"
expect = "maildir"
location = "{folder}/mailboxes/contoso.test/probe"
timeout_seconds = 30
every_seconds = 60

[[probes]]
name = "nowhere"
route = "dead"
to = "probe@elsewhere.test"
timeout_seconds = 1
every_seconds = 60
"""


@pytest.fixture(scope="module")
def mailboxes() -> Iterator[dovecot.Dovecot]:
    need(dovecot.missing())
    with dovecot.Dovecot() as running:
        yield running


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    def reply(address: str) -> str:
        return "550 5.7.64 TenantAttribution; Relay Access Denied" if address.startswith("no") else "250 2.1.5 ok"

    with Sink("8BITMIME", "PIPELINING", recipient_reply=reply) as sink:
        yield sink


@pytest.fixture(scope="module")
def web() -> int:
    return free_port()


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """Another Staffetta, with an API and Maildirs."""
    folder = tmp_path_factory.mktemp("far")
    more = f"""
[[routes]]
name = "mailboxes"
transport = "maildir"
path = "{folder}/mailboxes"

[[accepted_domains]]
name = "fabrikam.test"
route = "mailboxes"

[console]
address = "127.0.0.1:{free_port()}"
"""
    relay = Relay(folder, 9, more=more).start()
    yield relay
    relay.kill()


@pytest.fixture(scope="module")
def relay(
    tmp_path_factory: pytest.TempPathFactory, sink: Sink, web: int, far: Relay, request: pytest.FixtureRequest
) -> Iterator[Relay]:
    folder = tmp_path_factory.mktemp("relay")
    lmtp = request.getfixturevalue("mailboxes").port if dovecot.missing() is None else 9
    more = ROUTES.format(folder=folder, lmtp=lmtp, far=far.port, web=web) + PROBES.format(folder=folder)
    relay = Relay(folder, sink.port, more=more).start()
    yield relay
    relay.kill()


def staffetta(relay: Relay, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        [sys.executable, "-m", "staffetta", *arguments, "--config", str(relay.config)],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
    )
    assert answer.returncode == status, answer.stdout + answer.stderr
    return answer


def probed(relay: Relay, *arguments: str, status: int = 0) -> dict[str, object]:
    report: dict[str, object] = json.loads(staffetta(relay, "probe", *arguments, "--json", status=status).stdout)
    return report


def legs(report: dict[str, object]) -> list[str]:
    return [leg["name"] for leg in report["legs"]]  # type: ignore[attr-defined, index]


def test_a_next_hop_that_takes_it_is_enough_where_nothing_more_is_expected(relay: Relay, sink: Sink) -> None:
    report = probed(relay, "--route", "next", "--to", "bob@elsewhere.test")
    assert report["trouble"] is None and legs(report) == ["queue", "handover"]
    arrival = next(each for each in sink.wait_for(1) if f"{report['token']}".encode() in each.content)
    assert f"X-Staffetta-Probe: {report['token']}\r\n".encode() in arrival.content
    assert arrival.recipients[0].address == "bob@elsewhere.test"


def test_a_refusal_is_told_as_it_came(relay: Relay) -> None:
    report = probed(relay, "--route", "next", "--to", "nobody@elsewhere.test", status=1)
    assert "550 5.7.64 TenantAttribution; Relay Access Denied" in str(report["trouble"])


def test_a_notification_comes_back_where_it_is_expected(relay: Relay) -> None:
    report = probed(relay, "--route", "next", "--to", "bob@elsewhere.test", "--expect", "dsn")
    assert report["trouble"] is None and legs(report) == ["queue", "handover", "arrival"]


def test_a_maildir_is_looked_at_and_tidied_up(relay: Relay) -> None:
    folder = relay.folder / "mailboxes" / "contoso.test" / "carol"
    arguments = ("--route", "mailboxes", "--to", "carol@contoso.test", "--expect", "maildir", "--at", str(folder))
    report = probed(relay, *arguments)
    assert report["trouble"] is None and legs(report) == ["queue", "handover", "arrival"]
    assert f"X-Staffetta-Probe: {report['token']}" in str(report["header"])
    assert list((folder / "new").iterdir()) == []
    probed(relay, *arguments, "--keep")
    assert len(list((folder / "new").iterdir())) == 1


def test_what_does_not_arrive_in_time_is_told(relay: Relay, tmp_path: Path) -> None:
    report = probed(
        relay,
        *("--route", "mailboxes", "--to", "dave@contoso.test", "--expect", "maildir", "--at", str(tmp_path)),
        *("--timeout", "1"),
        status=1,
    )
    assert "after 1 s the next hop has taken it, but it did not arrive" in str(report["trouble"])


def test_a_mailbox_is_looked_at_by_imap(relay: Relay, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    mailboxes: dovecot.Dovecot = request.getfixturevalue("mailboxes")
    (tmp_path / "password").write_text("any\n")
    (tmp_path / "report").mkdir()
    answer = staffetta(
        relay,
        *("probe", "--route", "dovecot", "--to", "erin@contoso.test", "--expect", "imap"),
        *("--at", f"imap://erin@127.0.0.1:{mailboxes.imap_port}/INBOX", "--password-file", str(tmp_path / "password")),
    )
    assert re.search(r"^It arrived after [0-9.]+ s\.$", answer.stdout, re.MULTILINE)
    assert "to the next hop" in answer.stdout and "to the end" in answer.stdout
    assert mailboxes.mailbox("erin") == []


def test_a_wrong_place_by_imap_is_told_and_the_password_is_not(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    report = probed(
        relay,
        *("--route", "next", "--to", "bob@elsewhere.test", "--expect", "imap", "--timeout", "1"),
        *("--at", f"imap://erin@127.0.0.1:{free_port()}/INBOX", "--password-file", str(tmp_path / "password")),
        status=1,
    )
    assert "Connection refused" in str(report["trouble"]) and "hunter2" not in str(report)


def test_another_staffetta_says_that_it_was_delivered_there(relay: Relay, far: Relay, tmp_path: Path) -> None:
    made = staffetta(far, "token", "add", "probe", "--roles", "Help Desk", "--json")
    (row,) = json.loads(made.stdout)
    (tmp_path / "token").write_text(row["Token"])
    port = re.search(r'address = "127.0.0.1:(\d+)"\s*$', far.config.read_text().partition("[console]")[2], re.MULTILINE)
    assert port is not None
    report = probed(
        relay,
        *("--route", "far", "--to", "frank@fabrikam.test", "--expect", "staffetta"),
        *("--at", f"http://127.0.0.1:{port[1]}", "--password-file", str(tmp_path / "token")),
    )
    assert report["trouble"] is None and legs(report) == ["queue", "handover", "arrival"]
    assert "Delivered to frank@fabrikam.test" in str(report["legs"])


def test_a_probe_of_the_settings_goes_by_its_name(relay: Relay) -> None:
    assert probed(relay, "mailbox")["trouble"] is None


def test_the_operation_is_the_same(relay: Relay) -> None:
    answer = staffetta(
        relay, "run", "Test-Mailflow", "-Route", "next", "-TargetEmailAddress", "bob@elsewhere.test", "--json"
    )
    (row,) = json.loads(answer.stdout)
    assert row["TestMailflowResult"] == "Success" and row["MessageLatencyTime"] >= 0


def test_the_relay_probes_itself_when_it_is_asked_by_http(relay: Relay, web: int) -> None:
    made = staffetta(relay, "token", "add", "by-http", "--roles", "Organization Management", "--json")
    (token,) = json.loads(made.stdout)
    body = {"Route": "next", "TargetEmailAddress": "bob@elsewhere.test", "WaitForNotification": True}
    asked = urllib.request.Request(
        f"http://127.0.0.1:{web}/api/mailflows/test",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token['Token']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=3 * PATIENCE_SECONDS) as answer:
        (row,) = json.load(answer)["value"]
    assert row["TestMailflowResult"] == "Success" and len(row["Legs"]) == 3


MISTAKES = [
    (("--to", "a@b.test"), 64, "Say --route ROUTE and --to ADDRESS"),
    (("--route", "nope", "--to", "a@b.test"), 64, "There is no route 'nope'. Known: "),
    (("--route", "next", "--to", "nobody"), 64, "write somebody@example.org"),
    (("--route", "next", "--to", "a@b.test", "--expect", "imap"), 64, "imaps://probe@mail.example.org/INBOX"),
    (("nope",), 64, "There is no probe 'nope' in the settings. Known: mailbox, nowhere."),
]


@pytest.mark.parametrize(("arguments", "status", "told"), MISTAKES)
def test_a_mistake_is_told_with_what_to_write(relay: Relay, arguments: tuple[str, ...], status: int, told: str) -> None:
    assert told in staffetta(relay, "probe", *arguments, status=status).stderr


def test_without_a_relay_it_says_so(tmp_path: Path) -> None:
    idle = Relay(tmp_path, 9)
    assert "no relay runs" in staffetta(idle, "probe", "--route", "next", "--to", "a@b.test", status=75).stderr


def metrics(web: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{web}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if "probe" in line[:20]}


def test_probes_by_the_clock_are_metrics_and_an_alert(relay: Relay, web: int) -> None:
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    arrived = 'staffetta_probes_total{probe="mailbox",result="arrived"}'
    failed = 'staffetta_probes_total{probe="nowhere",result="failed"}'
    while not (metrics(web)[arrived] and metrics(web)[failed]):
        assert time.monotonic() < deadline, metrics(web)
        time.sleep(0.2)
    seen = metrics(web)
    assert seen['staffetta_probe_last_success_timestamp_seconds{probe="mailbox"}'] > time.time() - 120
    assert seen['staffetta_probe_last_success_timestamp_seconds{probe="nowhere"}'] == 0
    assert 0 <= seen['staffetta_probe_leg_seconds{leg="arrival",probe="mailbox"}'] < PATIENCE_SECONDS
    assert "probe failed" in relay.log and '"probe": "nowhere"' in relay.log
