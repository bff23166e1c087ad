"""`staffetta config`: what the console can change, as a file: exported, compared, applied."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.status import EX_DIFFERENT, EX_OK
from staffetta.cli.tables import print_json, print_table
from staffetta.operations import config as configuration
from staffetta.operations.config import Difference, Source
from staffetta.operations.local import local_office
from staffetta.settings.file import Problem, SettingsError, read

_COLUMNS = {
    "change": "Change",
    "kind": "Object",
    "name": "Name",
    "property": "Property",
    "before": "Before",
    "after": "After",
}
_STANDARD_INPUT = Path("-")

File = Annotated[Path, Parameter(help="A file as `export` writes it; - or none: standard input.")]
Secrets = Annotated[bool, Parameter(negative="", help="Write the hashes of passwords too.")]
DryRun = Annotated[bool, Parameter(negative="", help="Check all of it, show what would change, and change nothing.")]


def config_commands() -> App:
    """Return the commands under `staffetta config`."""
    app = App(name="config", help="Connectors, domains, accounts and organisations as a file: export, diff, apply.")
    app.command(export)
    app.command(diff)
    app.command(apply)
    return app


def export(*, config: ConfigFile, secrets: Secrets = False) -> None:
    """Print what the directory holds; what the settings file declares is there already."""
    with local_office(config, "cli") as office:
        print(configuration.export(office.context(), with_secrets=secrets), end="")


def diff(file: File = _STANDARD_INPUT, /, *, config: ConfigFile, json: Json = False) -> int:
    """Show what applying a file would change. Exit status: 0 nothing, 1 something."""
    with local_office(config, "cli") as office:
        found = configuration.difference(office.context(), _source(file))
    _show(found, json)
    return EX_DIFFERENT if found else EX_OK


def apply(file: File = _STANDARD_INPUT, /, *, config: ConfigFile, dry_run: DryRun = False, json: Json = False) -> None:
    """Make the directory as a file says, all or nothing. A list that the file leaves out stays as it is."""
    carry_out = configuration.difference if dry_run else configuration.apply
    with local_office(config, "cli") as office:
        found = carry_out(office.context(), _source(file))
    _show(found, json)


def _show(found: Sequence[Difference], json: bool) -> None:
    if json:
        print_json(found)
    else:
        print_table(_COLUMNS, found, if_empty="Nothing changes.")


def _source(file: Path) -> Source:
    """Raises SettingsError."""
    if file != _STANDARD_INPUT:
        return Source(read(file), str(file), file.parent)
    try:
        return Source(sys.stdin.buffer.read().decode("utf-8"), "standard input", Path.cwd())
    except UnicodeDecodeError:
        raise SettingsError([Problem("standard input", None, "", "it is not UTF-8")]) from None
