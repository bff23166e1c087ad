"""API tokens: for programs. Each has roles, perhaps one organisation, and an end; its text is shown once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from staffetta.directory.bearer import digest, new_secret
from staffetta.directory.changing import Changing
from staffetta.directory.problems import AlreadyNamed, ChangeRefused, NotThere
from staffetta.directory.role_groups import checked_roles
from staffetta.directory.store import Directory

PREFIX = "staffetta_"
_WORDS = "API token"
_NOTED_AGAIN_SECONDS = 60.0  # its use is written down at most so often: a write is a sync of the disk
_COLUMNS = "number, name, organization, roles, created_by, created_at, expires_at, used_at"


@dataclass(frozen=True, slots=True)
class Token:
    """organization: the only one that it sees; None: all. Times are seconds since 1970."""

    number: int
    name: str
    organization: str | None
    roles: frozenset[str]
    created_by: str
    created_at: float
    expires_at: float
    used_at: float | None


def tokens(directory: Directory, organization: str | None = None) -> Sequence[Token]:
    """Return the tokens by age, expired ones too; organization: of this one alone."""
    with directory.reading() as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM token WHERE ?1 IS NULL OR organization = ?1 COLLATE NOCASE ORDER BY number",
            (organization,),
        )
        return [_token(row) for row in rows]


def add_token(
    changing: Changing, name: str, roles: Sequence[str], *, expires_at: float, organization: str | None = None
) -> str:
    """Make a token and return its text, which is kept nowhere.

    Raises AlreadyNamed, NotThere, ForeignOrganization, ChangeRefused.
    """
    if not name.strip() or not name.isprintable():
        raise ChangeRefused(f"{name!r} is no name for a token; write what it is for.")
    if expires_at <= changing.at:
        raise ChangeRefused("The token would have expired already; give it a time to come.")
    organization = changing.organization_named(organization)
    changing.check_organization(organization, _WORDS, name)
    known = checked_roles(changing.connection, roles)
    taken = changing.connection.execute("SELECT 1 FROM token WHERE name_key = ?", (name.casefold(),))
    if taken.fetchone():
        raise AlreadyNamed(_WORDS, name)
    secret = new_secret(PREFIX)
    changing.connection.execute(
        "INSERT INTO token (name, name_key, organization, roles, digest, created_by, created_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name,
            name.casefold(),
            organization,
            json.dumps(known),
            digest(secret),
            changing.author.actor,
            changing.at,
            expires_at,
        ),
    )
    shown = {"Name": name, "Organization": organization, "Roles": known, "ExpiresAt": expires_at}
    changing.audit(_WORDS, name, organization, after=shown)
    return secret


def add_starter_token(changing: Changing, name: str, roles: Sequence[str], *, expires_at: float) -> str:
    """Make the token with which an administrator begins; it ends with him."""
    return add_token(changing, _starter_name(name), roles, expires_at=expires_at)


def end_starter_token(changing: Changing, name: str) -> None:
    """Remove it, where it is still there: its administrator is gone, or shut out."""
    row = changing.connection.execute(
        f"SELECT {_COLUMNS} FROM token WHERE name_key = ? AND created_by = ?", (_starter_name(name).casefold(), name)
    ).fetchone()
    if row is not None:
        _remove(changing, _token(row))


def _starter_name(administrator: str) -> str:
    return f"{administrator}, to begin with"


def remove_token(changing: Changing, name: str) -> None:
    """Remove a token: the next request with it is refused. Raises NotThere, ForeignOrganization."""
    row = changing.connection.execute(f"SELECT {_COLUMNS} FROM token WHERE name_key = ?", (name.casefold(),)).fetchone()
    if row is None:
        raise NotThere(_WORDS, name)
    token = _token(row)
    changing.check_organization(token.organization, _WORDS, token.name)
    _remove(changing, token)


def _remove(changing: Changing, token: Token) -> None:
    changing.connection.execute("DELETE FROM token WHERE number = ?", (token.number,))
    shown = {"Name": token.name, "Organization": token.organization, "Roles": sorted(token.roles)}
    changing.audit(_WORDS, token.name, token.organization, before=shown)


def holder(directory: Directory, secret: str) -> Token | None:
    """Return the token of this text; None where there is none, or it has expired. Notes that it was used."""
    now = directory.now()
    with directory.reading() as connection:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM token WHERE digest = ? AND expires_at > ?", (digest(secret), now)
        ).fetchone()
    if row is None:
        return None
    token = _token(row)
    if token.used_at is None or now - token.used_at >= _NOTED_AGAIN_SECONDS:
        with directory.noting() as connection:
            connection.execute("UPDATE token SET used_at = ? WHERE number = ?", (now, token.number))
    return token


def _token(row: tuple[Any, ...]) -> Token:
    number, name, organization, roles, *rest = row
    return Token(number, name, organization, frozenset(json.loads(roles)), *rest)
