"""Who may read and write the relay's files: nobody else its secrets, and the relay all of them."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts, FileFacts
from staffetta.doctor.finding import Finding, Kind, Severity

_OTHERS = 0o007
OTHERS_WRITE = 0o002
_GROUP_WRITES = 0o020

READABLE = Kind(
    "secret-readable-by-others",
    Severity.ERROR,
    "Every user of this machine can take it, and be the relay elsewhere.",
    "chmod {mode} {path}; then, where others may have read it, make a new one.",
)
WRITABLE = Kind(
    "file-writable-by-others",
    Severity.ERROR,
    "Who can write it decides what the relay does, whom it trusts, and whose mail it carries.",
    "chmod {mode} {path}",
)
FOREIGN = Kind(
    "file-not-for-the-relay",
    Severity.ERROR,
    "The relay cannot read it, and fails where it needs it. That is what commands typed as root leave behind.",
    "chown it to the user that the relay runs as, or let that user's group read it: {path}",
)
MISSING = Kind(
    "file-missing",
    Severity.ERROR,
    "The settings name it, and what needs it fails.",
    "Make {path}, or take it out of the settings.",
)
HASHES = Kind(
    "hashes-readable-by-others",
    Severity.NOTICE,
    "Who reads the hashes of passwords can try passwords at home; good ones withstand that.",
    "chmod {mode} {path}, with the relay's group as its group.",
)
KINDS = (READABLE, WRITABLE, FOREIGN, MISSING, HASHES)


def judge(facts: Facts) -> Iterator[Finding]:
    for file in facts.files:
        yield from of_file(file)


def of_file(file: FileFacts) -> Iterator[Finding]:
    """Judge one by itself: its mode, not the folders around it."""
    seen = f"{file.path} ({file.what}) has the mode {file.mode:04o}"
    is_writable = file.mode & OTHERS_WRITE or (file.is_secret and file.mode & _GROUP_WRITES)
    if file.trouble is not None:
        yield MISSING.found(f"{file.path} ({file.what}): {file.trouble}", path=file.path)
    elif is_writable:
        mode = file.mode & (0o750 if file.is_secret else 0o755)
        yield WRITABLE.found(seen, mode=f"{mode:04o}", path=file.path)
    elif file.is_secret and file.mode & _OTHERS:
        yield READABLE.found(seen, mode=f"{file.mode & 0o750:04o}", path=file.path)
    elif file.has_hashes and file.mode & _OTHERS:
        yield HASHES.found(seen, mode=f"{file.mode & 0o750:04o}", path=file.path)
    elif not file.is_for_relay:
        yield FOREIGN.found(f"{seen} and belongs to user {file.owner}", path=file.path)
