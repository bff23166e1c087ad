"""Secrets of code apps are sealed with a key that is no part of the database."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from staffetta.directory import second_factors
from staffetta.directory.administrators import add_administrator
from staffetta.directory.database import DATABASE_NAME
from staffetta.directory.sealing import KeyRing, KeyUnavailable, new_key
from staffetta.directory.second_factors import SealedNow
from staffetta.directory.store import Author, Directory
from staffetta.settings.file import load
from staffetta.settings.model import Settings

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OTHER = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


class Kept:
    """A directory with two administrators, and the key beside it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(hostname="relay.test", data_dir=folder / "data", secrets_key=f"file:{folder}/key")
        self.key = folder / "key"
        self.keys = KeyRing.of(self.settings)
        self.directory = Directory.open(self.settings.data_dir)
        with self.directory.change(self.settings, Author("test", "cli", "test")) as change:
            for name in ("ada", "bob"):
                add_administrator(change, name, password_hash=None)

    def set(self, name: str, secret: str | None) -> None:
        with self.directory.change(self.settings, Author("test", "cli", "test")) as change:
            second_factors.set_code_secret(change, self.keys, name, secret)

    def secret(self, name: str) -> str | None:
        return second_factors.code_secret_of(self.directory, self.keys, name)

    def run(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.settings.data_dir / DATABASE_NAME)) as connection, connection:
            connection.execute(statement, values)

    def octets(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.settings.data_dir.iterdir())

    def now(self) -> SealedNow:
        return second_factors.sealed_now(self.directory, self.keys)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.directory.close()


def test_a_secret_is_sealed_and_its_key_is_for_the_owner_alone(kept: Kept) -> None:
    assert not kept.key.exists()
    kept.set("ada", SECRET)
    assert kept.key.stat().st_mode & 0o777 == 0o600
    assert kept.secret("ada") == SECRET
    assert SECRET.encode() not in kept.octets()
    assert kept.now() == SealedNow(by_newest=1)


def test_left_out_the_key_is_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text('hostname = "relay.test"\ndata_dir = "data"\n')
    assert KeyRing.of(load(tmp_path / "relay.toml")).path == tmp_path / "secrets.key"


def test_what_was_kept_in_clear_is_sealed_and_leaves_no_trace_in_the_file(kept: Kept) -> None:
    kept.run("INSERT INTO code_app (administrator, secret, last_step) VALUES (1, ?, 7)", SECRET)
    assert kept.secret("ada") == SECRET
    assert SECRET.encode() in kept.octets()
    assert second_factors.seal_code_secrets(kept.directory, kept.keys) == 1
    assert SECRET.encode() not in kept.octets()
    assert kept.secret("ada") == SECRET
    assert not second_factors.use_code(kept.directory, "ada", 7)
    assert second_factors.seal_code_secrets(kept.directory, kept.keys) == 0


def test_a_secret_that_was_removed_is_gone_from_the_file_too(kept: Kept) -> None:
    kept.set("ada", SECRET)
    with closing(sqlite3.connect(kept.settings.data_dir / DATABASE_NAME)) as connection:
        ((sealed,),) = connection.execute("SELECT secret FROM code_app").fetchall()
    kept.set("ada", None)
    kept.directory.close()  # the last one that leaves empties the write-ahead log
    assert sealed.encode() not in (kept.settings.data_dir / DATABASE_NAME).read_bytes()


def test_a_lost_key_is_told_and_never_replaced(kept: Kept) -> None:
    kept.set("ada", SECRET)
    kept.key.unlink()
    with pytest.raises(KeyUnavailable, match=r"The key for sealed secrets is not there: .* --reset-second-factors"):
        kept.secret("ada")
    with pytest.raises(KeyUnavailable):
        kept.set("bob", OTHER)
    assert not kept.key.exists()
    assert kept.now() == SealedNow(lost=1)
    assert second_factors.has_code_app(kept.directory, "ada")
    kept.set("ada", None)  # everybody begins anew
    kept.set("bob", OTHER)
    assert kept.secret("bob") == OTHER


def test_another_key_is_told(kept: Kept) -> None:
    kept.set("ada", SECRET)
    kept.key.write_text(new_key())
    with pytest.raises(KeyUnavailable, match="sealed with another key"):
        kept.secret("ada")


@pytest.mark.parametrize("text", ["", "x", "a\nb", "A" * 43 + "=\nnot a key"])
def test_a_file_that_holds_no_key_is_told_by_its_line(kept: Kept, text: str) -> None:
    kept.set("ada", SECRET)
    kept.key.write_text(text)
    with pytest.raises(KeyUnavailable, match=r"is empty|Line [12] of file:.*/key is no key"):
        kept.secret("ada")


def test_a_sealed_secret_opens_for_its_administrator_alone(kept: Kept) -> None:
    """Who can write the database cannot make somebody's code app another's, whose codes he knows."""
    kept.set("ada", SECRET)
    kept.set("bob", OTHER)
    of_bob = "SELECT secret FROM code_app WHERE administrator = 2"
    kept.run(f"UPDATE code_app SET secret = ({of_bob}) WHERE administrator = 1")
    with pytest.raises(KeyUnavailable, match="tampered"):
        kept.secret("ada")


def test_every_key_of_the_file_opens_and_the_first_seals(kept: Kept) -> None:
    kept.set("ada", SECRET)
    kept.key.write_text(new_key() + "\n" + kept.key.read_text())
    assert kept.secret("ada") == SECRET
    kept.set("bob", OTHER)
    assert kept.now() == SealedNow(by_newest=1, by_older=1)


def test_a_key_in_a_variable_is_used_and_not_written(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing("${STAFFETTA_TEST_KEY}", None, kept.settings.data_dir)
    with pytest.raises(KeyUnavailable, match="is not ours to write"):
        ring.make()
    monkeypatch.setenv("STAFFETTA_TEST_KEY", new_key())
    ring.make()
    assert ring.open(ring.seal(SECRET, "x"), "x") == SECRET


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_key_that_root_makes_is_the_relay_s(kept: Kept) -> None:
    os.chown(kept.settings.data_dir, 65534, 65534)
    kept.keys.make()
    assert kept.key.stat().st_uid == 65534
