"""Administrators: people who sign in. What they may do, their role groups say.

Rule: who sees one organisation alone gives nobody sight of another; the directory refuses it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.directory import administrators
from staffetta.directory.administrators import Administrator
from staffetta.directory.second_factors import forget_second_factors
from staffetta.operations.access import changing, not_found, told
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.settings.passwords import hash_password, new_password

Name = Annotated[str, Field(description="Name that he signs in with.")]
Member = Annotated[str, Field(description="Name of the administrator.")]
Roles = Annotated[tuple[str, ...], Field(description="What may be done.")]
OrganizationName = Annotated[str | None, Field(description="The only organisation that is seen; nothing for all.")]


class AdministratorRow(Output):
    name: Name
    identity: Annotated[str, Field(description="The name.")]
    enabled: Annotated[bool, Field(description="Whether he may sign in.")]
    roles: Roles
    organization: OrganizationName
    has_password: Annotated[bool, Field(description="Whether a password lets him in.")]
    has_code_app: Annotated[bool, Field(description="Whether a code of an app is asked for after the password.")]
    passkeys: Annotated[int, Field(description="How many passkeys let him in.")]
    when_created_utc: Annotated[datetime, Field(description="When he was added.")]
    last_sign_in_utc: Annotated[datetime | None, Field(description="When he signed in last.")]


class NewAdministratorRow(Output):
    name: Name
    identity: Annotated[str, Field(description="The name.")]
    password: Annotated[str, Field(description="To sign in with: it is shown this once.")]


class GetAdministrator(Input):
    identity: Annotated[str | None, Field(description="Name of the administrator.")] = None
    result_size: ResultSize = RESULTS_DEFAULT


class NewAdministrator(Input):
    name: Name
    organization: OrganizationName = None


class SetAdministrator(Input):
    identity: Member
    enabled: Annotated[bool | None, Field(description="Whether he may sign in; false ends his sign-ins.")] = None
    reset_password: Annotated[Switch, Field(description="Make a new password, show it once, end his sign-ins.")] = False
    reset_second_factors: Annotated[
        Switch, Field(description="Ask for no code and take his passkeys back, for who has lost them.")
    ] = False


class RemoveAdministrator(Input):
    identity: Member


def get_administrator(context: Context, given: GetAdministrator) -> Iterable[Output]:
    with told():
        people = administrators.administrators(context.directory, context.caller.organization)
    if given.identity is not None:
        people = [each for each in people if each.name.casefold() == given.identity.casefold()]
        if not people:
            raise not_found(context, given.identity)
    return [_administrator_row(each) for each in people[: given.result_size]]


def new_administrator(context: Context, given: NewAdministrator) -> Iterable[Output]:
    password = new_password()
    with changing(context, "New-Administrator") as change:
        administrators.add_administrator(
            change,
            given.name,
            organization=given.organization or context.caller.organization,
            password_hash=hash_password(password),
        )
    context.warnings.append("He has no role yet; Add-RoleGroupMember gives one.")
    return [NewAdministratorRow(name=given.name, identity=given.name, password=password)]


def set_administrator(context: Context, given: SetAdministrator) -> Iterable[Output]:
    password = new_password() if given.reset_password else None
    hashed = hash_password(password) if password else None
    with changing(context, "Set-Administrator") as change:
        if given.enabled is not None:
            administrators.set_enabled(change, given.identity, given.enabled)
        if hashed is not None:
            administrators.set_password(change, given.identity, hashed)
        if given.reset_second_factors:
            forget_second_factors(change, given.identity)
    if password is None:
        return []
    return [NewAdministratorRow(name=given.identity, identity=given.identity, password=password)]


def remove_administrator(context: Context, given: RemoveAdministrator) -> Iterable[Output]:
    with changing(context, "Remove-Administrator") as change:
        administrators.remove_administrator(change, given.identity)
    return []


def _administrator_row(person: Administrator) -> AdministratorRow:
    return AdministratorRow(
        name=person.name,
        identity=person.name,
        enabled=person.enabled,
        roles=tuple(sorted(person.roles)),
        organization=person.organization,
        has_password=person.has_password,
        has_code_app=person.has_code_app,
        passkeys=person.passkeys,
        when_created_utc=datetime.fromtimestamp(person.created_at, UTC),
        last_sign_in_utc=None if person.signed_in_at is None else datetime.fromtimestamp(person.signed_in_at, UTC),
    )


OPERATIONS = (
    Operation(
        "Get",
        "Administrator",
        "Show administrators and their roles.",
        GetAdministrator,
        AdministratorRow,
        READ,
        get_administrator,
        positions=("identity",),
        columns=("name", "enabled", "roles", "organization"),
        example="ada",
    ),
    Operation(
        "New",
        "Administrator",
        "Add an administrator, and show the password once.",
        NewAdministrator,
        NewAdministratorRow,
        CHANGE,
        new_administrator,
        is_change=True,
        positions=("name",),
        columns=("name", "password"),
        example="ada",
    ),
    Operation(
        "Set",
        "Administrator",
        "Shut an administrator out, let him in, make a new password, or forget code app and passkeys.",
        SetAdministrator,
        NewAdministratorRow,
        CHANGE,
        set_administrator,
        is_change=True,
        positions=("identity",),
        columns=("name", "password"),
        example="ada -ResetPassword",
    ),
    Operation(
        "Remove",
        "Administrator",
        "Remove an administrator with memberships and sign-ins.",
        RemoveAdministrator,
        None,
        CHANGE,
        remove_administrator,
        is_change=True,
        positions=("identity",),
        example="ada",
    ),
)
