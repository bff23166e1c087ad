"""`staffetta audit`: who changed what, for another machine to keep."""

from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.options import ConfigFile, Since
from staffetta.operations import auditing
from staffetta.operations.local import local_office

Until = Annotated[Since, Parameter(help="Before this time; local where no zone is given.")]


def audit_commands() -> App:
    """Return the commands under `staffetta audit`."""
    app = App(name="audit")
    app.command(export)
    return app


def export(*, config: ConfigFile, since: Since = None, until: Until = None) -> None:
    """Print every change as a line of JSON, the oldest first."""
    after, before = (None if time is None else time.timestamp() for time in (since, until))
    with local_office(config, "cli") as office:
        for line in auditing.export(office.context(), after=after, before=before):
            print(line)
