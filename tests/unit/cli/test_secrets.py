"""`staffetta secrets`: how the key stands, and another one."""

from pathlib import Path

import pytest

from staffetta.cli.main import run
from staffetta.directory import second_factors
from staffetta.directory.administrators import add_administrator
from staffetta.directory.audit import AuditQuery
from staffetta.directory.sealing import KeyRing
from staffetta.directory.store import Author
from staffetta.operations.local import local_office

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    config = tmp_path / "relay.toml"
    config.write_text('hostname = "relay.test"\ndata_dir = "data"\n')
    with (
        local_office(config, "cli") as office,
        office.directory.change(office.settings, Author("test", "cli", "test")) as change,
    ):
        add_administrator(change, "ada", password_hash=None)
        second_factors.set_code_secret(change, KeyRing.of(office.settings), "ada", SECRET)
    return config


def command(*words: object) -> int:
    return run(["secrets", *map(str, words)], serve=lambda _: 99)


def secret(config: Path) -> str | None:
    with local_office(config, "cli") as office:
        return second_factors.code_secret_of(office.directory, KeyRing.of(office.settings), "ada")


def test_another_key_seals_everything_and_the_one_before_is_forgotten(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = config.with_name("secrets.key")
    before = key.read_text()
    assert command("rotate", "--config", config) == 0
    assert "a key of now seals 1 secrets. Backups made until now hold" in capsys.readouterr().out.replace("\n", " ")
    assert len(key.read_text().split()) == 1
    assert key.read_text() != before
    assert key.stat().st_mode & 0o777 == 0o600
    assert secret(config) == SECRET
    with local_office(config, "cli") as office:
        (row, *_) = office.directory.audit(AuditQuery())
        assert (row.operation, row.kind) == ("Rotate-SecretsKey", "key of secrets")
    assert command("show", "--config", config) == 0


def test_another_key_is_a_warning_of_the_check(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--config", str(config)], serve=lambda _: 99) == 0
    assert "key" not in capsys.readouterr().err
    config.with_name("secrets.key").write_text("A" * 43 + "=")
    assert run(["check", "--config", str(config)], serve=lambda _: 99) == 0
    assert "sealed with another key than" in capsys.readouterr().err


def test_old_keys_may_stay_for_backups(config: Path) -> None:
    key = config.with_name("secrets.key")
    before = key.read_text()
    assert command("rotate", "--keep-old", "--config", config) == 0
    assert key.read_text().endswith(before)
    assert len(key.read_text().split()) == 2


def test_a_missing_key_is_shown_and_not_rotated_away(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.with_name("secrets.key").unlink()
    assert command("show", "--config", config) == 1
    assert "1 cannot be opened" in capsys.readouterr().out
    assert command("rotate", "--config", config) == 75
    assert "The key for sealed secrets is not there" in capsys.readouterr().err
    assert run(["check", "--config", str(config)], serve=lambda _: 99) == 0
    assert "The key for sealed secrets is not there" in capsys.readouterr().err
    assert not config.with_name("secrets.key").exists()


def test_the_first_key_may_be_made_by_hand(tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text('hostname = "relay.test"\ndata_dir = "data"\n')
    assert command("rotate", "--config", config) == 0
    assert len(config.with_name("secrets.key").read_text().split()) == 1


def test_a_printed_key_is_one_that_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("new-key") == 0
    (tmp_path / "key").write_text(capsys.readouterr().out)
    ring = KeyRing(f"file:{tmp_path}/key", tmp_path / "key", tmp_path)
    assert ring.open(ring.seal("x", "y"), "y") == "x"
