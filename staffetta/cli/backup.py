"""`staffetta backup` and `staffetta restore`: what the relay keeps, as one file."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile
from staffetta.cli.status import EX_IOERR, EX_OK
from staffetta.operations import backup as backups
from staffetta.operations.backup import BackupFailed, Summary
from staffetta.settings.file import load

NewFile = Annotated[Path, Parameter(help="The tar file to write, outside the data folder.")]
File = Annotated[Path, Parameter(help="A file that `staffetta backup` wrote.")]
Hold = Annotated[
    bool,
    Parameter(negative="", help="Hold all that waits, until `staffetta queue release`: some of it may have been sent."),
]

WithoutKeys = Annotated[
    bool, Parameter(negative="", help="Leave private keys out: for where the key that seals them is lost.")
]


def backup(file: NewFile, /, *, config: ConfigFile) -> int:
    """Write queue, trace, directory, keys and certificates of a relay, running or not, to one file."""
    try:
        summary = backups.back_up(load(config), file)
    except BackupFailed as error:
        return _failed(error)
    print(f"{file}: {_shown(summary)}. It holds mail: keep it where nobody else reads it.")
    print(f"Not in it: {summary.key}, which opens the keys and secrets in it. Keep a copy of that elsewhere.")
    return EX_OK


def restore(file: File, /, *, config: ConfigFile, hold: Hold = False, without_keys: WithoutKeys = False) -> int:
    """Put a backup into an empty data folder. What was sent since it was made waits in it again: see --hold."""
    settings = load(config)
    try:
        summary = backups.restore(settings, file, hold=hold, without_keys=without_keys)
    except BackupFailed as error:
        return _failed(error)
    print(f"{settings.data_dir}: {_shown(summary)}, made by version {summary.made_by}.")
    if not summary.is_key_there:
        print(f"Put {summary.key} back too: without it, codes of apps cannot be checked. Mail needs nothing of it.")
    return EX_OK


def _shown(summary: Summary) -> str:
    return f"{summary.messages:,} queued messages, {summary.files:,} files, {summary.octets:,} octets"


def _failed(error: BackupFailed) -> int:
    print(error, file=sys.stderr)
    return EX_IOERR
