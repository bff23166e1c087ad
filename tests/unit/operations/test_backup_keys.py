"""Private keys in a backup are sealed: who has it alone is no device of ours."""

import shutil
from pathlib import Path

import pytest

from staffetta.directory import second_factors
from staffetta.directory.administrators import add_administrator
from staffetta.directory.sealing import KeyRing
from staffetta.directory.store import Author, Directory
from staffetta.operations.backup import BackupFailed, back_up, restore
from staffetta.settings.model import Settings
from staffetta.settings.roads import TokenSource
from tests.certificates import make

KEY = make("ca.test").key_pem
TOKEN = b"refresh-token-canary\n"
LINE = KEY.splitlines()[1]


def relay(folder: Path) -> Settings:
    source = TokenSource(
        name="m365",
        token_endpoint="https://login.example/token",
        client_id="x",
        scope="s",
        refresh_token_file=folder / "data/tokens/m365",
    )
    return Settings(hostname="relay.test", data_dir=folder / "data", token_sources=(source,))


@pytest.fixture
def before(tmp_path: Path) -> Settings:
    settings = relay(tmp_path / "before")
    for name, octets in (("ca/ca.key", KEY), ("ca/ca.pem", b"public"), ("tokens/m365", TOKEN)):
        (settings.data_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.data_dir / name).write_bytes(octets)
    return settings


def give_key(before: Settings, after: Settings) -> None:
    after.data_dir.mkdir(parents=True)
    shutil.copy(before.data_dir / "secrets.key", after.data_dir / "secrets.key")


def test_keys_and_tokens_are_sealed_and_come_back(before: Settings, tmp_path: Path) -> None:
    back_up(before, tmp_path / "relay.tar")
    octets = (tmp_path / "relay.tar").read_bytes()
    assert LINE not in octets
    assert TOKEN.strip() not in octets
    assert b"public" in octets
    assert (before.data_dir / "secrets.key").read_bytes().strip() not in octets
    after = relay(tmp_path / "after")
    give_key(before, after)
    restore(after, tmp_path / "relay.tar")
    for name, was in (("ca/ca.key", KEY), ("tokens/m365", TOKEN)):
        assert (after.data_dir / name).read_bytes() == was
        assert (after.data_dir / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", [None, "A" * 43 + "="], ids=["none", "another"])
def test_without_the_key_nothing_is_restored_until_it_is_said_so(
    before: Settings, tmp_path: Path, key: str | None
) -> None:
    back_up(before, tmp_path / "relay.tar")
    after = relay(tmp_path / "after")
    after.data_dir.mkdir(parents=True)
    if key is not None:
        (after.data_dir / "secrets.key").write_text(key)
    with pytest.raises(BackupFailed, match=r"ca/ca\.key of the backup is sealed .* --without-keys"):
        restore(after, tmp_path / "relay.tar")
    assert [path.name for path in after.data_dir.iterdir()] == (["secrets.key"] if key else [])
    restore(after, tmp_path / "relay.tar", without_keys=True)
    assert (after.data_dir / "ca/ca.pem").exists()
    assert not (after.data_dir / "ca/ca.key").exists()


def test_a_lost_key_is_not_replaced_by_a_backup(before: Settings, tmp_path: Path) -> None:
    directory = Directory.open(before.data_dir)
    with directory.change(before, Author("test", "cli", "test")) as change:
        add_administrator(change, "ada", password_hash=None)
        second_factors.set_code_secret(change, KeyRing.of(before), "ada", "JBSWY3DPEHPK3PXP")
    directory.close()
    (before.data_dir / "secrets.key").unlink()
    with pytest.raises(BackupFailed, match=r"Private keys are sealed for a backup\. The key for sealed secrets is not"):
        back_up(before, tmp_path / "relay.tar")
    assert not (before.data_dir / "secrets.key").exists()
    assert not (tmp_path / "relay.tar").exists()
