"""`staffetta config` and what `staffetta check` says of the directory: what is printed, and the exit status."""

import io
import json
from pathlib import Path

import pytest

from staffetta.cli.main import run

SETTINGS = """
hostname = "relay.example"
data_dir = "data"
"""
LAB = '[[inbound_connectors]]\nname = "Lab"\nsender_ip_addresses = ["192.0.2.7"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(LAB, encoding="utf-8")
    return path


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments], serve=lambda _: 99)


def test_diff_tells_by_exit_status_and_apply_makes_it_so(
    config: Path, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("config", "diff", lab, "--config", config) == 1
    assert command("config", "apply", lab, "--dry-run", "--config", config) == 0
    assert command("config", "diff", lab, "--config", config) == 1
    assert "add" in capsys.readouterr().out
    assert command("config", "apply", lab, "--config", config) == 0
    capsys.readouterr()
    assert command("config", "diff", lab, "--config", config) == 0
    assert capsys.readouterr().out == "Nothing changes.\n"
    assert command("config", "export", "--config", config) == 0
    assert LAB in capsys.readouterr().out


def test_a_file_comes_by_standard_input_and_differences_as_json(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LAB.encode())))
    assert command("config", "apply", "--json", "--config", config) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["change"], row["kind"], row["name"]) == ("add", "inbound connector", "Lab")


def test_a_bad_file_is_told_by_line_with_the_status_of_bad_settings(
    config: Path, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write_text(LAB.replace("192.0.2.7", "192.0.2.700"), encoding="utf-8")
    assert command("config", "apply", lab, "--config", config) == 78
    assert f"{lab}:3: inbound_connectors[0].sender_ip_addresses: '192.0.2.700'" in capsys.readouterr().err


def test_check_finds_a_file_that_contradicts_the_directory(
    config: Path, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("check", "--config", config) == 0
    assert not (config.parent / "data").exists(), "checking makes nothing"
    command("config", "apply", lab, "--config", config)
    assert command("check", "--config", config) == 0
    config.write_text(SETTINGS + LAB, encoding="utf-8")
    assert command("check", "--config", config) == 78
    assert "change one of them:\ninbound connector 'Lab': Name: 'Lab' is there twice" in capsys.readouterr().err
