"""The drop folder's part of a backup: what `sendmail` took while the relay was down is acknowledged mail as well.

Rule: the folder is read before the spool. What is handed in between the two is in both, and is restored as a letter in
doubt since then: the pickup looks for it in the trace, so that it comes once.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from staffetta.sendmail.dropping import ASIDE, FOLDER_MODE, dropped, put, read_dropped

_OCTETS_MAX = 1 << 40  # whatever it is, it was taken


def letters(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the token and the octets of each that is complete. Raises OSError."""
    for token in [each.token for each in dropped(folder) if each.is_complete] if folder.is_dir() else []:
        for _ in range(3):  # its name changes while it is handed in, and changes back where that came to nothing
            found = next((each for each in dropped(folder) if each.token == token), None)
            if found is None:
                break  # the spool has it, which is read after this
            try:
                yield token, read_dropped(found, _OCTETS_MAX)
                break
            except FileNotFoundError:
                continue
            except ValueError:
                break  # no file of sendmail's


def put_back(files: Mapping[str, Path], folder: Path, *, began_at: float, owner: Path, hold: bool) -> None:
    """Put letters into the drop folder, made if need be, each in doubt since began_at, in seconds since 1970.

    files: by token, what holds its octets. owner: a folder of the relay's, whose files they become where root restores.
    hold: put them aside instead, where nobody picks them up. Raises OSError.
    """
    found = owner.stat()
    for each, mode in ((folder, FOLDER_MODE), *(((folder / ASIDE, 0o700),) if hold else ())):
        if not each.exists():
            each.mkdir(parents=True)
            _give(each, found)
            each.chmod(mode)
    for token, file in files.items():
        with suppress(FileExistsError):  # a restoring that was cut short has put it there
            _give(put(folder / ASIDE if hold else folder, token, file.read_bytes(), began_at), found)


def _give(path: Path, found: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, found.st_uid, found.st_gid)
