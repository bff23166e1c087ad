"""Role groups: names for sets of roles, and who is a member. The four built-in groups are the roles themselves."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.directory.changing import Changing
from staffetta.directory.problems import AlreadyNamed, ChangeRefused, NotThere
from staffetta.directory.store import Directory

ORGANIZATION_MANAGEMENT = "Organization Management"
"""The role that may do everything; somebody must keep it."""
_WORDS = "role group"


@dataclass(frozen=True, slots=True)
class RoleGroup:
    """roles: names of built-in groups, each a role. members: names of administrators, by age."""

    name: str
    roles: tuple[str, ...]
    members: tuple[str, ...]
    is_built_in: bool


def role_groups(directory: Directory, organization: str | None = None) -> Sequence[RoleGroup]:
    """Return all groups, the built-in ones first. organization: show members of this one alone."""
    with directory.reading() as connection:
        rows = connection.execute("SELECT number, name, roles, is_built_in FROM role_group ORDER BY number").fetchall()
        return [
            RoleGroup(name, tuple(json.loads(roles)), _members(connection, number, organization), bool(is_built_in))
            for number, name, roles, is_built_in in rows
        ]


def add_role_group(changing: Changing, name: str, roles: Sequence[str]) -> None:
    """Make a group. Raises AlreadyNamed, ChangeRefused."""
    changing.check_organization(None, _WORDS, name)
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise ChangeRefused(f"{name!r} is no name for a role group; write one without spaces at its ends.")
    known = checked_roles(changing.connection, roles)
    if _find(changing.connection, name) is not None:
        raise AlreadyNamed(_WORDS, name)
    changing.connection.execute(
        "INSERT INTO role_group (name, name_key, roles, is_built_in) VALUES (?, ?, ?, 0)",
        (name, name.casefold(), json.dumps(known)),
    )
    changing.audit(_WORDS, name, None, after={"Roles": known, "Members": []})


def remove_role_group(changing: Changing, name: str) -> None:
    """Remove a group; its members stay administrators. Raises NotThere, ChangeRefused for a built-in one."""
    changing.check_organization(None, _WORDS, name)
    number, name, roles, is_built_in = _found(changing.connection, name)
    if is_built_in:
        raise ChangeRefused(f"The role group {name!r} is built in; remove its members instead.")
    members = _members(changing.connection, number)
    changing.connection.execute("DELETE FROM role_group WHERE number = ?", (number,))
    changing.audit(_WORDS, name, None, before={"Roles": json.loads(roles), "Members": members})
    check_somebody_manages(changing)


def add_member(changing: Changing, group: str, member: str) -> None:
    """Add an administrator to a group. Raises NotThere, ForeignOrganization; ChangeRefused for a member already."""
    number, group, person, member, organization = _pair(changing, group, member)
    before = _members(changing.connection, number)
    if member in before:
        raise ChangeRefused(f"{member!r} is a member of {group!r} already.")
    changing.connection.execute("INSERT INTO role_group_member VALUES (?, ?)", (number, person))
    _audit_members(changing, number, group, organization, before)


def remove_member(changing: Changing, group: str, member: str) -> None:
    """Take an administrator out of a group. Raises NotThere, ForeignOrganization, ChangeRefused for the last one."""
    number, group, person, member, organization = _pair(changing, group, member)
    before = _members(changing.connection, number)
    if member not in before:
        raise NotThere(f"member of {group!r}", member)
    changing.connection.execute(
        "DELETE FROM role_group_member WHERE (role_group, administrator) = (?, ?)", (number, person)
    )
    _audit_members(changing, number, group, organization, before)
    check_somebody_manages(changing)


def roles_of(connection: sqlite3.Connection, administrator: int) -> frozenset[str]:
    """Return the roles that an administrator's groups give."""
    rows = connection.execute(
        "SELECT roles FROM role_group JOIN role_group_member ON role_group = number WHERE administrator = ?",
        (administrator,),
    )
    return frozenset(role for (roles,) in rows for role in json.loads(roles))


def checked_roles(connection: sqlite3.Connection, roles: Sequence[str]) -> list[str]:
    """Return the roles as they are spelt. Raises ChangeRefused for one that is not there, and for none at all."""
    rows = connection.execute("SELECT name_key, name FROM role_group WHERE is_built_in ORDER BY number")
    known = dict(rows.fetchall())
    unknown = [role for role in roles if role.casefold() not in known]
    if unknown or not roles:
        what = f"There is no role {unknown[0]!r}" if unknown else "No role is named"
        raise ChangeRefused(f"{what}; the roles are: {', '.join(known.values())}.")
    return list(dict.fromkeys(known[role.casefold()] for role in roles))


def check_somebody_manages(changing: Changing) -> None:
    """Raise ChangeRefused where a change would leave nobody who may do everything."""
    managers = changing.connection.execute(
        "SELECT 1 FROM role_group_member m JOIN administrator a ON m.administrator = a.number "
        "JOIN role_group g ON m.role_group = g.number, json_each(g.roles) role "
        "WHERE a.enabled AND a.organization IS NULL AND role.value = ? LIMIT 1",
        (ORGANIZATION_MANAGEMENT,),
    )
    if managers.fetchone() is None:
        raise ChangeRefused(
            f"That would leave nobody in {ORGANIZATION_MANAGEMENT!r} for all organisations; add somebody else first."
        )


def _find(connection: sqlite3.Connection, name: str) -> tuple[int, str, str, int] | None:
    row: tuple[int, str, str, int] | None = connection.execute(
        "SELECT number, name, roles, is_built_in FROM role_group WHERE name_key = ?", (name.casefold(),)
    ).fetchone()
    return row


def _found(connection: sqlite3.Connection, name: str) -> tuple[int, str, str, int]:
    row = _find(connection, name)
    if row is None:
        raise NotThere(_WORDS, name)
    return row


def _pair(changing: Changing, group: str, member: str) -> tuple[int, str, int, str, str | None]:
    """Numbers and names of group and administrator, and the administrator's organisation."""
    number, group, _, _ = _found(changing.connection, group)
    row = changing.connection.execute(
        "SELECT number, name, organization FROM administrator WHERE name_key = ?", (member.casefold(),)
    ).fetchone()
    if row is None:
        raise NotThere("administrator", member)
    person, member, organization = row
    changing.check_organization(organization, "administrator", member)
    return number, group, person, member, organization


def _members(connection: sqlite3.Connection, group: int, organization: str | None = None) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT name FROM administrator JOIN role_group_member ON administrator = number "
        "WHERE role_group = ?1 AND (?2 IS NULL OR organization = ?2 COLLATE NOCASE) ORDER BY number",
        (group, organization),
    )
    return tuple(name for (name,) in rows)


def _audit_members(
    changing: Changing, number: int, group: str, organization: str | None, before: tuple[str, ...]
) -> None:
    after = _members(changing.connection, number)
    changing.audit(_WORDS, group, organization, before={"Members": before}, after={"Members": after})
