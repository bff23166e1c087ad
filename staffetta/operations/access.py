"""Objects of the directory, as operations see them: found by name or GUID, within the caller's organisation, changed.

Rule 1: a caller of one organisation is told of another's object what he is told of one that is not there.
Rule 2: every change goes through `changing`, and so into the audit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from staffetta.directory.problems import (
    AlreadyNamed,
    ChangeRefused,
    ForeignOrganization,
    NotConsistent,
    NotThere,
    advice_on,
)
from staffetta.directory.store import Author, Changing, DirectoryUnavailable, Kind, Stored
from staffetta.operations.errors import AlreadyThere, BadParameter, BadValue, NotFound, OperationError, Unavailable
from staffetta.operations.registry import Context
from staffetta.settings.objects import DEFAULT_ORGANIZATION, Section, outside_name


def listed(context: Context, kind: Kind) -> Sequence[Stored]:
    """Return the objects that the caller may see: those of the file first, then by age."""
    with told():
        return context.directory.objects(kind, context.settings, context.caller.organization)


def chosen(context: Context, kind: Kind, identity: str | None, limit: int | None = None) -> Sequence[Stored]:
    """Return the object named, or all, at most `limit`. Raises NotFound."""
    if identity is not None:
        return [found(context, kind, identity)]
    rows = listed(context, kind)
    if limit is not None and len(rows) > limit:
        context.warnings.append(f"There are more results; {limit} are shown. -ResultSize Unlimited shows all.")
    return rows[:limit]


def found(context: Context, kind: Kind, identity: str) -> Stored:
    """Return the object of this name or GUID. Raises NotFound."""
    wanted = identity.strip().lower()
    for stored in listed(context, kind):
        if wanted in (stored.name.lower(), stored.guid):
            return stored
    raise not_found(context, identity)


def not_found(context: Context, identity: str, *, parameter: str = "Identity") -> NotFound:
    """Return the error in Exchange's words."""
    return NotFound(
        f"The operation couldn't be performed because object '{identity}' couldn't be found on "
        f"'{context.settings.hostname}'.",
        parameter=parameter,
    )


def organization_for(context: Context, given: str | None) -> str:
    """Return the organisation that a new object belongs to. Raises NotFound."""
    own = context.caller.organization
    if given is None:
        return own or DEFAULT_ORGANIZATION
    known = {DEFAULT_ORGANIZATION, *(each.name for each in context.settings.organizations)}
    visible = {name.lower(): name for name in known if own is None or name == own}
    if given.lower() not in visible:
        raise BadParameter(
            f"There is no organization '{given}'; Get-Organization lists them.", parameter="Organization"
        )
    return visible[given.lower()]


def made(section: type[Section], **values: Any) -> Section:
    """Return the object. Raises BadValue."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = outside_name(str(first["loc"][0])) if first["loc"] else None
        raise BadValue(f"Cannot validate argument on parameter '{name}'. {first['msg']}", parameter=name) from None


def put(context: Context, operation: str, kind: Kind, value: Section, *, guid: str | None = None) -> Stored:
    """Add an object, or with guid replace one, and warn of what it says that is likely not meant.

    Raises OperationError.
    """
    with changing(context, operation) as change:
        stored = change.put(kind, value, guid=guid)
    with told():
        for advice in advice_on(context.directory.merged(context.settings), kind, stored.name):
            context.warnings.append(f"{outside_name(advice.key)}: {advice.text}.")
    return stored


def tried(context: Context, operation: str, kind: Kind, value: Section, *, guid: str | None = None) -> None:
    """Do as put() would, change nothing, and warn likewise. Raises OperationError."""
    with changing(context, operation, only_try=True) as change:
        stored = change.put(kind, value, guid=guid)
        present = {each.guid: each.value for each in change.objects(kind)}
    foreseen = context.settings.model_copy(update={kind.value: tuple(present.values())})
    for advice in advice_on(foreseen, kind, stored.name):
        context.warnings.append(f"{outside_name(advice.key)}: {advice.text}.")


def remove(context: Context, operation: str, kind: Kind, identity: str) -> None:
    """Remove the object of this name or GUID. Raises OperationError."""
    stored = found(context, kind, identity)
    with changing(context, operation) as change:
        change.remove(stored)


@contextmanager
def changing(context: Context, operation: str, *, only_try: bool = False) -> Iterator[Changing]:
    """Change objects, all or none, in the caller's name. Raises OperationError for what the directory refuses.

    only_try: check everything, and change nothing.
    """
    caller = context.caller
    author = Author(caller.name, caller.source, operation, address=caller.address, organization=caller.organization)
    with told(), context.directory.change(context.settings, author, only_try=only_try) as change:
        yield change


@contextmanager
def told() -> Iterator[None]:
    """Turn every way in which the directory refuses into an OperationError."""
    try:
        yield
    except AlreadyNamed as error:
        raise AlreadyThere(str(error), parameter="Name") from error
    except (NotThere, ForeignOrganization) as error:
        raise NotFound(str(error), parameter="Identity") from error
    except NotConsistent as error:
        raise OperationError(str(error), parameter=outside_name(error.problems[0].key)) from error
    except ChangeRefused as error:
        raise OperationError(str(error)) from error
    except DirectoryUnavailable as error:
        raise Unavailable(str(error)) from error
