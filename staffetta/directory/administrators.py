"""People who administer. Each has a password here, or none, and roles by the groups that he is a member of."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from staffetta.directory.changing import Changing
from staffetta.directory.problems import AlreadyNamed, ChangeRefused, NotThere
from staffetta.directory.role_groups import check_somebody_manages, roles_of
from staffetta.directory.store import Directory
from staffetta.directory.tokens import end_starter_token

_WORDS = "administrator"
_COLUMNS = (
    "number, name, organization, password_hash, enabled, created_at, signed_in_at, "
    "EXISTS (SELECT 1 FROM code_app WHERE administrator = number), "
    "(SELECT count(*) FROM passkey WHERE administrator = number)"
)


@dataclass(frozen=True, slots=True)
class Administrator:
    """organization: the only one that he sees; None: all. created_at, signed_in_at: seconds since 1970."""

    number: int
    name: str
    organization: str | None
    roles: frozenset[str]
    has_password: bool
    has_code_app: bool
    passkeys: int
    enabled: bool
    created_at: float
    signed_in_at: float | None


def administrators(directory: Directory, organization: str | None = None) -> Sequence[Administrator]:
    """Return the administrators by age; organization: of this one alone."""
    with directory.reading() as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM administrator WHERE ?1 IS NULL OR organization = ?1 COLLATE NOCASE "
            "ORDER BY number",
            (organization,),
        )
        return [_administrator(connection, row) for row in rows.fetchall()]


def add_administrator(
    changing: Changing, name: str, *, organization: str | None = None, password_hash: str | None = None
) -> None:
    """Add an administrator, who has no role yet.

    Raises AlreadyNamed, NotThere, ForeignOrganization, ChangeRefused.
    """
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise ChangeRefused(f"{name!r} is no name for an administrator; write one without spaces at its ends.")
    organization = changing.organization_named(organization)
    changing.check_organization(organization, _WORDS, name)
    taken = changing.connection.execute("SELECT 1 FROM administrator WHERE name_key = ?", (name.casefold(),))
    if taken.fetchone():
        raise AlreadyNamed(_WORDS, name)
    changing.connection.execute(
        "INSERT INTO administrator (name, name_key, organization, password_hash, enabled, created_at) "
        "VALUES (?, ?, ?, ?, 1, ?)",
        (name, name.casefold(), organization, password_hash, changing.at),
    )
    changing.audit(_WORDS, name, organization, after=_shown(find_administrator(changing.connection, name)))


def set_password(changing: Changing, name: str, password_hash: str | None) -> None:
    """Replace the password, and end every sign-in; None: no password opens any more. Raises NotThere."""
    before = _own(changing, name)
    changing.connection.execute(
        "UPDATE administrator SET password_hash = ? WHERE number = ?", (password_hash, before.number)
    )
    changing.connection.execute("DELETE FROM sign_in WHERE administrator = ?", (before.number,))
    was, now = ("set" if before.has_password else None), ("changed" if password_hash else None)
    changing.audit(_WORDS, before.name, before.organization, before={"Password": was}, after={"Password": now})


def set_enabled(changing: Changing, name: str, enabled: bool) -> None:
    """Let in, or shut out and end every sign-in. Raises NotThere, ChangeRefused for the last one who may do all."""
    before = _own(changing, name)
    if before.enabled == enabled:
        return
    changing.connection.execute("UPDATE administrator SET enabled = ? WHERE number = ?", (enabled, before.number))
    if not enabled:
        changing.connection.execute("DELETE FROM sign_in WHERE administrator = ?", (before.number,))
        end_starter_token(changing, before.name)
        check_somebody_manages(changing)
    changing.audit(
        _WORDS, before.name, before.organization, before={"Enabled": before.enabled}, after={"Enabled": enabled}
    )


def remove_administrator(changing: Changing, name: str) -> None:
    """Remove an administrator with memberships and sign-ins. Raises NotThere, ChangeRefused for the last manager."""
    before = _own(changing, name)
    changing.connection.execute("DELETE FROM administrator WHERE number = ?", (before.number,))
    end_starter_token(changing, before.name)
    changing.audit(_WORDS, before.name, before.organization, before=_shown(before))
    check_somebody_manages(changing)


def find_administrator(connection: sqlite3.Connection, name: str) -> Administrator:
    """Return the administrator of this name, in any case of letters. Raises NotThere."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM administrator WHERE name_key = ?", (name.casefold(),)).fetchone()
    if row is None:
        raise NotThere(_WORDS, name)
    return _administrator(connection, row)


def _own(changing: Changing, name: str) -> Administrator:
    found = find_administrator(changing.connection, name)
    changing.check_organization(found.organization, _WORDS, found.name)
    return found


def _administrator(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Administrator:
    number, name, organization, password_hash, enabled, created_at, signed_in_at, has_code_app, passkeys = row
    return Administrator(
        number=number,
        name=name,
        organization=organization,
        roles=roles_of(connection, number),
        has_password=password_hash is not None,
        has_code_app=bool(has_code_app),
        passkeys=passkeys,
        enabled=bool(enabled),
        created_at=created_at,
        signed_in_at=signed_in_at,
    )


def _shown(administrator: Administrator) -> dict[str, Any]:
    return {
        "Name": administrator.name,
        "Organization": administrator.organization,
        "Roles": sorted(administrator.roles),
        "HasPassword": administrator.has_password,
        "Enabled": administrator.enabled,
    }
