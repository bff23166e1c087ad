"""What holds for all mail and is set while the relay runs: values of tables of the settings file, kept here.

Rule 1: what the file says holds. Only what it leaves to its defaults is kept here, and works.
Rule 2: it is one object of the whole relay and of no organisation.
"""

import json
import sqlite3
from collections.abc import Mapping

from staffetta.directory.changing import Changing
from staffetta.directory.database import DirectoryUnavailable
from staffetta.settings.model import Settings
from staffetta.settings.objects import Section, outside_name

TABLES: Mapping[str, str] = {
    "expire_seconds": "queue",
    "delay_notice_seconds": "queue",
    "message_octets_max": "limits",
    "recipients_max": "limits",
}
"""The keys, and in which table of the file each stands."""

NAME = "Transport Settings"
_KIND = "transport config"
_GUID = "b2f0c1de-5c0a-4a6e-9a6f-3a4e0f4a7c10"


def is_said_by_file(settings: Settings, key: str) -> bool:
    """Whether the settings file has the key."""
    return key in getattr(settings.declared, TABLES[key]).model_fields_set


def read_transport(connection: sqlite3.Connection) -> dict[str, int]:
    """Return what is kept, by key. Raises DirectoryUnavailable."""
    row = connection.execute("SELECT value FROM object WHERE kind = ?", (_KIND,)).fetchone()
    try:
        return {} if row is None else {key: int(value) for key, value in json.loads(row[0]).items() if key in TABLES}
    except (ValueError, TypeError, AttributeError) as error:
        raise DirectoryUnavailable(
            "The transport settings of the directory are damaged: they are no object of JSON with numbers. "
            "Put back a copy of directory.sqlite, or remove the row."
        ) from error


def keep_transport(changing: Changing, values: Mapping[str, int]) -> None:
    """Keep values by key. Raises ForeignOrganization where the author has not the whole relay."""
    changing.check_organization(None, _KIND, NAME)
    before = read_transport(changing.connection)
    after = {**before, **values}
    if after == before:
        return
    changing.connection.execute(
        "INSERT INTO object (kind, guid, name_key, value, created_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5) "
        "ON CONFLICT (guid) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
        (_KIND, _GUID, NAME.casefold(), json.dumps(after), changing.at),
    )
    changing.has_changed_objects = True
    changing.audit(_KIND, NAME, None, before=_outside(before), after=_outside(after))


def tables_with(declared: Settings, kept: Mapping[str, int]) -> dict[str, Section]:
    """Return the tables that are others by what is kept. Raises ValueError for a value beyond its bounds."""
    tables: dict[str, Section] = {}
    for key, value in kept.items():
        if not is_said_by_file(declared, key):
            table: Section = tables.get(TABLES[key], getattr(declared, TABLES[key]))
            tables[TABLES[key]] = type(table).model_validate(table.model_dump() | {key: value})
    return tables


def _outside(values: Mapping[str, int]) -> dict[str, int]:
    return {outside_name(key): value for key, value in values.items()}
