"""Secrets by reference: a file in version control names where a secret is, and does not hold it.

`${NAME}` is the environment variable of that name; `file:PATH` is the text of a file. Either may hold several, one a
line. References are taken where secrets are, and nowhere else.
"""

import os
import re
from pathlib import Path
from typing import Any

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
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
                except LookupError as error:
                    problems.append(((section, index, key), str(error.args[0])))
            table[key] = resolved
    return problems


def _resolved(text: str, folder: Path) -> list[str]:
    if match := _VARIABLE.fullmatch(text):
        if (found := os.environ.get(match[1])) is None:
            raise LookupError(f"there is no environment variable {match[1]}; set it, or write the value")
    elif text.startswith(_FILE):
        path = folder / text.removeprefix(_FILE)
        try:
            found = path.read_text("utf-8")
        except OSError as error:
            raise LookupError(f"'{path}' cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise LookupError(f"'{path}' is not UTF-8") from None
    else:
        return [text]
    return [line.strip() for line in found.splitlines() if line.strip()]
