"""The drop folder: what is in it is whole, and nothing that anybody puts there does harm."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from staffetta.sendmail.dropping import FOLDER_MODE, begin, drop, dropped, read_dropped, wait_again
from staffetta.sendmail.letter import Letter, NotALetter, read_letter

LETTER = Letter("ada@b.test", ("bob@c.test", "è@c.test"), b"Subject: s\r\n\r\n\xff\n{}", "NEVER", "HDRS", "x", 7.5)
RELAY = 65534  # user and group


def test_what_comes_out_is_what_went_in(tmp_path: Path) -> None:
    drop(tmp_path, LETTER)
    (found,) = dropped(tmp_path)
    assert found.is_complete
    assert not found.is_doubtful
    assert read_letter(read_dropped(found, 10_000)) == LETTER


def test_a_file_tells_since_when_it_is_in_doubt(tmp_path: Path) -> None:
    drop(tmp_path, LETTER)
    begin(dropped(tmp_path)[0], now=1000.0)
    (trying,) = dropped(tmp_path)
    assert trying.is_doubtful
    assert trying.changed_at == 1000.0
    wait_again(trying)
    assert not dropped(tmp_path)[0].is_doubtful


def test_half_a_file_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "half.mail").write_bytes(LETTER.as_file()[:20])
    assert [each.is_complete for each in dropped(tmp_path)] == [False]


def test_neither_links_nor_other_things_nor_giants_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(LETTER.as_file())
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "soft.mail").symlink_to(secret)
    os.mkfifo(folder / "pipe.mail")
    assert dropped(folder) == []
    os.link(secret, folder / "hard.mail")
    with pytest.raises(ValueError, match="second name"):
        read_dropped(dropped(folder)[0], 10_000)
    secret.unlink()
    with pytest.raises(ValueError, match="larger"):
        read_dropped(dropped(folder)[0], 10)


BAD = [
    b"",
    b"no line end",
    b"[]\n",
    b"{}\n",
    b'{"sender": 1}\n',
    b"[" * 100_000 + b"\n",
    replace(LETTER, recipients=()).as_file(),
    replace(LETTER, sender="a@b.test> SIZE=1\r\nRCPT TO:<c@d.test").as_file(),
    replace(LETTER, notify="NEVER\r\nRSET").as_file(),
    replace(LETTER, recipients=("a b@c.test",)).as_file(),
    replace(LETTER, envelope_id="two words").as_file(),
    replace(LETTER, ret="FULL BODY=X").as_file(),
    replace(LETTER, written_at=float("nan")).as_file(),
]


@pytest.mark.parametrize("octets", BAD, ids=range(len(BAD)))
def test_a_file_that_anybody_made_up_is_no_letter(octets: bytes) -> None:
    with pytest.raises(NotALetter):
        read_letter(octets)


def test_an_older_version_s_file_in_doubt_is_so_since_its_time(tmp_path: Path) -> None:
    path = drop(tmp_path, LETTER)
    os.utime(path, (5.0, 5.0))
    path.rename(path.with_suffix(".trying"))
    (found,) = dropped(tmp_path)
    assert (found.is_doubtful, found.changed_at) == (True, 5.0)
    wait_again(begin(found, 9.0))
    assert [each.token for each in dropped(tmp_path)] == [path.stem]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_the_relay_hands_in_what_is_another_user_s() -> None:
    """Only its owner may change the times of a file; where that was tried, root's letter kept all from going in."""
    folder = Path(tempfile.mkdtemp(prefix="drop-"))  # pytest's own are closed to other users
    try:
        folder.chmod(FOLDER_MODE)
        os.chown(folder, RELAY, RELAY)
        drop(folder, LETTER)
        child = os.fork()
        if child == 0:
            as_the_relay(folder)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


def as_the_relay(folder: Path) -> NoReturn:
    """Try, wait, try again, and take away, as another user; end with 0 where that could be done."""
    status = 1
    try:
        os.setgroups([])
        os.setresgid(RELAY, RELAY, RELAY)
        os.setresuid(RELAY, RELAY, RELAY)
        for _ in range(2):
            begun = begin(dropped(folder)[0], 1000.0)
            assert read_letter(read_dropped(begun, 10_000)) == LETTER
            wait_again(dropped(folder)[0])
        dropped(folder)[0].path.unlink()
        status = 0
    finally:
        os._exit(status)
