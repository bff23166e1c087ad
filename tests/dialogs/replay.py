"""Read dialog files: conversations as text, one promise per file.

`C:` is what the client sends (CRLF is added; ⏎ is a CRLF within, ␍ a bare CR, ␊ a bare LF, ␀ a NUL, and a final ␄ means
that no CRLF follows), `S:` a line that the server answers (`*` stands for anything), `-- TLS --` a handshake,
`-- close --` that the server ends the session. The first `#` line says the promise. A line may name the listener:
`-- submission --`, `-- submissions --` (TLS from the first octet), `-- AUTH in clear --`; else it is `relay`.

Whoever logs in as USER_NAME with PASSWORD, or with a token that begins with "right", is right.
"""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
USER_NAME = "scanner@contoso.test"
PASSWORD = "right horse"
LISTENERS = ("relay", "submission", "submissions", "AUTH in clear")
_SIGNS = {"⏎": b"\r\n", "␍": b"\r", "␊": b"\n", "␀": b"\0", "␄": b""}


@dataclass(frozen=True)
class Step:
    """kind: "C", "S", "TLS" or "close"."""

    kind: str
    text: str
    line_number: int


def dialogs() -> list[Path]:
    """All dialog files."""
    return sorted(FOLDER.glob("*.txt"))


def listener(path: Path) -> str:
    """One of LISTENERS."""
    lines = [line.strip("- ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("-- ")]
    return next((line for line in lines if line in LISTENERS), "relay")


def steps(path: Path) -> list[Step]:
    """Parse a dialog file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith(("C: ", "S: ", "C:", "S:")):
            found.append(Step(line[0], line[3:], number))
        elif line in ("-- TLS --", "-- close --"):
            found.append(Step(line.strip("- "), "", number))
        elif line.strip("- ") in LISTENERS:
            continue
        elif line and not line.startswith("#"):
            raise ValueError(f"{path.name}:{number}: not a dialog line: {line}")
    return found


def octets(step: Step) -> bytes:
    """What a C line sends."""
    sent = b"".join(
        _SIGNS.get(character) or (b"" if character == "␄" else character.encode()) for character in step.text
    )
    return sent if step.text.endswith("␄") else sent + b"\r\n"


def matches(pattern: str, line: str) -> bool:
    """Whether the server's line fits; only `*` is special."""
    return fnmatch.fnmatchcase(line, pattern.replace("[", "[[]"))
