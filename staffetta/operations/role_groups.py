"""Role groups: what they may do, and who is in them.

Rule: who sees one organisation alone gives nobody sight of another; the directory refuses it.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.directory import role_groups
from staffetta.operations.access import changing, not_found, told
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, MultiValued, Output, ResultSize, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.operations.roles import Role

GroupIdentity = Annotated[str, Field(description="Name of the role group.")]
Member = Annotated[str, Field(description="Name of the administrator.")]
Roles = Annotated[tuple[str, ...], Field(description="What may be done.")]


class RoleGroupRow(Output):
    name: Annotated[str, Field(description="Its name.")]
    identity: Annotated[str, Field(description="The name.")]
    roles: Roles
    members: Annotated[tuple[str, ...], Field(description="Administrators, by age.")]
    is_built_in: Annotated[bool, Field(description="Whether it is one of those that are always there.")]


class RoleGroupMemberRow(Output):
    name: Member
    identity: Annotated[str, Field(description="The name.")]
    recipient_type: Annotated[str, Field(description="Always `User`.")]


class RoleAssignmentRow(Output):
    name: Annotated[str, Field(description="Role and assignee.")]
    role: Annotated[str, Field(description="What may be done.")]
    role_assignee_name: Annotated[str, Field(description="The role group.")]
    role_assignee_type: Annotated[str, Field(description="Always `RoleGroup`.")]


class GetRoleGroup(Input):
    identity: Annotated[str | None, Field(description="Name of the role group.")] = None
    result_size: ResultSize = RESULTS_DEFAULT


class NewRoleGroup(Input):
    name: Annotated[str, Field(description="Its name.")]
    roles: Annotated[MultiValued, Field(description="Names of built-in role groups, each a role.")]


class RemoveRoleGroup(Input):
    identity: GroupIdentity


class GetRoleGroupMember(Input):
    identity: GroupIdentity
    result_size: ResultSize = RESULTS_DEFAULT


class ChangeRoleGroupMember(Input):
    identity: GroupIdentity
    member: Member
    bypass_security_group_manager_check: Annotated[
        Switch, Field(description="Kept for Exchange's sake; changes nothing.")
    ] = False


class GetManagementRoleAssignment(Input):
    role: Annotated[str | None, Field(description="Only of this role.")] = None
    role_assignee: Annotated[str | None, Field(description="Only of this role group, or this administrator.")] = None


def get_role_group(context: Context, given: GetRoleGroup) -> Iterable[Output]:
    return [
        RoleGroupRow(
            name=group.name,
            identity=group.name,
            roles=group.roles,
            members=group.members,
            is_built_in=group.is_built_in,
        )
        for group in _groups(context, given.identity)[: given.result_size]
    ]


def new_role_group(context: Context, given: NewRoleGroup) -> Iterable[Output]:
    roles = checked_roles(given.roles)
    with changing(context, "New-RoleGroup") as change:
        role_groups.add_role_group(change, given.name, roles)
    return get_role_group(context, GetRoleGroup(identity=given.name))


def remove_role_group(context: Context, given: RemoveRoleGroup) -> Iterable[Output]:
    with changing(context, "Remove-RoleGroup") as change:
        role_groups.remove_role_group(change, given.identity)
    return []


def get_member(context: Context, given: GetRoleGroupMember) -> Iterable[Output]:
    (group,) = _groups(context, given.identity)
    return [
        RoleGroupMemberRow(name=name, identity=name, recipient_type="User")
        for name in group.members[: given.result_size]
    ]


def add_member(context: Context, given: ChangeRoleGroupMember) -> Iterable[Output]:
    with changing(context, "Add-RoleGroupMember") as change:
        role_groups.add_member(change, given.identity, given.member)
    return []


def remove_member(context: Context, given: ChangeRoleGroupMember) -> Iterable[Output]:
    with changing(context, "Remove-RoleGroupMember") as change:
        role_groups.remove_member(change, given.identity, given.member)
    return []


def get_assignment(context: Context, given: GetManagementRoleAssignment) -> Iterable[Output]:
    assignee = given.role_assignee.casefold() if given.role_assignee else None
    return [
        RoleAssignmentRow(
            name=f"{role}-{group.name}", role=role, role_assignee_name=group.name, role_assignee_type="RoleGroup"
        )
        for group in _groups(context, None)
        for role in group.roles
        if given.role is None or role.casefold() == given.role.casefold()
        if assignee is None or assignee in (name.casefold() for name in (group.name, *group.members))
    ]


def checked_roles(given: MultiValued) -> tuple[str, ...]:
    """Return the roles as they are spelt. Raises BadValue."""
    known = {role.casefold(): role for role in Role}
    roles = given.applied_to(())
    for role in roles:
        if role.casefold() not in known:
            raise BadValue(f"There is no role '{role}'; the roles are: {', '.join(Role)}.", parameter="Roles")
    return tuple(known[role.casefold()] for role in roles)


def _groups(context: Context, identity: str | None) -> list[role_groups.RoleGroup]:
    """All groups, or the one of this name. Raises NotFound."""
    with told():
        groups = list(role_groups.role_groups(context.directory, context.caller.organization))
    if identity is None:
        return groups
    found = [group for group in groups if group.name.casefold() == identity.strip().casefold()]
    if not found:
        raise not_found(context, identity)
    return found


OPERATIONS = (
    Operation(
        "Get",
        "RoleGroup",
        "Show role groups, what they may do, and who is in them.",
        GetRoleGroup,
        RoleGroupRow,
        READ,
        get_role_group,
        positions=("identity",),
        columns=("name", "roles", "members"),
        example="'Help Desk'",
    ),
    Operation(
        "New",
        "RoleGroup",
        "Make a role group with roles of built-in ones.",
        NewRoleGroup,
        RoleGroupRow,
        CHANGE,
        new_role_group,
        is_change=True,
        positions=("name",),
        columns=("name", "roles", "members"),
        example="Support -Roles 'Help Desk','View-Only Organization Management'",
    ),
    Operation(
        "Remove",
        "RoleGroup",
        "Remove a role group; its members stay administrators.",
        RemoveRoleGroup,
        None,
        CHANGE,
        remove_role_group,
        is_change=True,
        positions=("identity",),
        example="Support",
    ),
    Operation(
        "Get",
        "RoleGroupMember",
        "Show who is in a role group.",
        GetRoleGroupMember,
        RoleGroupMemberRow,
        READ,
        get_member,
        positions=("identity",),
        columns=("name", "recipient_type"),
        example="'Organization Management'",
    ),
    Operation(
        "Add",
        "RoleGroupMember",
        "Give an administrator the roles of a group.",
        ChangeRoleGroupMember,
        None,
        CHANGE,
        add_member,
        is_change=True,
        positions=("identity",),
        example="'Help Desk' -Member ada",
    ),
    Operation(
        "Remove",
        "RoleGroupMember",
        "Take the roles of a group from an administrator.",
        ChangeRoleGroupMember,
        None,
        CHANGE,
        remove_member,
        is_change=True,
        positions=("identity",),
        example="'Help Desk' -Member ada",
    ),
    Operation(
        "Get",
        "ManagementRoleAssignment",
        "Show which role group has which role.",
        GetManagementRoleAssignment,
        RoleAssignmentRow,
        READ,
        get_assignment,
        columns=("name", "role", "role_assignee_name"),
        example="-RoleAssignee ada",
    ),
)
