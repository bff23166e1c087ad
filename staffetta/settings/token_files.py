"""Where refresh tokens are kept: one file for each token source, with the token alone in it, for its owner's eyes only.

The login writes it, and the relay writes it again whenever the server gives another one.
"""

import contextlib
import os
import secrets
from pathlib import Path


def read_refresh_token(path: Path) -> str:
    """Return the kept token. Raises OSError; FileNotFoundError where nobody has logged in yet."""
    return path.read_text(encoding="ascii").strip()


def keep_refresh_token(path: Path, token: str) -> None:
    """Put another token in the old one's place: after a crash one of them is there, whole. Blocks; raises OSError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
