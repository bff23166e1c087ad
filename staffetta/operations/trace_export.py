"""The message trace for a file: the same rows as Get-MessageTraceV2, written down before the first is given.

Rule: who may see rows on a screen may take them along, and it stays known that he did (docs/decisions/104).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from staffetta.operations.access import changing
from staffetta.operations.duties import TRACE
from staffetta.operations.inputs import Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.tracing import GetMessageTraceV2, MessageTraceRow, get
from staffetta.settings.objects import DEFAULT_ORGANIZATION, outside_name

NAME = "Export-MessageTrace"


class ExportMessageTrace(GetMessageTraceV2):
    """See the head of this file."""


def export(context: Context, given: ExportMessageTrace) -> Iterable[Output]:
    rows = tuple(get(replace(context, warnings=[]), given))
    if given.starting_row is None:  # what goes on was written down when it began
        _write_down(context, given)
    if (after := _goes_on_after(context, given, rows)) is not None:
        context.warnings.append(f"There may be more; -StartingRow {after} goes on.")
    return rows


def _goes_on_after(context: Context, given: ExportMessageTrace, rows: Sequence[Output]) -> str | None:
    if len(rows) == given.result_size and isinstance(last := rows[-1], MessageTraceRow):
        return last.row_id
    return context.unread[0].after if context.unread else None


def _write_down(context: Context, given: ExportMessageTrace) -> None:
    asked = {
        outside_name(name): str(value)
        for name in sorted(given.model_fields_set - {"result_size"})
        if (value := getattr(given, name)) is not None
    }
    with changing(context, NAME) as change:
        organization = context.caller.organization or DEFAULT_ORGANIZATION
        change.audit("message trace", "rows", organization, after={"Asked": asked})


OPERATIONS = (
    Operation(
        "Export",
        "MessageTrace",
        "Give rows of the message trace for a file, and write down who took them.",
        ExportMessageTrace,
        MessageTraceRow,
        TRACE,
        export,
        columns=("received", "sender_address", "recipient_address", "subject", "status"),
        example="-SenderAddress *@contoso.com -ResultSize 5000",
    ),
)
