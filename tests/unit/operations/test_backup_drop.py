"""What sendmail took while the relay was down is in a backup too, and comes once."""

from pathlib import Path

import pytest

from staffetta.operations import backup_drop
from staffetta.operations.backup import BackupFailed, back_up, restore
from staffetta.sendmail.dropping import FOLDER_MODE, begin, drop, dropped, read_dropped
from staffetta.sendmail.letter import Letter, read_letter
from staffetta.settings.model import Settings

LETTERS = [
    Letter("ada@contoso.test", (f"bob{n}@c.test",), b"Message-ID: <x>\r\n\r\nhello\r\n", written_at=7.0) for n in (1, 2)
]


def relay(folder: Path, *, has_drop: bool = True) -> Settings:
    return Settings(hostname="relay.test", data_dir=folder / "data", drop=folder / "drop" if has_drop else None)


@pytest.fixture
def backed_up(tmp_path: Path) -> Path:
    """A backup of two letters, one of which was being handed in, and one that nobody was told is taken."""
    settings = relay(tmp_path / "before")
    assert settings.drop is not None
    settings.drop.mkdir(parents=True)
    settings.data_dir.mkdir()
    for letter in LETTERS:
        drop(settings.drop, letter)
    begin(dropped(settings.drop)[1], 1000.0)
    (settings.drop / "half.mail").write_bytes(b"{")
    assert back_up(settings, tmp_path / "relay.tar").messages == 2
    return tmp_path / "relay.tar"


def test_letters_are_restored_in_doubt_since_the_backup(backed_up: Path, tmp_path: Path) -> None:
    after = relay(tmp_path / "after")
    assert after.drop is not None
    restore(after, backed_up)
    found = dropped(after.drop)
    assert sorted((read_letter(read_dropped(each, 10_000)) for each in found), key=str) == LETTERS
    assert all(each.is_complete and each.is_doubtful for each in found)
    assert {abs(each.changed_at - backed_up.stat().st_mtime) < 3600 for each in found} == {True}
    assert after.drop.stat().st_mode & 0o7777 == FOLDER_MODE


def test_held_letters_are_put_aside(backed_up: Path, tmp_path: Path) -> None:
    after = relay(tmp_path / "after")
    assert after.drop is not None
    restore(after, backed_up, hold=True)
    assert dropped(after.drop) == []
    assert len(dropped(after.drop / "aside")) == 2


def test_settings_without_a_drop_folder_are_told_before_anything_is_put(backed_up: Path, tmp_path: Path) -> None:
    after = relay(tmp_path / "after", has_drop=False)
    with pytest.raises(BackupFailed, match=r"holds 2 letters of a drop folder, .* Write drop = "):
        restore(after, backed_up)
    assert list(after.data_dir.iterdir()) == []


def test_a_restoring_that_was_cut_short_is_done_again(backed_up: Path, tmp_path: Path) -> None:
    after = relay(tmp_path / "after")
    assert after.drop is not None
    restore(after, backed_up)
    names = {path.name for path in after.drop.iterdir()}
    after.data_dir.rename(tmp_path / "away")
    restore(after, backed_up)
    assert {path.name for path in after.drop.iterdir()} == names


def test_a_letter_that_is_taken_up_meanwhile_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(tmp_path, LETTERS[0])
    read, tried = backup_drop.read_dropped, []

    def renamed_before_it_is_read(each: object, octets_max: int) -> bytes:
        if not tried:
            tried.append(begin(dropped(tmp_path)[0], 1000.0))
        return read(each, octets_max)  # type: ignore[arg-type]

    monkeypatch.setattr(backup_drop, "read_dropped", renamed_before_it_is_read)
    assert [octets for _, octets in backup_drop.letters(tmp_path)] == [LETTERS[0].as_file()]
