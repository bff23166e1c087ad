"""The audit, read: who changed what, when, from where, and what it was before."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.audit import AuditQuery, AuditRow, to_line
from staffetta.operations.access import told
from staffetta.operations.duties import REVIEW
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize
from staffetta.operations.registry import Context, Operation


class SearchAdminAuditLog(Input):
    cmdlets: Annotated[str | None, Field(description="The cmdlet, such as `New-InboundConnector`.")] = None
    object_ids: Annotated[str | None, Field(description="The name of the object that was changed.")] = None
    user_ids: Annotated[str | None, Field(description="Who changed it.")] = None
    start_date: Annotated[datetime | None, Field(description="At or after this time, UTC.")] = None
    end_date: Annotated[datetime | None, Field(description="Before this time, UTC.")] = None
    result_size: ResultSize = RESULTS_DEFAULT


class AuditEntry(Output):
    run_date: Annotated[datetime, Field(description="When.")]
    cmdlet_name: Annotated[str, Field(description="What was done.")]
    object_class: Annotated[str, Field(description="What kind of object it was done to.")]
    object_modified: Annotated[str, Field(description="The object's name.")]
    caller: Annotated[str, Field(description="Who did it.")]
    source: Annotated[str, Field(description="By what: console, api, cli or shell.")]
    client_ip: Annotated[str | None, Field(description="From where; nothing for this machine itself.")]
    organization: Annotated[str, Field(description="The organisation that owns the object.")]
    before: Annotated[dict[str, Any] | None, Field(description="The object before; nothing where it was not there.")]
    after: Annotated[dict[str, Any] | None, Field(description="The object after; nothing where it is gone.")]


def search(context: Context, given: SearchAdminAuditLog) -> Iterable[Output]:
    query = AuditQuery(
        organization=context.caller.organization,
        actor=given.user_ids,
        operation=given.cmdlets,
        target=given.object_ids,
        after=given.start_date.timestamp() if given.start_date else None,
        before=given.end_date.timestamp() if given.end_date else None,
        limit=given.result_size,
    )
    with told():
        return [_entry(row) for row in context.directory.audit(query)]


def export(context: Context, *, after: float | None = None, before: float | None = None) -> Iterable[str]:
    """Return rows as lines of JSON, the oldest first, for another machine to keep. after, before: since 1970."""
    query = AuditQuery(
        organization=context.caller.organization, after=after, before=before, limit=None, is_oldest_first=True
    )
    with told():
        return map(to_line, context.directory.audit(query))


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        run_date=datetime.fromtimestamp(row.at, UTC),
        cmdlet_name=row.operation,
        object_class=row.kind,
        object_modified=row.target,
        caller=row.actor,
        source=row.source,
        client_ip=row.address,
        organization=row.organization,
        before=row.before,
        after=row.after,
    )


OPERATIONS = (
    Operation(
        "Search",
        "AdminAuditLog",
        "Show who changed what, the newest first.",
        SearchAdminAuditLog,
        AuditEntry,
        REVIEW,
        search,
        columns=("run_date", "cmdlet_name", "object_modified", "caller", "source"),
        example="-Cmdlets New-InboundConnector -StartDate 2026-11-24",
    ),
)
