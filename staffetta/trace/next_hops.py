"""How the next hops are, as the relay last knew: written by it, and read by other processes, as a small file.

It is lost without harm, so that it is not synced; it is replaced whole, so that nobody reads a half.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "next-hops.json"


@dataclass(frozen=True, slots=True)
class HopState:
    """A host as one route uses it.

    host: `mail.contoso.com:25`, or the path of a socket. troubles: in a row, 0 where it is up. since: when that began;
    rests_until: when it is tried again; both seconds since 1970. said: what the last trouble was.
    """

    route: str
    host: str
    troubles: int
    since: float
    rests_until: float
    said: str

    @property
    def is_up(self) -> bool:
        return not self.troubles


def write_states(folder: Path, states: Sequence[HopState]) -> None:
    """Write them down. Raises OSError."""
    path = folder / FILE_NAME
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps([asdict(state) for state in states]), encoding="utf-8")
    new.replace(path)


def read_states(folder: Path) -> Sequence[HopState]:
    """Return what was written last, nothing where nothing was or another version wrote it. Raises OSError."""
    try:
        return [HopState(**each) for each in json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []
