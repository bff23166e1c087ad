"""What people prove besides a password, or instead of one: codes by time (RFC 6238), and passkeys (WebAuthn).

Rule 1: a code opens once, and a passkey that counts may not count backwards.
Rule 2: secrets of codes are kept sealed (sealing.py).
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.directory.administrators import Administrator, find_administrator
from staffetta.directory.changing import Changing
from staffetta.directory.problems import AlreadyNamed, NotThere
from staffetta.directory.sealing import KeyRing, KeyUnavailable, fernet_of
from staffetta.directory.store import Directory
from staffetta.settings.secrets_key import KEY_FILE_NAME

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


@dataclass(frozen=True, slots=True)
class SealedNow:
    """How secrets are kept. by_newest, by_older: sealed with the first key, with one behind it. lost: with none."""

    in_clear: int = 0
    by_newest: int = 0
    by_older: int = 0
    lost: int = 0

    @property
    def is_any_sealed(self) -> bool:
        """Whether a key is needed."""
        return self.by_newest + self.by_older + self.lost > 0


def has_code_app(directory: Directory, name: str) -> bool:
    """Whether an administrator is asked for codes; no key is needed to know."""
    with directory.reading() as connection:
        found = connection.execute(
            "SELECT 1 FROM code_app JOIN administrator ON administrator = number WHERE name_key = ?", (name.casefold(),)
        ).fetchone()
    return found is not None


def code_secret_of(directory: Directory, keys: KeyRing, name: str) -> str | None:
    """Return the secret of an administrator's codes, in base32; None where he has none. Raises KeyUnavailable."""
    with directory.reading() as connection:
        row = connection.execute(
            "SELECT secret, is_sealed, number FROM code_app JOIN administrator ON administrator = number "
            "WHERE name_key = ?",
            (name.casefold(),),
        ).fetchone()
    if row is None:
        return None
    secret, is_sealed, number = row
    return keys.open(secret, _owner(number)) if is_sealed else str(secret)


def seal_code_secrets(directory: Directory, keys: KeyRing) -> int:
    """Seal what is kept in clear from before there were keys, and return how many. Raises KeyUnavailable."""
    with directory.reading() as connection:
        if connection.execute("SELECT 1 FROM code_app WHERE NOT is_sealed").fetchone() is None:
            return 0
    with directory.noting() as connection:
        _make_first_key(connection, keys)
        rows = connection.execute("SELECT administrator, secret FROM code_app WHERE NOT is_sealed").fetchall()
        for number, secret in rows:
            _replace(connection, number, keys.seal(secret, _owner(number)))
    directory.forget_overwritten()
    return len(rows)


def seal_code_secrets_again(changing: Changing, keys: KeyRing) -> int:
    """Seal all with the first of the keys, and return how many. Raises KeyUnavailable."""
    connection = changing.connection
    rows = connection.execute("SELECT administrator, secret, is_sealed FROM code_app").fetchall()
    for number, secret, is_sealed in rows:
        clear = keys.open(secret, _owner(number)) if is_sealed else secret
        _replace(connection, number, keys.seal(clear, _owner(number)))
    changing.audit("key of secrets", KEY_FILE_NAME, None, after={"Sealed": len(rows)})
    return len(rows)


def sealed_now(directory: Directory, keys: KeyRing) -> SealedNow:
    """Count how secrets are kept. A key that is not there is no error here."""
    try:
        known = keys.keys()
    except KeyUnavailable:
        known = ()
    counts: Counter[str] = Counter()
    with directory.reading() as connection:
        rows = connection.execute("SELECT administrator, secret, is_sealed FROM code_app").fetchall()
    for number, secret, is_sealed in rows:
        opening = [index for index, key in enumerate(known) if is_sealed and _opens(keys, key, secret, _owner(number))]
        if not is_sealed:
            counts["in_clear"] += 1
        else:
            counts["lost" if not opening else "by_newest" if opening[0] == 0 else "by_older"] += 1
    return SealedNow(**counts)


def use_code(directory: Directory, name: str, step: int) -> bool:
    """Use up the code of a step, and all before it; False where it was used already."""
    with directory.noting() as connection:
        used = connection.execute(
            "UPDATE code_app SET last_step = ?2 WHERE last_step < ?2 AND administrator = "
            "(SELECT number FROM administrator WHERE name_key = ?1)",
            (name.casefold(), step),
        )
        return used.rowcount == 1


def trouble_of_key(directory: Directory, keys: KeyRing) -> str | None:
    """Return why sealed secrets cannot be opened; None where all can."""
    if not sealed_now(directory, keys).lost:
        return None
    try:
        keys.keys()
    except KeyUnavailable as error:
        return str(error)
    return (
        f"Secrets of code apps were sealed with another key than {keys.reference} has. Add it there, as a further line."
    )


def set_code_secret(changing: Changing, keys: KeyRing, name: str, secret: str | None, *, step: int = 0) -> None:
    """Ask for codes made from this secret from now on; None: ask for none. step: used up already.

    Raises NotThere, KeyUnavailable.
    """
    person = _own(changing, name)
    had = changing.connection.execute("DELETE FROM code_app WHERE administrator = ?", (person.number,)).rowcount > 0
    if secret is not None:
        _make_first_key(changing.connection, keys)
        changing.connection.execute(
            "INSERT INTO code_app (administrator, secret, last_step, is_sealed) VALUES (?, ?, ?, 1)",
            (person.number, keys.seal(secret, _owner(person.number)), step),
        )
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


def _make_first_key(connection: sqlite3.Connection, keys: KeyRing) -> None:
    """Where nothing is sealed yet. Later a key that is missing is lost, which another one would hide."""
    if connection.execute("SELECT 1 FROM code_app WHERE is_sealed").fetchone() is None:
        keys.make()


def _replace(connection: sqlite3.Connection, number: int, sealed: str) -> None:
    connection.execute("UPDATE code_app SET secret = ?, is_sealed = 1 WHERE administrator = ?", (sealed, number))


def _opens(keys: KeyRing, key: str, sealed: str, owner: str) -> bool:
    try:
        keys.open_with(fernet_of([key]), sealed, owner)
    except KeyUnavailable:
        return False
    return True


def _owner(number: int) -> str:
    """What a sealed secret says of itself: moved to another administrator, it does not open."""
    return f"code_app/{number}"


def _own(changing: Changing, name: str) -> Administrator:
    person = find_administrator(changing.connection, name)
    changing.check_organization(person.organization, _WORDS, person.name)
    return person


def _audit(
    changing: Changing, person: Administrator, before: dict[str, object] | None, after: dict[str, object] | None
) -> None:
    changing.audit(_WORDS, person.name, person.organization, before=before, after=after)
