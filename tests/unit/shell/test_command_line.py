"""`staffetta shell`: where a script comes from, and what the exit status says."""

from pathlib import Path

import pytest

from staffetta.cli.main import run

SETTINGS = """
hostname = "relay.example"
data_dir = "data"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def must_not_serve(_config: Path) -> int:
    raise AssertionError("serve was called")


def shell(config: Path, *arguments: object) -> int:
    return run(["shell", *map(str, arguments), "--config", str(config)], serve=must_not_serve)


def test_a_command_is_run_and_its_output_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell(config, "--command", "'a' + 'b'") == 0
    assert capsys.readouterr().out == "ab\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_script_file_may_have_any_of_windows_encodings(
    config: Path, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    script = config.parent / "script.ps1"
    script.write_text("Write-Output 'Grüße'", encoding=encoding)
    assert shell(config, script) == 0
    assert capsys.readouterr().out == "Grüße\n"


def test_paths_are_relative_to_the_script(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "words.txt").write_text("found\n")
    script = config.parent / "script.ps1"
    script.write_text("Get-Content $PSScriptRoot/words.txt; Get-Content words.txt")
    assert shell(config, script) == 0
    assert capsys.readouterr().out == "found\nfound\n"


def test_an_error_goes_to_stderr_with_status_1(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell(config, "--command", "Get-Foo") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("The term 'Get-Foo' is not recognized")


def test_exit_gives_the_status(config: Path) -> None:
    assert shell(config, "--command", "exit 7") == 7


def test_a_missing_script_is_no_input(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell(config, config.parent / "none.ps1") == 66
    assert "none.ps1" in capsys.readouterr().err


def test_what_a_script_changes_stays(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell(config, "--command", "New-InboundConnector A -SenderDomains a.example -ConnectorType Partner") == 0
    assert shell(config, "--command", "Get-InboundConnector | % Name") == 0
    assert capsys.readouterr().out.endswith("A\n")
