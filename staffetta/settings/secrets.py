"""Secrets by reference: settings say where a secret is, and it is read when it is used.

`${VARIABLE}` is a variable of the environment; `file:/path` is a file, of which the line end at its end does not count.
A path may hold variables too: `file:${CREDENTIALS_DIRECTORY}/name` is a credential of systemd.

Rule 1: a value is never kept in Settings, and stands in no log, trace, metric or error.
Rule 2: it is read anew each time, so that a secret that was changed is used without a reload.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

HOW_TO_REFER = "write ${VARIABLE}, or file:/path of a file that only the relay can read"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FILE = "file:"
_OCTETS_MAX = 65_536  # a refresh token has two thousand


class SecretUnavailable(Exception):
    """A secret cannot be read now. The text names the reference and says what to do; it never holds the value."""


def is_reference(text: str) -> bool:
    """Whether the text says where a secret is, and is not the secret itself."""
    if text.startswith(_FILE):
        return text.removeprefix(_FILE).startswith(("/", "${"))
    return bool(_VARIABLE.fullmatch(text))


def read_secret(reference: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the secret that a reference names. Reads a small file; raises SecretUnavailable."""
    if not is_reference(reference):
        raise SecretUnavailable(f"a secret stands where a reference belongs; {HOW_TO_REFER}")
    if not reference.startswith(_FILE):
        return fill_in(reference, environment)
    path = Path(fill_in(reference.removeprefix(_FILE), environment))
    try:
        with path.open("rb") as file:
            octets = file.read(_OCTETS_MAX + 1)
        text = octets.decode("utf-8-sig").rstrip("\r\n")  # editors of Windows put a mark in front
    except OSError as error:
        raise SecretUnavailable(f"the secret in {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretUnavailable(f"the secret in {path} is not text") from None
    if not text or len(octets) > _OCTETS_MAX:
        raise SecretUnavailable(f"{path} is {'too large for a secret' if text else 'empty; write the secret into it'}")
    return text


def fill_in(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the text with its variables' values, such as a user and password within an address.

    Raises SecretUnavailable where one is not set.
    """
    for name in _VARIABLE.findall(text):
        if not environment.get(name):
            raise SecretUnavailable(f"the variable {name} is not set; set it where the relay is started")
    return _VARIABLE.sub(lambda match: environment[match[1]], text)
