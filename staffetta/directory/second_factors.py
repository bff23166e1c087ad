"""What people prove besides a password, or instead of one: codes by time (RFC 6238), and passkeys (WebAuthn).

Rule: a code opens once, and a passkey that counts may not count backwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.directory.administrators import Administrator, find_administrator
from staffetta.directory.changing import Changing
from staffetta.directory.problems import AlreadyNamed, NotThere
from staffetta.directory.store import Directory

_WORDS = "administrator"
_COLUMNS = "credential, administrator.name, passkey.name, public_key, sign_count, passkey.created_at, used_at"


@dataclass(frozen=True, slots=True)
class Passkey:
    """credential: its id. administrator: whose it is. name: what he calls it. Times are seconds since 1970."""

    credential: bytes
    administrator: str
    name: str
    public_key: bytes
    sign_count: int
    created_at: float
    used_at: float | None


def code_secret_of(directory: Directory, name: str) -> str | None:
    """Return the secret of an administrator's codes, in base32; None where he has none."""
    with directory.reading() as connection:
        row = connection.execute(
            "SELECT secret FROM code_app JOIN administrator ON administrator = number WHERE name_key = ?",
            (name.casefold(),),
        ).fetchone()
    return row[0] if row else None


def use_code(directory: Directory, name: str, step: int) -> bool:
    """Use up the code of a step, and all before it; False where it was used already."""
    with directory.noting() as connection:
        used = connection.execute(
            "UPDATE code_app SET last_step = ?2 WHERE last_step < ?2 AND administrator = "
            "(SELECT number FROM administrator WHERE name_key = ?1)",
            (name.casefold(), step),
        )
        return used.rowcount == 1


def set_code_secret(changing: Changing, name: str, secret: str | None, *, step: int = 0) -> None:
    """Ask for codes made from this secret from now on; None: ask for none. step: used up already. Raises NotThere."""
    person = _own(changing, name)
    had = changing.connection.execute("DELETE FROM code_app WHERE administrator = ?", (person.number,)).rowcount > 0
    if secret is not None:
        changing.connection.execute("INSERT INTO code_app VALUES (?, ?, ?)", (person.number, secret, step))
    _audit(changing, person, {"CodeApp": had}, {"CodeApp": secret is not None})


def passkeys(directory: Directory, name: str) -> Sequence[Passkey]:
    """Return an administrator's passkeys, the oldest first."""
    with directory.reading() as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM passkey JOIN administrator ON administrator = number "
            "WHERE name_key = ? ORDER BY passkey.created_at, credential",
            (name.casefold(),),
        )
        return [Passkey(*row) for row in rows.fetchall()]


def find_passkey(directory: Directory, credential: bytes) -> Passkey | None:
    """Return the passkey of this id, where its holder may sign in."""
    with directory.reading() as connection:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM passkey JOIN administrator ON administrator = number "
            "WHERE credential = ? AND enabled",
            (credential,),
        ).fetchone()
    return Passkey(*row) if row else None


def add_passkey(changing: Changing, name: str, label: str, credential: bytes, public_key: bytes, count: int) -> None:
    """Let a passkey sign its holder in. Raises NotThere, AlreadyNamed."""
    person = _own(changing, name)
    if changing.connection.execute("SELECT 1 FROM passkey WHERE credential = ?", (credential,)).fetchone():
        raise AlreadyNamed("passkey", label)
    changing.connection.execute(
        "INSERT INTO passkey (credential, administrator, name, public_key, sign_count, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (credential, person.number, label, public_key, count, changing.at),
    )
    _audit(changing, person, None, {"Passkey": label})


def note_passkey(directory: Directory, passkey: Passkey, count: int) -> bool:
    """Note that a passkey was used; False where another use of it was noted meanwhile."""
    with directory.noting() as connection:
        noted = connection.execute(
            "UPDATE passkey SET sign_count = ?, used_at = ? WHERE credential = ? AND sign_count = ?",
            (count, directory.now(), passkey.credential, passkey.sign_count),
        )
        return noted.rowcount == 1


def remove_passkey(changing: Changing, name: str, credential: bytes) -> None:
    """Take a passkey back. Raises NotThere."""
    person = _own(changing, name)
    row = changing.connection.execute(
        "DELETE FROM passkey WHERE credential = ? AND administrator = ? RETURNING name", (credential, person.number)
    ).fetchone()
    if row is None:
        raise NotThere("passkey", credential.hex())
    _audit(changing, person, {"Passkey": row[0]}, None)


def forget_second_factors(changing: Changing, name: str) -> None:
    """Ask for no code, and take every passkey back: for who has lost them. Raises NotThere."""
    person = _own(changing, name)
    codes = changing.connection.execute("DELETE FROM code_app WHERE administrator = ?", (person.number,)).rowcount
    keys = changing.connection.execute("DELETE FROM passkey WHERE administrator = ?", (person.number,)).rowcount
    if codes or keys:
        _audit(changing, person, {"CodeApp": codes > 0, "Passkeys": keys}, {"CodeApp": False, "Passkeys": 0})


def _own(changing: Changing, name: str) -> Administrator:
    person = find_administrator(changing.connection, name)
    changing.check_organization(person.organization, _WORDS, person.name)
    return person


def _audit(
    changing: Changing, person: Administrator, before: dict[str, object] | None, after: dict[str, object] | None
) -> None:
    changing.audit(_WORDS, person.name, person.organization, before=before, after=after)
