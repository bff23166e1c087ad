"""Whose mail a message is: a condition in SQL, so that no row of the trace has to be brought to Python to be judged."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

_FEW = 12  # names that are compared one by one, which takes a third of the time of a look into a table


@dataclass(frozen=True, slots=True)
class OwnMail:
    """An organisation's mail: what came by one of these connectors, or has a sender or recipient in these domains.

    connectors: by name. domains: as Mailbox has them. parents: domains whose subdomains count as well.
    """

    connectors: frozenset[str]
    domains: frozenset[str]
    parents: frozenset[str]


def condition_of(connection: sqlite3.Connection, own: OwnMail | None) -> str:
    """Return a further condition on message m and recipient r; nothing where all is wanted.

    Many names are put into tables of this connection alone. Raises sqlite3.Error.
    """
    if own is None:
        return ""
    terms = [f"m.connector IN ({', '.join(map(_quoted, sorted(own.connectors)))})"]
    ends = [*(f"@{each}" for each in sorted(own.domains)), *(f".{each}" for each in sorted(own.parents))]
    if len(ends) > _FEW:
        connection.execute("CREATE TEMP TABLE own_domain (name TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("CREATE TEMP TABLE own_parent (name TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.executemany("INSERT INTO own_domain VALUES (?)", [(name,) for name in own.domains])
        connection.executemany("INSERT INTO own_parent VALUES (?)", [(name,) for name in own.parents])
    for key in ("m.reverse_path_key", "r.address_key"):
        terms += _looked_up(key, own) if len(ends) > _FEW else _compared(key, ends)
    return f" AND ({' OR '.join(terms)})"


def _compared(key: str, ends: list[str]) -> Iterator[str]:
    for end in ends:
        yield f"substr({key}, -{len(end)}) = {_quoted(end)}"


def _looked_up(key: str, own: OwnMail) -> Iterator[str]:
    # What stands behind the last @: a quoted local part may hold another.
    domain = f"substr({key}, length(rtrim({key}, replace({key}, '@', ''))) + 1)"
    yield f"{domain} IN own_domain"
    if own.parents:
        yield f"EXISTS (SELECT 1 FROM own_parent WHERE substr({domain}, -1 - length(name)) = '.' || name)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
