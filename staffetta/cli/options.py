"""Options that several commands share, so that they are spelled and explained once."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

ConfigFile = Annotated[Path, Parameter(env_var="STAFFETTA_CONFIG", help="The settings file.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs instead of a table.")]
