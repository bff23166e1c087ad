"""A copy of a spool as it is at one instant, while its owner goes on.

Rule 1: the database is read in one transaction, so that the copy is what some crash at that instant would have left.
Rule 2: large content is named a second time (a hard link) while nobody can commit, so it cannot go before it is copied.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from staffetta.spool.content import CONTENT_FOLDER
from staffetta.spool.database import SQL, connect, transaction
from staffetta.spool.spool import SpoolUnavailable
from staffetta.trace.search import DATABASE_NAME

LINKS_FOLDER = "backup"
_PAGES_AT_A_TIME = 4096


@contextmanager
def snapshot(folder: Path, copy: Path) -> Iterator[Sequence[Path]]:
    """Copy the database of the spool in `folder` to the file `copy`, and yield the files of content that it names.

    The owner's commits wait for the milliseconds in which content is named again. The files are there until the end
    of the block; one snapshot at a time. Raises SpoolUnavailable.
    """
    try:
        with _links_folder(folder) as links, closing(connect(folder / DATABASE_NAME)) as reader:
            with closing(connect(folder / DATABASE_NAME)) as keeping_out, transaction(keeping_out):
                reader.execute("BEGIN DEFERRED")
                files = [_link(folder, name, links) for (name,) in reader.execute(SQL["named_files"])]
            with closing(sqlite3.connect(copy)) as target:
                reader.backup(target, pages=_PAGES_AT_A_TIME)
            reader.execute("ROLLBACK")
            yield files
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"the spool in {folder} cannot be copied: {error}") from error


def _link(folder: Path, name: str, links: Path) -> Path:
    link = links / name
    link.hardlink_to(folder / CONTENT_FOLDER / name)
    return link


@contextmanager
def _links_folder(folder: Path) -> Iterator[Path]:
    links = folder / LINKS_FOLDER
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SpoolUnavailable(f"another backup of {folder} is under way; wait for its end") from None
        shutil.rmtree(links, ignore_errors=True)  # of one that was killed
        links.mkdir(mode=0o700)
        try:
            if os.geteuid() == 0:  # the next backup may be the relay's own user's, who must be able to clean up
                os.chown(links, folder.stat().st_uid, folder.stat().st_gid)
            yield links
        finally:
            shutil.rmtree(links)
    finally:
        os.close(descriptor)
