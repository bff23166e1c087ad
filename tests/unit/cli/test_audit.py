"""`staffetta audit export`, and what `staffetta check` says besides errors."""

import json
from pathlib import Path

import pytest

from staffetta.cli.main import run

SETTINGS = """
hostname = "relay.example"
data_dir = "data"
[[trusted_authorities]]
name = "ours"
certificates = "nowhere.pem"
[[inbound_connectors]]
name = "Office"
sender_ip_addresses = ["192.0.2.1/25"]
"""
LAB = '[[inbound_connectors]]\nname = "Lab"\nsender_ip_addresses = ["192.0.2.7"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments], serve=lambda _: 99)


def test_every_change_is_exported_as_a_line_the_oldest_first(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = config.with_name("lab.toml")
    for text in (LAB, LAB.replace(".7", ".8"), "inbound_connectors = []"):
        lab.write_text(text, encoding="utf-8")
        assert command("config", "apply", lab, "--config", config) == 0
    capsys.readouterr()
    assert command("audit", "export", "--config", config) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["before"] or {}).get("SenderIPAddresses") for row in rows] == [None, ["192.0.2.7"], ["192.0.2.8"]]
    assert {row["operation"] for row in rows} == {"config apply"}
    assert rows[0]["at"].endswith("+00:00")
    assert command("audit", "export", "--since", "2199-01-01", "--config", config) == 0
    assert capsys.readouterr().out == ""


def test_check_warns_of_what_is_right_and_likely_not_meant(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("check", "--config", config) == 0
    told = capsys.readouterr()
    assert told.out == f"{config}: ok\n"
    assert told.err.splitlines() == [
        (
            f"{config}:9: inbound_connectors[0].sender_ip_addresses: "
            "192.0.2.1/25 is read as the whole network 192.0.2.0/25 (a warning)"
        ),
        (
            f"{config}: the certificates of authority 'ours' cannot be read from {config.parent}/nowhere.pem: "
            "No such file or directory (a warning)"
        ),
    ]
