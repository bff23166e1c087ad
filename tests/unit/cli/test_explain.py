"""`staffetta explain` and `staffetta simulate`."""

import json
from pathlib import Path

import pytest

from staffetta.cli.main import run
from tests.unit.policy.pki import make

SETTINGS = """
hostname = "relay.example"
data_dir = "data"
default_route = "out"

[[listeners]]
name = "mx"
address = "127.0.0.1:2525"

[[accepted_domains]]
name = "contoso.test"
route = "out"

[[inbound_connectors]]
name = "SMTP Relay"
sender_ip_addresses = ["192.0.2.1"]

[[routes]]
name = "out"
next_hops = [{ host = "192.0.2.25" }]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def command(*arguments: object) -> int:
    def must_not_serve(_config: Path) -> int:
        raise AssertionError("serve was called")

    return run([str(argument) for argument in arguments], serve=must_not_serve)


ENVELOPE = ("--from", "ada@contoso.test", "--to", "eve@outside.example")


def test_what_would_be_accepted_exits_with_0_and_names_connector_and_route(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("simulate", "--config", config, "--ip", "192.0.2.1", *ENVELOPE) == 0
    shown = capsys.readouterr().out
    assert "RCPT: 250 2.1.5 Recipient OK" in shown
    assert "connector: SMTP Relay" in shown
    assert "route: out" in shown
    assert "sent as" not in shown


def test_another_sender_that_the_connector_puts_in_place_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewriting = 'sender_rewriting = "force"\nrewritten_sender = "printers@contoso.test"\n'
    config.write_text(SETTINGS.replace("\n[[routes]]", f"{rewriting}\n[[routes]]"), encoding="utf-8")
    assert command("simulate", "--config", config, "--ip", "192.0.2.1", *ENVELOPE) == 0
    assert "sent as: printers@contoso.test" in capsys.readouterr().out


def test_what_would_be_refused_exits_with_1_and_says_what_to_change(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("simulate", "--config", config, "--ip", "192.0.2.7", *ENVELOPE) == 1
    shown = capsys.readouterr().out
    assert "RCPT: 550 5.7.64 TenantAttribution; Relay Access Denied" in shown
    assert "  SMTP Relay: its addresses do not hold 192.0.2.7" in shown
    assert "    New-InboundConnector -Name 'Relay from 192.0.2.7' -ConnectorType OnPremises" in shown


def test_a_certificate_is_read_from_its_file(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "client.pem").write_bytes(make("mail.contoso.test", names=("mail.contoso.test",)).pem)
    arguments = ("--config", config, "--ip", "192.0.2.7", "--cert", tmp_path / "client.pem", *ENVELOPE, "--json")
    assert command("simulate", *arguments) == 1
    assert "certificate's names: mail.contoso.test" in json.loads(capsys.readouterr().out)["Seen"]
    assert (
        command("simulate", "--config", config, "--ip", "192.0.2.7", "--cert", tmp_path / "none.pem", *ENVELOPE) == 66
    )


def test_a_question_that_makes_no_sense_is_wrong_usage(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("simulate", "--config", config, "--ip", "printer", *ENVELOPE) == 64
    assert "'printer' is no IP address" in capsys.readouterr().err


def test_an_unknown_refusal_is_nothing_to_explain(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("explain", "0ABC", "--config", config) == 66
    assert "There is no refusal '0ABC'" in capsys.readouterr().err
