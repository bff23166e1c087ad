"""Every operation of an administrator, declared once; REST, command line, cmdlets and forms are projections of this.

An operation is a function of (Context, input) to output rows, under the name of Exchange's cmdlet where there is one.
Parameters and properties are spelt in Python as `sender_domains` and outside as `SenderDomains`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from staffetta.directory.store import Directory
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Settings


class Input(BaseModel):
    """Parameters of an operation. Which of them were given is `model_fields_set`."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, extra="forbid")


class Output(BaseModel):
    """Properties of one row of output, in the order in which they are shown."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation works with.

    settings: the snapshot of now, file and directory together. now: seconds since 1970.
    warnings: what the caller should hear besides the result.
    """

    settings: Settings
    directory: Directory
    caller: Caller
    now: Callable[[], float]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. Its name is `verb-noun`.

    run: returns the rows; it is called with the role checked, the input valid, and, for a change, not when only asked
    what it would do. positions: parameters that may stand without a name, by their Python names, in order.
    columns: the properties that a table shows. example: arguments as typed after the cmdlet's name.
    """

    verb: str
    noun: str
    summary: str
    input: type[Input]
    output: type[Output] | None
    roles: frozenset[Role]
    run: Callable[[Context, Any], Iterable[Output]]
    is_change: bool = False
    positions: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    example: str = ""

    @property
    def name(self) -> str:
        return f"{self.verb}-{self.noun}"


@dataclass(frozen=True, slots=True)
class Result:
    """rows: the output, empty where there is none. warnings: in words, for people."""

    rows: tuple[Output, ...]
    warnings: tuple[str, ...]


class OperationError(Exception):
    """An operation cannot be done. The text says why, and what to do instead.

    kind: Exchange's exception type, without its namespace. parameter: its outside name, where one is at fault.
    """

    kind = "InvalidOperationException"

    def __init__(self, text: str, *, parameter: str | None = None) -> None:
        super().__init__(text)
        self.parameter = parameter


class NotFound(OperationError):
    """There is no such object."""

    kind = "ManagementObjectNotFoundException"


class AlreadyThere(OperationError):
    """An object of this name is there already."""

    kind = "ADObjectAlreadyExistsException"


class BadParameter(OperationError):
    """A parameter is unknown, missing, or has a value that it cannot have."""

    kind = "ParameterBindingException"


class BadValue(OperationError):
    """A parameter's value cannot be read as what it must be."""

    kind = "ParameterTransformationException"


class RoleMissing(OperationError):
    """The caller may not do this; the text names the roles that may."""

    kind = "UnauthorizedAccessException"


def find(name: str) -> Operation:
    """Return the operation of that name, in any case of letters. Raises NotFound, with a suggestion."""
    raise NotImplementedError


def execute(
    operation: Operation, context: Context, parameters: Mapping[str, object], *, only_ask: bool = False
) -> Result:
    """Check role and parameters, and run. parameters: by outside name, in any case of letters.

    only_ask: change nothing; the single warning says what would be done (-WhatIf). Raises OperationError.
    """
    raise NotImplementedError
