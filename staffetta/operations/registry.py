"""Every operation of an administrator, declared once; REST, command line, cmdlets and forms are projections of this.

An operation is a function of (Context, input) to output rows, under the name of Exchange's cmdlet where there is one.
Parameters and properties are spelt in Python as `sender_domains` and outside as `SenderDomains`.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from staffetta.directory.store import Directory, NotConsistent
from staffetta.mail.sentence import sentence
from staffetta.operations.binding import Parameter, ParameterKind, bind, parameters
from staffetta.operations.errors import (
    AlreadyThere,
    BadParameter,
    BadValue,
    NotFound,
    OperationError,
    RoleMissing,
    Unavailable,
)
from staffetta.operations.inputs import Input, MultiValued, Output, Switch
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Settings

__all__ = [
    "AlreadyThere",
    "BadParameter",
    "BadValue",
    "Context",
    "Input",
    "MultiValued",
    "NotFound",
    "Operation",
    "OperationError",
    "Output",
    "Parameter",
    "ParameterKind",
    "Result",
    "RoleMissing",
    "Switch",
    "Unavailable",
    "check_role",
    "execute",
    "find",
    "operations",
    "silent",
]


def silent(_step: str) -> None:
    """Tell nobody what is being done."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What one answer would take too long to look at. after: the row that it follows. before: when it came."""

    after: str
    before: datetime


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation works with.

    settings: the snapshot of now, file and directory together. now: seconds since 1970.
    warnings: what the caller should hear besides the result. unread: as Result has it; at most one.
    tell: is told what is being done, for whoever waits.
    """

    settings: Settings
    directory: Directory
    caller: Caller
    now: Callable[[], float]
    warnings: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    tell: Callable[[str], None] = silent

    @classmethod
    def of(cls, declared: Settings, directory: Directory, caller: Caller, now: Callable[[], float]) -> Self:
        """Return the context of one call, with a snapshot taken now. declared: what the file says.

        Where file and directory contradict each other it is the file alone, so that the directory can be mended.
        Raises DirectoryUnavailable.
        """
        try:
            return cls(directory.merged(declared), directory, caller, now)
        except NotConsistent as error:
            return cls(declared, directory, caller, now, [f"The directory is not in use: {error}"])


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. Its name is `verb-noun`.

    run: returns the rows; it is called with the role checked, the input valid, and, for a change, not when only asked
    what it would do. positions: parameters that may stand without a name, by their Python names, in order.
    columns: the properties that a table shows. example: arguments as typed after the cmdlet's name.
    preview: what a change would do, in sentences, for who only asks.
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
    preview: Callable[[Context, Any], Iterable[str]] | None = None

    @property
    def name(self) -> str:
        return f"{self.verb}-{self.noun}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it takes, in the order in which it is shown."""
        return parameters(self.input, self.positions)


@dataclass(frozen=True, slots=True)
class Result:
    """rows: the output, empty where there is none. warnings: in words, for people. unread: None where all was read."""

    rows: tuple[Output, ...]
    warnings: tuple[str, ...]
    unread: Unread | None = None


def operations() -> tuple[Operation, ...]:
    """Return all of them, by noun."""
    from staffetta.operations.catalogue import OPERATIONS  # which imports what this module declares

    return OPERATIONS


def find(name: str) -> Operation:
    """Return the operation of that name, in any case of letters. Raises NotFound, with a suggestion."""
    known = {operation.name.lower(): operation for operation in operations()}
    if operation := known.get(name.lower()):
        return operation
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"Did you mean {known[close[0]].name}?" if close else "Get-Command lists what there is."
    raise NotFound(f"The term '{name}' is not recognized as the name of a cmdlet. {hint}")


WHAT_IF = "What if: {what}"
"""How a warning begins that says what would be done."""


def execute(
    operation: Operation, context: Context, parameters: Mapping[str, object], *, only_ask: bool = False
) -> Result:
    """Check role and parameters, and run. parameters: by outside name, in any case of letters.

    only_ask: change nothing; the warnings say what would be done (-WhatIf). Raises OperationError.
    """
    check_role(operation, context.caller)
    given = bind(operation.input, parameters)
    if only_ask and operation.is_change:
        _must_be_there(operation, context, given)
        foreseen = () if operation.preview is None else tuple(operation.preview(context, given))
        return Result(
            (), (_what_if(operation, given), *(sentence(WHAT_IF, what=line) for line in foreseen), *context.warnings)
        )
    rows = tuple(operation.run(context, given))
    _tell_of_the_rest(context, given, len(rows))
    return Result(rows, tuple(context.warnings), next(iter(context.unread), None))


def _tell_of_the_rest(context: Context, given: Input, rows: int) -> None:
    """Who has not said how many rows may not know that there is a bound."""
    bound = getattr(given, "result_size", None)
    if bound != rows or "result_size" in given.model_fields_set:
        return
    if not any("more results" in warning for warning in context.warnings):
        context.warnings.append(
            f"There may be more results: without -ResultSize {rows} are shown at most. -ResultSize Unlimited shows all."
        )


def _must_be_there(operation: Operation, context: Context, given: Input) -> None:
    """Who only asks hears that there is no such object, or that there is one already. Raises NotFound, AlreadyThere."""
    getter = next((each for each in operations() if each.name == f"Get-{operation.noun}"), None)
    if getter is None or operation.preview is not None:
        return
    field = "name" if operation.verb == "New" else "identity"
    wanted = getattr(given, field, None)
    asked = getter.input.model_fields.get("identity")
    if asked is None or not isinstance(wanted, str):
        return
    quiet = replace(context, warnings=[])
    try:
        rows = tuple(getter.run(quiet, getter.input.model_validate({"identity": wanted})))
    except NotFound:
        if operation.verb != "New":
            raise
    else:
        if rows and operation.verb == "New":
            raise AlreadyThere(
                f"The {operation.noun} '{wanted}' is there already; take another name.", parameter="Name"
            )


def check_role(operation: Operation, caller: Caller) -> None:
    """Raise RoleMissing where the caller may not do this."""
    if operation.roles & caller.roles:
        return
    may = " or ".join(sorted(operation.roles))
    has = ", ".join(sorted(caller.roles)) or "no role"
    text = f"{operation.name} needs the role {may}; {caller.name} has {has}. Add-RoleGroupMember gives a role."
    raise RoleMissing(text)


def _what_if(operation: Operation, given: Input) -> str:
    target = next((_target(getattr(given, field)) for field in operation.positions), "")
    return f'What if: Performing the operation "{operation.name}" on target "{target}".'


def _target(value: object) -> str:
    if isinstance(value, MultiValued):
        return ", ".join(value.applied_to(()))
    return "" if value is None else str(value)
