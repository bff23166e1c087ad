"""Where refresh tokens are kept: one file for each token source, with the token alone in it, for its owner's eyes only.

The login writes it, and the relay writes it again whenever the server gives another one.
"""

from pathlib import Path

from staffetta.settings.whole_files import write_whole


def read_refresh_token(path: Path) -> str:
    """Return the kept token. Raises OSError; FileNotFoundError where nobody has logged in yet."""
    return path.read_text(encoding="ascii").strip()


def keep_refresh_token(path: Path, token: str) -> None:
    """Put another token in the old one's place: after a crash one of them is there, whole. Blocks; raises OSError."""
    write_whole(path, f"{token}\n".encode("ascii"))
