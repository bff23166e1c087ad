"""Find messages in the trace, from any process, while the relay runs or not."""

from staffetta.operations.spools import not_available, spool_folder
from staffetta.settings.model import Settings
from staffetta.trace.events import Status
from staffetta.trace.query import Place, TraceQuery
from staffetta.trace.refusals import RefusalQuery, RefusalRow, Refusals, refusals
from staffetta.trace.search import DATABASE_NAME, Found, TraceRow, search

__all__ = [
    "Found",
    "Place",
    "RefusalQuery",
    "RefusalRow",
    "Refusals",
    "Status",
    "TraceQuery",
    "TraceRow",
    "find_messages",
    "find_refusals",
]


def find_messages(settings: Settings, query: TraceQuery, *, rows_read_max: int | None = None) -> Found:
    """Find one row per recipient, newest message first, as trace.search has it.

    Nothing where the relay has never run. Raises NotAvailable.
    """
    folder = spool_folder(settings)
    if not (folder / DATABASE_NAME).exists():
        return Found(())
    with not_available():
        return search(folder, query, rows_read_max=rows_read_max)


def find_refusals(settings: Settings, query: RefusalQuery) -> Refusals:
    """Return refused commands, newest first; nothing where the relay has never run. Raises NotAvailable."""
    folder = spool_folder(settings)
    if not (folder / DATABASE_NAME).exists():
        return Refusals((), is_all=True)
    with not_available():
        return refusals(folder, query)
