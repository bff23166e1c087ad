"""The key that seals the secrets of the directory: how things stand, and another one (decisions/123-sealing.md).

These are for who has the machine: the key is a file of its, and no caller from outside may ask for it.
"""

from dataclasses import dataclass

from staffetta.directory.sealing import KeyRing, new_key
from staffetta.directory.second_factors import SealedNow, seal_code_secrets_again, sealed_now
from staffetta.directory.store import Author
from staffetta.operations.access import told
from staffetta.operations.local import LocalOffice


@dataclass(frozen=True, slots=True)
class Rotated:
    """sealed: secrets that the new key seals. kept: keys of before that still open."""

    key: str
    sealed: int
    kept: int


def key_facts(office: LocalOffice) -> tuple[str, SealedNow]:
    """Return where the key is, and how secrets are kept. Raises Unavailable."""
    keys = KeyRing.of(office.settings)
    with told():
        return keys.reference, sealed_now(office.directory, keys)


def rotate(office: LocalOffice, *, keep_old: bool) -> Rotated:
    """Seal everything with a new key, and forget those of before; the relay may be running.

    A key that is not a file of ours is put there by who keeps it; then this seals everything with the first one.
    keep_old: so that what backups hold can still be opened. Raises Unavailable: old keys stay until all is sealed anew.
    """
    keys = KeyRing.of(office.settings)
    with told():
        before = list(keys.keys()) if keys.exists() or sealed_now(office.directory, keys).is_any_sealed else []
        if keys.path is not None:
            keys.write([new_key(), *before])
        author = Author(office.caller.name, office.caller.source, "Rotate-SecretsKey")
        with office.directory.change(office.settings, author) as change:
            sealed = seal_code_secrets_again(change, keys)
        office.directory.forget_overwritten()
        if keys.path is not None and not keep_old:
            keys.write(keys.keys()[:1])
    return Rotated(keys.reference, sealed, len(keys.keys()) - 1)


def another_key() -> str:
    """Make a key, for whoever keeps it elsewhere."""
    return new_key()
