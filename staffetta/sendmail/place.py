"""Where `sendmail` finds the relay: a small file that every user may read, unlike the relay's settings.

    /etc/staffetta/sendmail.toml, or the file that STAFFETTA_SENDMAIL names:
        server = "127.0.0.1:25"                   # a relay listener on this machine
        drop = "/var/spool/staffetta/drop"        # where mail waits while nobody listens there
        domain = "host.contoso.com"               # of addresses without one; left out, /etc/mailname or our name

Rule: `sendmail` has no rights that its user has not, so that whoever changes the variable fools himself alone.
"""

import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

VARIABLE = "STAFFETTA_SENDMAIL"
USUAL_FILE = Path("/etc/staffetta/sendmail.toml")
_MAILNAME = Path("/etc/mailname")


class PlaceError(Exception):
    """The file cannot be used. The text says what to write."""


@dataclass(frozen=True, slots=True)
class Place:
    """server: `IP:port`. drop: folder. domain: for addresses without one."""

    server: str = "127.0.0.1:25"
    drop: Path = Path("/var/spool/staffetta/drop")
    domain: str = ""


def find_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return what the file says; its absence is no error unless the variable names it. Raises PlaceError."""
    path = Path(environment.get(VARIABLE) or USUAL_FILE)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if VARIABLE in environment:
            raise PlaceError(f"{path}: it is not there; {VARIABLE} names it") from None
        table = {}
    except (OSError, ValueError) as error:
        raise PlaceError(f"{path}: it cannot be read: {error}") from None
    usual = Place()
    known = [field.name for field in fields(Place)]
    for key, value in table.items():
        if key not in known or not isinstance(value, str):
            raise PlaceError(f"{path}: {key}: known here are {', '.join(known)}, each with a text in quotes")
    if not table.get("server", usual.server).rpartition(":")[2].isdecimal():
        raise PlaceError(f'{path}: server: write "IP:port", as "{usual.server}"')
    return Place(
        server=table.get("server", usual.server),
        drop=path.parent / table.get("drop", usual.drop),
        domain=table.get("domain") or _own_domain(),
    )


def _own_domain() -> str:
    try:
        named = _MAILNAME.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        named = ""
    return named or socket.getfqdn()
