"""Get-ManagementRoleEntry: which cmdlets a role may do, under Exchange's name for it."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.operations.duties import READ
from staffetta.operations.errors import BadValue
from staffetta.operations.filters import like
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation, operations
from staffetta.operations.roles import Role


class GetManagementRoleEntry(Input):
    identity: Annotated[
        str, Field(description="Role and cmdlet, such as `Help Desk\\Retry-*`; `*` is any text on either side.")
    ] = "*\\*"


class RoleEntryRow(Output):
    name: Annotated[str, Field(description="The cmdlet.")]
    role: Annotated[str, Field(description="The role.")]
    is_change: Annotated[bool, Field(description="Whether it changes something.")]
    parameters: Annotated[tuple[str, ...], Field(description="What it takes.")]
    description: Annotated[str, Field(description="What it does.")]


def get(context: Context, given: GetManagementRoleEntry) -> Iterable[Output]:
    role_wanted, _, cmdlet_wanted = given.identity.strip().rpartition("\\")
    if not role_wanted:
        raise BadValue(f"{given.identity!r}: write ROLE\\CMDLET, such as *\\Get-Queue.", parameter="Identity")
    is_role, is_cmdlet = like(role_wanted), like(cmdlet_wanted)
    return [
        RoleEntryRow(
            name=operation.name,
            role=role,
            is_change=operation.is_change,
            parameters=tuple(each.name for each in operation.parameters),
            description=operation.summary,
        )
        for role in Role
        if is_role(role)
        for operation in operations()
        if role in operation.roles and is_cmdlet(operation.name)
    ]


OPERATIONS = (
    Operation(
        "Get",
        "ManagementRoleEntry",
        "Show which cmdlets a role may do.",
        GetManagementRoleEntry,
        RoleEntryRow,
        READ,
        get,
        positions=("identity",),
        columns=("name", "role", "is_change"),
        example="'Help Desk\\*'",
    ),
)
