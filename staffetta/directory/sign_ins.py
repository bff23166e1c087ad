"""Sign-ins of administrators: from a password, or the one-time code of the first, to a secret that a cookie holds.

A sign-in ends when it was not used for half an hour, after twelve hours, with the administrator, and with his password.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.directory.administrators import Administrator, add_administrator, find_administrator
from staffetta.directory.bearer import digest, new_secret
from staffetta.directory.changing import Changing
from staffetta.directory.problems import ChangeRefused, NotThere
from staffetta.directory.role_groups import ORGANIZATION_MANAGEMENT, add_member
from staffetta.directory.store import Directory

IDLE_SECONDS = 1800.0
LENGTH_SECONDS = 12 * 3600.0
SIGN_INS_MAX = 20
"""Of one administrator; with one more, the one that was not used for the longest ends."""
_NOTED_AGAIN_SECONDS = 60.0
_IDENTITY_OCTETS = 8
_WORDS = "sign-in"
CODE_REFUSED = "This code does not open: it was used, or the relay has started again since and printed another one."
_CODE_PREFIX = "first-"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One that goes on. identity: names it, and opens nothing. Times are seconds since 1970."""

    identity: str
    administrator: str
    organization: str | None
    address: str | None
    began_at: float
    used_at: float
    ends_at: float


def password_hash_of(directory: Directory, name: str) -> str | None:
    """Return what the password of an administrator is checked against; None where none opens, or he is shut out."""
    with directory.reading() as connection:
        row = connection.execute(
            "SELECT password_hash FROM administrator WHERE name_key = ? AND enabled", (name.casefold(),)
        ).fetchone()
    return row[0] if row else None


def begin(changing: Changing, name: str) -> str:
    """Sign an administrator in, whose proof was checked, and return the secret. Raises NotThere."""
    person = find_administrator(changing.connection, name)
    if not person.enabled:
        raise NotThere("administrator", name)
    secret = new_secret("")
    changing.connection.execute("DELETE FROM sign_in WHERE ends_at <= ? OR used_at <= ?", _ended(changing.at))
    changing.connection.execute(
        "INSERT INTO sign_in (digest, administrator, address, began_at, used_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)",
        (
            digest(secret),
            person.number,
            changing.author.address,
            changing.at,
            changing.at,
            changing.at + LENGTH_SECONDS,
        ),
    )
    changing.connection.execute(
        "DELETE FROM sign_in WHERE administrator = ?1 AND digest NOT IN "
        "(SELECT digest FROM sign_in WHERE administrator = ?1 ORDER BY used_at DESC, began_at DESC LIMIT ?2)",
        (person.number, SIGN_INS_MAX),
    )
    changing.connection.execute(
        "UPDATE administrator SET signed_in_at = ? WHERE number = ?", (changing.at, person.number)
    )
    changing.audit(_WORDS, person.name, person.organization, after={"Address": changing.author.address})
    return secret


def signed_in(directory: Directory, secret: str, *, is_use: bool = True) -> Administrator | None:
    """Return who signed in with this secret; None where nobody did, or it has ended. is_use: note that it was used."""
    now = directory.now()
    key = digest(secret)
    with directory.reading() as connection:
        row = connection.execute(
            "SELECT name, used_at FROM sign_in JOIN administrator ON administrator = number "
            "WHERE digest = ? AND enabled AND ends_at > ? AND used_at > ?",
            (key, *_ended(now)),
        ).fetchone()
        if row is None:
            return None
        person = find_administrator(connection, row[0])
    if is_use and now - row[1] >= _NOTED_AGAIN_SECONDS:
        with directory.noting() as connection:
            connection.execute("UPDATE sign_in SET used_at = ? WHERE digest = ?", (now, key))
    return person


def end(changing: Changing, secret: str) -> None:
    """Sign out. One that has ended already is left so."""
    row = changing.connection.execute(
        "DELETE FROM sign_in WHERE digest = ? RETURNING administrator, address", (digest(secret),)
    ).fetchone()
    if row is not None:
        name, organization = changing.connection.execute(
            "SELECT name, organization FROM administrator WHERE number = ?", row[:1]
        ).fetchone()
        changing.audit(_WORDS, name, organization, before={"Address": row[1]})


def identity_of(secret: str) -> str:
    """Return what names the sign-in of this secret."""
    return digest(secret)[:_IDENTITY_OCTETS].hex()


def sign_ins(directory: Directory, organization: str | None = None) -> Sequence[SignIn]:
    """Return the sign-ins that go on, the one that was used last first. organization: of its people alone."""
    with directory.reading() as connection:
        rows = connection.execute(
            "SELECT digest, name, organization, address, began_at, used_at, ends_at FROM sign_in "
            "JOIN administrator ON administrator = number WHERE enabled AND ends_at > ?1 AND used_at > ?2 "
            "AND (?3 IS NULL OR organization = ?3 COLLATE NOCASE) ORDER BY used_at DESC, digest",
            (*_ended(directory.now()), organization),
        )
        return [SignIn(row[0][:_IDENTITY_OCTETS].hex(), *row[1:]) for row in rows.fetchall()]


def end_named(changing: Changing, identity: str) -> None:
    """End the sign-in of this identity. Raises NotThere, ForeignOrganization."""
    rows = changing.connection.execute(
        "SELECT digest, name, organization, address FROM sign_in JOIN administrator ON administrator = number "
        "WHERE lower(hex(substr(digest, 1, ?))) = ?",
        (_IDENTITY_OCTETS, identity.lower()),
    ).fetchall()
    if not rows:
        raise NotThere(_WORDS, identity)
    for key, name, organization, address in rows:
        changing.check_organization(organization, _WORDS, identity)
        changing.connection.execute("DELETE FROM sign_in WHERE digest = ?", (key,))
        changing.audit(_WORDS, name, organization, before={"Address": address})


def new_first_code(directory: Directory) -> str | None:
    """Make the code that makes the first administrator; None where there is one. A code made before opens no more."""
    with directory.noting() as connection:
        if _has_administrator(connection):
            return None
        code = new_secret(_CODE_PREFIX)
        connection.execute("DELETE FROM first_code")
        connection.execute("INSERT INTO first_code VALUES (?)", (digest(code),))
    return code


def first_code_opens(directory: Directory, code: str) -> bool:
    """Whether this is the code of now; it is left as it is."""
    with directory.reading() as connection:
        found = connection.execute("SELECT 1 FROM first_code WHERE digest = ?", (digest(code),)).fetchone()
    return found is not None


def redeem_first_code(changing: Changing, code: str, name: str, password_hash: str) -> None:
    """Make the first administrator, for all organisations. Raises ChangeRefused where the code does not open."""
    used = changing.connection.execute(
        "DELETE FROM first_code WHERE digest = ? RETURNING 1", (digest(code),)
    ).fetchone()
    if used is None or _has_administrator(changing.connection):
        raise ChangeRefused(CODE_REFUSED)
    add_administrator(changing, name, password_hash=password_hash)
    add_member(changing, ORGANIZATION_MANAGEMENT, name)


def _has_administrator(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM administrator LIMIT 1").fetchone() is not None


def _ended(now: float) -> tuple[float, float]:
    """What `ends_at` and `used_at` of a sign-in that has ended are at most."""
    return now, now - IDLE_SECONDS
