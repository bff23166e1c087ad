"""Private keys and refresh tokens of a backup: sealed, since who has them sends as our devices, or as us.

Rule: they are sealed with the key of secrets (decisions/123-sealing.md), which is in no backup, and each says where it
belongs, so that none takes another's place.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from staffetta.directory.sealing import KeyRing, KeyUnavailable
from staffetta.directory.second_factors import sealed_now
from staffetta.directory.store import Directory
from staffetta.settings.model import Settings

SEALED = "sealed"
_PRIVATE_KEY = b" PRIVATE KEY-----"
_JSON_WEB_KEY = b'"kty"'
_OCTETS_MAX = 1_048_576


class KeysSealed(Exception):
    """They cannot be opened, or not be sealed. The text says what to do."""


def is_key(path: Path, octets: bytes, settings: Settings) -> bool:
    """Whether a small file of the data folder holds what opens something."""
    tokens = {each.refresh_token_file for each in settings.token_sources}
    holds_key = _PRIVATE_KEY in octets or _JSON_WEB_KEY in octets
    return len(octets) <= _OCTETS_MAX and (path in tokens or holds_key)


def sealed(settings: Settings, name: str, octets: bytes) -> bytes:
    """Return it for the backup; makes the key where there is none yet. name: where it belongs. Raises KeysSealed."""
    keys = KeyRing.of(settings)
    try:
        if not keys.exists() and not _is_lost(settings, keys):
            keys.make()
        return keys.seal(octets.decode("latin-1"), _owner(name)).encode("ascii")
    except KeyUnavailable as error:
        raise KeysSealed(f"Private keys are sealed for a backup. {error}") from error


def open_all(settings: Settings, folder: Path, into: Path) -> Sequence[Path]:
    """Put what is sealed in a folder into another, under the same names, and return it. Raises KeysSealed, OSError."""
    keys = KeyRing.of(settings)
    opened = []
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = file.relative_to(folder).as_posix()
        try:
            octets = keys.open(file.read_text("ascii"), _owner(name)).encode("latin-1")
        except (KeyUnavailable, UnicodeDecodeError) as error:
            raise KeysSealed(
                f"{name} of the backup is sealed with a key that {keys.reference} does not have. Put that key there, "
                "or, if it is lost, restore with --without-keys and make new ones."
            ) from error
        target = into / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(octets)
            out.flush()
            os.fsync(out.fileno())
        opened.append(target)
    return opened


def _is_lost(settings: Settings, keys: KeyRing) -> bool:
    """Whether there must have been a key, which another one would hide."""
    directory = Directory.open(settings.data_dir)
    try:
        return sealed_now(directory, keys).is_any_sealed
    finally:
        directory.close()


def _owner(name: str) -> str:
    return f"backup/{name}"
