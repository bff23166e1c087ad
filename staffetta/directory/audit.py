"""The audit: one row for every changed object, written in the transaction of the change. It cannot be switched off.

Rule: rows are added and read, never changed or removed; the database itself refuses that.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change. source: "console", "api", "cli" or "shell". address: None on this machine itself.

    operation: such as `New-InboundConnector`. organization: the only one that may be touched; None: all.
    """

    actor: str
    source: str
    operation: str
    address: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change: who did what to which object, from where, and what it was before and after (None: not there).

    kind: such as `inbound connector`. before, after: JSON values by outside names; of secrets, how many there are.
    """

    number: int
    at: float
    actor: str
    source: str
    address: str | None
    operation: str
    organization: str
    kind: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """What to look for; all that is given must hold. after, before: seconds since 1970. limit: rows; None: all.

    is_oldest_first: else the newest come first.
    """

    organization: str | None = None
    actor: str | None = None
    operation: str | None = None
    target: str | None = None
    after: float | None = None
    before: float | None = None
    limit: int | None = 1000
    is_oldest_first: bool = False


def write(connection: sqlite3.Connection, row: AuditRow) -> None:
    """Add a row; its number is given by the database."""
    values = dataclasses.asdict(row) | {"before": _text(row.before), "after": _text(row.after)}
    connection.execute(
        "INSERT INTO audit (at, actor, source, address, operation, organization, kind, target, before, after) VALUES "
        "(:at, :actor, :source, :address, :operation, :organization, :kind, :target, :before, :after)",
        values,
    )


def read(connection: sqlite3.Connection, query: AuditQuery) -> Iterator[AuditRow]:
    """Yield rows. Names are compared in any case of letters."""
    conditions, values = ["1"], []
    for column in ("organization", "actor", "operation", "target"):
        if (wanted := getattr(query, column)) is not None:
            conditions.append(f"{column} = ? COLLATE NOCASE")
            values.append(wanted)
    for bound, sign in (("after", ">="), ("before", "<")):
        if (wanted := getattr(query, bound)) is not None:
            conditions.append(f"at {sign} ?")
            values.append(wanted)
    values.append(-1 if query.limit is None else query.limit)
    statement = (
        "SELECT number, at, actor, source, address, operation, organization, kind, target, before, after FROM audit "
        f"WHERE {' AND '.join(conditions)} ORDER BY number {'ASC' if query.is_oldest_first else 'DESC'} LIMIT ?"
    )
    for row in connection.execute(statement, values):
        yield AuditRow(*row[:9], *map(_parsed, row[9:]))


def to_line(row: AuditRow) -> str:
    """Return a row as a line of JSON, for an export; `at` in ISO 8601, UTC."""
    at = datetime.fromtimestamp(row.at, UTC).isoformat(timespec="milliseconds")
    return json.dumps(dataclasses.asdict(row) | {"at": at}, ensure_ascii=False)


def _text(values: dict[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    parsed: dict[str, Any] = json.loads(text)
    return parsed
