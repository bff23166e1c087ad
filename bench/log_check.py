"""What the start after a crash pays to look at the spool's log: CPU time per page, of a log as long as it may become.

Run: python -m bench.log_check [pages]
"""

import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from staffetta.spool.pages import read_log

PAGE_OCTETS, FRAME_OCTETS = 4096, 4096 + 24
RUNS = 5


def log_of(folder: Path, pages: int) -> bytes:
    """Have SQLite write a log of at least so many pages, a commit for each small message's worth of them."""
    path = folder / "log.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE message (content)")
    log = path.with_name("log.db-wal")
    while log.stat().st_size < pages * FRAME_OCTETS:
        connection.execute("INSERT INTO message VALUES (?)", (os.urandom(PAGE_OCTETS - 500),))
    octets = log.read_bytes()
    connection.close()
    return octets


def main(pages: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        octets = log_of(Path(folder), pages)
    for _ in range(RUNS):
        began = time.process_time()
        log = read_log(memoryview(octets))
        seconds = time.process_time() - began
        print(f"{len(log.frames):,} pages: {seconds:.2f} s of CPU, {seconds / len(log.frames) * 1e6:.0f} µs each")
        assert log.damage is None


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16_384)
