"""Secrets of accounts by reference: a file in version control names where they are, and does not hold them.

References are those of secrets.py, and are taken where secrets are and nowhere else. These are read once, when the file
is: what is kept are hashes. One reference may stand for several hashes, one a line, and a file may be named by a
relative path.
"""

from pathlib import Path
from typing import Any

from staffetta.settings.secrets import SecretUnavailable, is_reference, read_secret

_FILE = "file:"
SECRETS = {"accounts": "password_hashes"}
"""The key that holds secrets, by the list of tables that have it."""


def resolve_references(data: dict[str, Any], folder: Path) -> list[tuple[tuple[str | int, ...], str]]:
    """Put secrets in place of their references, and return what is wrong, by location.

    data: a file as it was read; values of a wrong type are left for others to refuse. folder: of relative paths.
    """
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for section, key in SECRETS.items():
        tables = data.get(section)
        for index, table in enumerate(tables if isinstance(tables, list) else []):
            given = table.get(key) if isinstance(table, dict) else None
            if not isinstance(given, str | list):
                continue
            resolved: list[Any] = []
            for each in [given] if isinstance(given, str) else given:
                try:
                    resolved += _resolved(each, folder) if isinstance(each, str) else [each]
                except SecretUnavailable as error:
                    problems.append(((section, index, key), str(error)))
            table[key] = resolved
    return problems


def _resolved(text: str, folder: Path) -> list[str]:
    """Raises SecretUnavailable."""
    if text.startswith(_FILE) and not is_reference(text):
        text = f"{_FILE}{(folder / text.removeprefix(_FILE)).resolve()}"
    if not is_reference(text):
        return [text]
    return [line.strip() for line in read_secret(text).splitlines() if line.strip()]
