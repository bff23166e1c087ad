"""How the next hops are, as the relay last knew: a small file of each worker, read by other processes.

It is lost without harm, so that it is not synced; it is replaced whole, so that nobody reads a half.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "next-hops.json"  # of the first worker; the others have their place in it


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


def write_states(folder: Path, states: Sequence[HopState], place: int = 0) -> None:
    """Write down those of one worker. Raises OSError."""
    path = folder / (FILE_NAME if place == 0 else f"next-hops-{place:02}.json")
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps([asdict(state) for state in states]), encoding="utf-8")
    new.replace(path)


def read_states(folder: Path) -> Sequence[HopState]:
    """Return what was written last, of each host the worst; nothing where another version wrote it. Raises OSError."""
    found: dict[tuple[str, str], HopState] = {}
    for path in sorted(folder.glob("next-hops*.json")):
        for each in _read(path):
            known = found.get((each.route, each.host))
            if known is None or each.troubles > known.troubles:
                found[each.route, each.host] = each
    return list(found.values())


def forget_states(folder: Path, workers: int) -> None:
    """Take away what workers wrote that are no more. Raises OSError."""
    for path in folder.glob("next-hops-[0-9][0-9].json"):
        if int(path.stem[-2:]) >= workers:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Sequence[HopState]:
    try:
        return [HopState(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []
