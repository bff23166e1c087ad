"""Content of a message that waits, read by any process; the owner of the spool is not kept waiting."""

from pathlib import Path

from staffetta.spool.content import CONTENT_FOLDER
from staffetta.spool.spool import SpoolUnavailable
from staffetta.trace.partitions import partition_of
from staffetta.trace.search import reading


def stored_content(folder: Path, number: int, octets_max: int) -> bytes | None:
    """Return the first octets of a message; None where there is no content any more, since nobody waits for it.

    folder: the spool's. Raises TraceUnavailable, SpoolUnavailable.
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
        return octets[:octets_max]
    try:
        with (partition / CONTENT_FOLDER / file).open("rb") as stored:
            return (octets + stored.read(max(0, octets_max - len(octets))))[:octets_max]
    except FileNotFoundError:  # settled meanwhile
        return None
    except OSError as error:
        raise SpoolUnavailable(f"the content cannot be read: {error}") from error
