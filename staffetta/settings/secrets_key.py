"""Where the key is that seals secrets in the directory and in backups."""

from pathlib import Path

from staffetta.settings.model import Settings

KEY_FILE_NAME = "secrets.key"
_FILE = "file:"


def secrets_key(settings: Settings) -> tuple[str, Path | None]:
    """Return its reference, as secrets.py has them, and its file, where that is one of ours to write.

    Left out in the settings, it is beside them; never in the data folder, unless they are there.
    """
    named = settings.secrets_key
    if named is not None:
        return named, Path(named.removeprefix(_FILE)) if named.startswith(f"{_FILE}/") and "${" not in named else None
    folder = settings.origin.path.parent if settings.origin else settings.data_dir
    path = (folder / KEY_FILE_NAME).absolute()
    return f"{_FILE}{path}", path
