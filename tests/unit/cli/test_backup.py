"""`staffetta backup` and `restore`: what is said, and the exit status."""

from pathlib import Path

import pytest

from staffetta.cli.main import run
from staffetta.directory.store import Directory

SETTINGS = 'hostname = "relay.example"\ndata_dir = "data"\n'


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments], serve=lambda _: 99)


def test_a_backup_is_made_and_restored_and_each_says_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, file = tmp_path / "relay.toml", tmp_path / "relay.tar"
    config.write_text(SETTINGS)
    Directory.open(tmp_path / "data").close()
    assert command("backup", file, "--config", config) == 0
    assert "0 queued messages, 2 files, " in capsys.readouterr().out
    assert command("backup", file, "--config", config) == 74
    assert f"{file} is there already. Name another file" in capsys.readouterr().err
    assert command("restore", file, "--config", config) == 74
    assert "Stop the relay, move the folder away" in capsys.readouterr().err
    (tmp_path / "data").rename(tmp_path / "before")
    assert command("restore", file, "--hold", "--config", config) == 0
    assert "made by version" in capsys.readouterr().out
    assert (tmp_path / "data" / "directory.sqlite").exists()
