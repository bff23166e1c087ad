"""`staffetta trace`: what happened to a message, one row per recipient."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile, Json, Limit, Since
from staffetta.cli.status import EX_NOINPUT, EX_OK
from staffetta.cli.tables import print_json, print_lines, print_table
from staffetta.operations.meanings import in_words
from staffetta.operations.trace import Status, TraceRow, find_messages
from staffetta.operations.trace_words import FIELDS, TraceWords, as_search, read_trace_words
from staffetta.settings.file import load

_COLUMNS = {
    "received_at": "Received",
    "queue_id": "Queue id",
    "sender": "Sender",
    "recipient": "Recipient",
    "status": "Status",
    "diagnostic": "Last word",
}


def trace(
    *words: Annotated[
        str, Parameter(help=f"What is typed into the console's search box: {', '.join(f'{each}:' for each in FIELDS)}.")
    ],
    config: ConfigFile,
    queue_id: Annotated[str | None, Parameter(help="The id in our 250 reply.")] = None,
    message_id: Annotated[str | None, Parameter(help="The Message-ID field, with or without angle brackets.")] = None,
    sender: Annotated[str | None, Parameter(help="The reverse-path's mailbox; '' for notifications.")] = None,
    recipient: Annotated[str | None, Parameter(help="A recipient's mailbox.")] = None,
    status: Annotated[Status | None, Parameter(help="A recipient's status.")] = None,
    after: Since = None,
    before: Annotated[datetime | None, Parameter(help="Received before.")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> int:
    """Find messages by words and options together, while the relay runs or not."""
    asked = read_trace_words(as_search(words), datetime.now(UTC)).also(
        TraceWords(
            queue_id=queue_id,
            message_id=message_id,
            sender=sender,
            recipient=recipient,
            status=status,
            after=after,
            before=before,
        )
    )
    rows = find_messages(load(config), asked.query(limit=limit)).rows
    status_code = EX_NOINPUT if queue_id is not None and not rows else EX_OK
    if json:
        print_json(rows)
        return status_code
    print_table(_COLUMNS, rows, if_empty="No message matches.")
    if len({row.queue_id for row in rows}) == 1:
        print_lines(["", *_story(rows)])
    return status_code


def _story(rows: Sequence[TraceRow]) -> list[str]:
    """The events of one message, for each recipient, in order."""
    lines = []
    for row in rows:
        lines.append(f"{row.recipient}: {row.status}")
        for event in row.events:
            facts = ((key, value) for key, value in event.items() if key not in ("at", "event"))
            detail = " ".join(f"{key}={value}" for key, value in facts if value is not None)
            lines.append(f"  {event['at']}  {event['event']:<8} {detail}")
        lines += [f"  {words}" for words in in_words([row.diagnostic])]
    return lines
