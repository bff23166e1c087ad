"""The road out by command: `staffetta outbound`, `rule` and `route`, against a next hop on a real socket."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from staffetta.cli.main import run
from staffetta.cli.status import EX_OK
from tests.live.sink import EVERYTHING, Sink

SETTINGS = """
hostname = "relay.contoso.test"
data_dir = "data"
default_route = "outside"

[[routes]]
name = "outside"
next_hops = [{{ host = "127.0.0.1", port = {port} }}]

[[accepted_domains]]
name = "contoso.test"
route = "outside"
"""
Command = Callable[..., Any]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(*EVERYTHING) as sink:
        yield sink


@pytest.fixture
def command(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command, and returns what it printed: rows with --json, else text; what it says where it fails."""
    config = tmp_path / "relay.toml"
    config.write_text(SETTINGS.format(port=sink.port), encoding="utf-8")
    monkeypatch.setenv("STAFFETTA_CONFIG", str(config))

    def serve(_config: Path) -> int:
        raise AssertionError("serve was called")

    def command(*words: str, fails: bool = False) -> Any:
        capsys.readouterr()
        assert (run(words, serve=serve) != EX_OK) is fails
        printed = capsys.readouterr()
        if fails:
            return printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return command


def connector(sink: Sink, name: str = "To Fabrikam") -> tuple[str, ...]:
    return (
        name,
        "--recipient-domains",
        "fabrikam.test",
        "--no-use-mx-record",
        "--smart-hosts",
        f"127.0.0.1:{sink.port}",
    )


def test_an_outbound_connector_is_added_seen_changed_and_removed(command: Command, sink: Sink) -> None:
    assert "To Fabrikam" in command("outbound", "add", *connector(sink))
    command(
        "outbound",
        "set",
        "to fabrikam",
        "--add-recipient-domains",
        "*.fabrikam.test",
        "--tls-settings",
        "EncryptionOnly",
    )
    (shown,) = command("outbound", "show", "To Fabrikam", "--json")
    assert (shown["RecipientDomains"], shown["TlsSettings"]) == (["fabrikam.test", "*.fabrikam.test"], "EncryptionOnly")
    assert [row["Name"] for row in command("outbound", "list", "--json")] == ["To Fabrikam"]
    assert f"127.0.0.1:{sink.port}" in command("outbound", "list")
    assert "is there already" in command("outbound", "add", *connector(sink), fails=True)
    command("outbound", "remove", "To Fabrikam")
    assert command("outbound", "list") == "There is nothing.\n"


def test_a_connector_is_validated_by_a_test_mail_that_arrives(command: Command, sink: Sink) -> None:
    command("outbound", "add", *connector(sink))
    rows = command("outbound", "validate", "To Fabrikam", "--recipients", "ada@fabrikam.test", "--json")
    assert [(row["TaskName"], row["IsTaskSuccessful"]) for row in rows] == [
        (f"Check connectivity with 127.0.0.1:{sink.port}", True),
        ("Send test email", True),
    ]
    assert "ada@fabrikam.test: delivered by 127.0.0.1: 250 2.0.0 kept" in rows[1]["Detail"]
    assert " C MAIL FROM:<postmaster@contoso.test>" in rows[1]["Transcript"]
    (arrival,) = sink.wait_for(1)
    assert (arrival.reverse_path.address, [path.address for path in arrival.recipients]) == (
        "postmaster@contoso.test",
        ["ada@fabrikam.test"],
    )
    assert b"Subject: Validation of To Fabrikam\r\n" in arrival.content


def test_a_probe_sends_nothing_and_says_every_line(command: Command, sink: Sink) -> None:
    sink.recipient_reply = lambda address: "250 2.1.5 ok" if address.startswith("ada@") else "550 5.1.1 no such user"
    command("outbound", "add", *connector(sink))
    probe = ("outbound", "validate", "To Fabrikam", "--skip-test-mail", "--json", "--recipients")
    (row,) = command(*probe, "ada@fabrikam.test")
    assert (row["IsTaskSuccessful"], row["Detail"]) == (True, "connected, in clear; all recipients would be taken")
    said = [line.partition(" ")[2] for line in row["Transcript"].splitlines()]
    sent = [line for line in said if line.startswith("C ")]
    assert [line.split()[1] for line in sent] == ["EHLO", "MAIL", "RCPT", "RSET", "QUIT"]
    assert "S 220 sink.test ESMTP" in said
    (row,) = command(*probe, "ada@fabrikam.test,bob@fabrikam.test")
    assert (row["IsTaskSuccessful"], row["Detail"]) == (False, "550 5.1.1 no such user")
    assert sink.arrivals == []


def test_rules_are_added_in_order_changed_and_removed(command: Command) -> None:
    command("rule", "add", "large", "--route", "outside", "--octets-min", "1000000")
    command("rule", "add", "first", "--route", "outside", "--priority", "1", "--recipient-domains", "a.test")
    assert [row["Name"] for row in command("rule", "list", "--json")] == ["first", "large"]
    command("rule", "set", "first", "--priority", "200", "--no-enabled")
    large, first = command("rule", "list", "--json")
    assert (large["Name"], first["Name"], first["Priority"], first["Enabled"]) == ("large", "first", 200, False)
    assert command("rule", "show", "LARGE", "--json")[0]["OctetsMin"] == 1_000_000
    assert "there is no route or outbound connector 'nowhere'" in command(
        "rule", "add", "bad", "--route", "nowhere", fails=True
    )
    command("rule", "remove", "large")
    assert [row["Name"] for row in command("rule", "list", "--json")] == ["first"]


def test_routes_and_their_next_hops_are_shown(command: Command, sink: Sink) -> None:
    command("outbound", "add", *connector(sink))
    rows = {row["Name"]: row for row in command("route", "list", "--json")}
    assert rows["outside"]["IsDefault"] is True
    assert rows["To Fabrikam"]["NextHops"] == [f"127.0.0.1:{sink.port}"]
    (shown,) = command("route", "show", "outside", "--json")
    assert (shown["Transport"], shown["Tls"]) == ("smtp", "opportunistic")
    hops = command("route", "hops", "--route", "outside", "--json")
    assert [(hop["Host"], hop["Status"]) for hop in hops] == [(f"127.0.0.1:{sink.port}", "Unknown")]
    assert "couldn't be found" in command("route", "show", "nowhere", fails=True)
