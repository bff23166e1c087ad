"""What was changed of an object, as the audit log has it."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from staffetta.admin.web.page import carry_out, may
from staffetta.admin.web.values import properties

_HISTORY_MAX = 20

Row = Mapping[str, Any]


async def history_of(request: Request, noun: str, name: str) -> Sequence[Row]:
    """Return the changes of an object, the newest first: when, who, and each property before and after."""
    if not may(request, "Search-AdminAuditLog"):
        return []
    result = await carry_out(request, "Search-AdminAuditLog", {"ObjectIds": name, "ResultSize": _HISTORY_MAX})
    return [
        {**row, "Differences": _differences(row["Before"] or {}, row["After"] or {})}
        for row in map(properties, result.rows)
        if noun in row["CmdletName"]
    ]


def _differences(before: Row, after: Row) -> Sequence[tuple[str, object, object]]:
    if not before or not after:
        return []
    return [
        (name, before.get(name), after.get(name)) for name in {**before, **after} if before.get(name) != after.get(name)
    ]
