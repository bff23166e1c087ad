"""Content of a message that waits, read by any process; the owner of the spool is not kept waiting."""

from pathlib import Path
from typing import BinaryIO

from staffetta.spool.content import CONTENT_FOLDER
from staffetta.spool.spool import SpoolUnavailable
from staffetta.trace.partitions import partition_of
from staffetta.trace.search import reading


def stored_content(folder: Path, number: int, octets_max: int) -> bytes | None:
    """Return the first octets of a message; None where there is no content any more, since nobody waits for it.

    folder: the spool's. Raises TraceUnavailable, SpoolUnavailable.
    """
    found = open_content(folder, number)
    if found is None:
        return None
    octets, file = found
    if file is None:
        return octets[:octets_max]
    with file:
        try:
            return (octets + file.read(max(0, octets_max - len(octets))))[:octets_max]
        except OSError as error:
            raise SpoolUnavailable(f"the content cannot be read: {error}") from error


def open_content(folder: Path, number: int) -> tuple[bytes, BinaryIO | None] | None:
    """Return the beginning of a message and the file that has the rest, None where the beginning is all.

    The caller closes the file, which stays readable though the message be settled meanwhile. None where there is no
    content. Raises TraceUnavailable, SpoolUnavailable.
    """
    partition = partition_of(folder, number)
    with reading(partition) as connection:
        row: tuple[str | None, bytes] | None = connection.execute(
            "SELECT file, octets FROM content WHERE number = ?", (number,)
        ).fetchone()
    if row is None:
        return None
    file, octets = row
    if file is None:
        return octets, None
    try:
        return octets, (partition / CONTENT_FOLDER / file).open("rb")
    except FileNotFoundError:  # settled meanwhile
        return None
    except OSError as error:
        raise SpoolUnavailable(f"the content cannot be read: {error}") from error
