"""Find messages in the trace, from any process, while the relay runs or not."""

from collections.abc import Sequence
from datetime import datetime

from staffetta.operations.spools import not_available, spool_folder
from staffetta.settings.model import Settings
from staffetta.trace.events import Status
from staffetta.trace.query import Only, TraceQuery
from staffetta.trace.search import DATABASE_NAME, RefusalRow, TraceRow, refusals, search

__all__ = ["RefusalRow", "Status", "TraceRow", "find_messages", "find_refusals"]


def find_messages(
    settings: Settings,
    *,
    queue_id: str | None = None,
    message_id: str | None = None,
    sender: str | None = None,
    recipient: str | None = None,
    party: str | None = None,
    connector: str | None = None,
    peer: str | None = None,
    subject: str | None = None,
    status: Status | None = None,
    is_doubtful: bool = False,
    after: datetime | None = None,
    before: datetime | None = None,
    beyond: tuple[int, int] | None = None,
    limit: int = 100,
    only: Only | None = None,
) -> Sequence[TraceRow]:
    """Return one row per recipient, newest message first; all that is given must hold, as TraceQuery has it.

    Nothing where the relay has never run. Raises NotAvailable.
    """
    folder = spool_folder(settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    query = TraceQuery(
        queue_id=queue_id,
        message_id=message_id,
        sender=sender,
        recipient=recipient,
        party=party,
        connector=connector,
        peer=peer,
        subject=subject,
        status=status,
        is_doubtful=is_doubtful,
        after=after.timestamp() if after else None,
        before=before.timestamp() if before else None,
        beyond=beyond,
        limit=limit,
        only=only,
    )
    with not_available():
        return search(folder, query)


def find_refusals(
    settings: Settings, *, session_id: str | None = None, after: datetime | None = None, limit: int = 100
) -> Sequence[RefusalRow]:
    """Return refused commands, newest first; nothing where the relay has never run. Raises NotAvailable."""
    folder = spool_folder(settings)
    if not (folder / DATABASE_NAME).exists():
        return []
    with not_available():
        return refusals(folder, session_id=session_id, after=after.timestamp() if after else None, limit=limit)
