"""`staffetta doctor`: exit status, tables, JSON."""

import json
from pathlib import Path

import pytest

from staffetta.cli.main import run
from tests.unit.doctor.setups import Setup, healthy


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    setup = healthy(tmp_path, monkeypatch)
    setup.settings()
    return setup


def doctor(setup: Setup, *arguments: str) -> int:
    def must_not_serve(_config: Path) -> int:
        raise AssertionError("serve was called")

    return run(["doctor", "--offline", "--config", str(setup.path), *arguments], serve=must_not_serve)


def codes(shown: str, severity: str) -> set[str]:
    return {row["Code"] for row in json.loads(shown) if row["Severity"] == severity}


def test_an_error_exits_with_2_and_is_told_with_what_to_do(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    (setup.folder / "relay.key").chmod(0o644)
    assert doctor(setup) == 2
    shown = capsys.readouterr().out
    assert "secret-readable-by-others" in shown
    assert "chmod 0640" in shown
    assert shown.splitlines()[-1].startswith("Mend the errors first: 1 error")


def test_a_warning_exits_with_1(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    setup.certificate("relay", days=(-80, 10))
    assert doctor(setup, "--json") == 1
    shown = capsys.readouterr().out
    assert codes(shown, "error") == set()
    assert "certificate-ends-soon" in codes(shown, "warning")


def test_json_is_a_list_of_findings_with_every_property(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    (setup.folder / "relay.key").chmod(0o644)
    doctor(setup, "--json")
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["Severity"] == "error"]
    assert list(row) == ["Severity", "Code", "Check", "Seen", "Why", "Action"]
    assert row["Check"] == "Permissions"


def test_a_directory_that_contradicts_the_file_is_a_finding(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*arguments: str) -> int:
        return run([*arguments, "--config", str(setup.path)], serve=lambda _: 0)

    name = "Office 2"
    assert command("connector", "add", name, "--connector-type", "OnPremises", "--sender-domains", "*",
                   "--sender-ip-addresses", "10.2.0.1") == 0  # fmt: skip
    setup.add(f'[[inbound_connectors]]\nname = "{name}"\nsender_ip_addresses = ["10.2.0.2"]\n')
    setup.settings()
    capsys.readouterr()
    assert doctor(setup, "--json") == 2
    assert codes(capsys.readouterr().out, "error") == {"directory-contradicts-the-file"}


def test_a_settings_file_that_is_wrong_exits_with_78(setup: Setup) -> None:
    setup.path.write_text("hostname = 1\n")
    assert doctor(setup) == 78


def test_nothing_is_made(setup: Setup) -> None:
    (setup.folder / "data").rmdir()
    doctor(setup)
    assert not (setup.folder / "data").exists()
