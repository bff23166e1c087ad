"""Properties of rows as pages show them: which kind a value is, its text in a form field, and names in words."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from markupsafe import Markup, escape

from staffetta.operations.registry import Output

_WORDS = re.compile(r"IPs|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CODE = re.compile(r"`([^`]+)`")
_KEPT = {
    *("IP", "IPs", "EF", "TLS", "DNS", "MX", "SMTP", "AD", "OAuth", "URL", "UTC", "DANE", "MTA", "STS", "CA"),
    *("NDR", "HELO", "DKIM", "SPF", "DMARC", "ARC", "TOTP", "CIDR", "GUID", "ID", "API"),
}
_SPELT = {"ip": "IP", "tls": "TLS", "smtp": "SMTP", "mx": "MX", "utc": "UTC", "guid": "GUID", "id": "ID", "api": "API"}
_SPELT |= {"mta": "MTA", "sts": "STS", "dane": "DANE", "dsn": "DSN"}


def words(name: str) -> str:
    """Return an outside name in words: `SenderIPAddresses` is "Sender IP addresses"."""
    found = _WORDS.findall(name)
    told = [each if each in _KEPT else _SPELT.get(each.lower(), each.lower()) for each in found]
    text = " ".join(told) or name
    return text[0].upper() + text[1:]


def marked(text: str) -> Markup:
    """Return what an operation says of itself, for a page: what stands in backticks there is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def properties(row: Output) -> Mapping[str, Any]:
    """Return a row by outside names, with values of Python."""
    return row.model_dump(mode="python", by_alias=True)


def kind_of(value: object) -> str:
    """Return which way a template shows a value."""
    if value is None or value == "" or value == () or value == [] or value == {}:
        return "nothing"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, datetime):
        return "time"
    if isinstance(value, list | tuple | set | frozenset):
        return "list"
    if isinstance(value, Mapping):
        return "table"
    return "number" if isinstance(value, int | float) else "text"


def as_text(value: object) -> str:
    """Return a value as it stands in a form field; a list has one text a line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "\n".join(as_text(each) for each in value)
    return str(value)


def sorted_by(rows: list[Mapping[str, Any]], column: str, *, is_down: bool) -> list[Mapping[str, Any]]:
    """Return rows in the order of a column: numbers and times by size, the rest as text; what is empty stands last."""
    full = [row for row in rows if kind_of(row.get(column)) != "nothing"]
    empty = [row for row in rows if kind_of(row.get(column)) == "nothing"]
    try:
        ordered = sorted(full, key=lambda row: row[column], reverse=is_down)
    except TypeError:
        ordered = sorted(full, key=lambda row: as_text(row[column]).casefold(), reverse=is_down)
    return [*ordered, *empty]
