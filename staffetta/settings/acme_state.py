"""How the last order of a certificate went, kept beside it: the doctor is another process than the relay."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from staffetta.settings.acme import acme_folder
from staffetta.settings.whole_files import write_whole

_NAME = "state.json"


@dataclass(frozen=True, slots=True)
class AcmeState:
    """failures: in a row, 0 after a success. failure: the last one, in words. Times are seconds since 1970.

    next_at: when the next order is due.
    """

    at: float
    next_at: float
    failures: int = 0
    failure: str = ""


def read_acme_state(data_dir: Path) -> AcmeState | None:
    """Return it; None where nothing was ordered yet, or the file cannot be read."""
    try:
        return AcmeState(**json.loads((acme_folder(data_dir) / _NAME).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_acme_state(data_dir: Path, state: AcmeState) -> None:
    """Keep it. Blocks; raises OSError."""
    write_whole(acme_folder(data_dir) / _NAME, json.dumps(asdict(state)).encode())
