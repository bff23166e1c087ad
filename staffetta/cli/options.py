"""Options that several commands share, so that they are spelled and explained once."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

ConfigFile = Annotated[Path, Parameter(env_var="STAFFETTA_CONFIG", help="The settings file.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs instead of a table.")]
Since = Annotated[datetime | None, Parameter(help="At or after this time; local where no zone is given.")]
# Below 1 the database would read "no limit", and 0 would look like "nothing there".
Limit = Annotated[int, Parameter(validator=validators.Number(gte=1), help="Rows at most.")]
