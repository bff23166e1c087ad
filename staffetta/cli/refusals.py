"""`staffetta refusals`: what was refused, and why; the id is the last word of a refusal's reply."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile, Json, Limit, Since
from staffetta.cli.status import EX_NOINPUT, EX_OK
from staffetta.cli.tables import print_json, print_lines, print_table
from staffetta.operations.trace import RefusalQuery, RefusalRow, find_refusals
from staffetta.settings.file import load

_COLUMNS = {
    "at": "At",
    "session_id": "Session",
    "peer": "Peer",
    "sender": "Sender",
    "recipient": "Recipient",
    "reason": "Reason",
    "reply": "Reply",
}


def refusals(
    *,
    config: ConfigFile,
    session: Annotated[str | None, Parameter(help="The id at the end of the refusal's reply.")] = None,
    after: Since = None,
    limit: Limit = 100,
    json: Json = False,
) -> int:
    """List refused commands, newest first; for one session also what was looked at."""
    since = after.timestamp() if after else None
    rows = find_refusals(load(config), RefusalQuery(session_id=session, after=since, limit=limit)).rows
    status_code = EX_NOINPUT if session is not None and not rows else EX_OK
    if json:
        print_json(rows)
        return status_code
    print_table(_COLUMNS, rows, if_empty="No refusal matches.")
    if session is not None and rows:
        print_lines(["", *_evidence(rows)])
    return status_code


def _evidence(rows: Sequence[RefusalRow]) -> list[str]:
    lines = []
    for row in rows:
        lines.append(f"{row.recipient or row.sender or row.peer}: {row.reason}")
        lines += [f"  {name}: {value}" for name, value in row.evidence.items() if value is not None]
    return lines
