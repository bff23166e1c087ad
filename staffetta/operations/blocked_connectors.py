"""Blocked connectors: whose mail is refused with 5.7.711 until somebody takes the block away.

Exchange blocks by itself what it finds abused. Here an administrator does: Set-InboundConnector -Blocked $true.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import found, listed, not_found, put
from staffetta.operations.duties import CHANGE, LOOK_INTO
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.settings.objects import InboundConnector

_CONNECTOR_ID = "Name or GUID of the connector."


class BlockedConnectorRow(Output):
    connector_id: Annotated[str, Field(description="GUID of the connector.")]
    name: Annotated[str, Field(description="Name of the connector.")]
    identity: Annotated[str, Field(description="The name.")]
    reason: Annotated[str, Field(description="What the refusals say.")]
    when_changed_utc: Annotated[datetime, Field(description="When the connector was changed last.")]


class GetBlockedConnector(Input):
    connector_id: Annotated[str | None, Field(description=_CONNECTOR_ID)] = None


class RemoveBlockedConnector(Input):
    connector_id: Annotated[str, Field(description=_CONNECTOR_ID)]
    reason: Annotated[str | None, Field(description="Why the block goes: it stands in the connector's comment.")] = None


def get(context: Context, given: GetBlockedConnector) -> Iterable[Output]:
    if given.connector_id is not None:
        return [_row(_blocked(context, given.connector_id))]
    return [_row(stored) for stored in listed(context, Kind.INBOUND_CONNECTOR) if _connector(stored).blocked]


def remove(context: Context, given: RemoveBlockedConnector) -> Iterable[Output]:
    stored = _blocked(context, given.connector_id)
    changes: dict[str, object] = {"blocked": False}
    if given.reason:
        changes["comment"] = f"{_connector(stored).comment}\nUnblocked: {given.reason}".strip()
    value = _connector(stored).model_copy(update=changes)
    put(context, "Remove-BlockedConnector", Kind.INBOUND_CONNECTOR, value, guid=stored.guid)
    return []


def _blocked(context: Context, connector_id: str) -> Stored:
    """Raises NotFound, also for one that is not blocked."""
    stored = found(context, Kind.INBOUND_CONNECTOR, connector_id)
    if not _connector(stored).blocked:
        raise not_found(context, connector_id, parameter="ConnectorId")
    return stored


def _connector(stored: Stored) -> InboundConnector:
    assert isinstance(stored.value, InboundConnector)
    return stored.value


def _row(stored: Stored) -> BlockedConnectorRow:
    return BlockedConnectorRow(
        connector_id=stored.guid,
        name=stored.name,
        identity=stored.name,
        reason="5.7.711 Access denied, bad inbound connector",
        when_changed_utc=datetime.fromtimestamp(stored.changed_at, UTC),
    )


OPERATIONS = (
    Operation(
        "Get",
        "BlockedConnector",
        "Show the inbound connectors whose mail is refused until they are unblocked.",
        GetBlockedConnector,
        BlockedConnectorRow,
        LOOK_INTO,
        get,
        positions=("connector_id",),
        columns=("connector_id", "name", "reason"),
        example="'SMTP Relay'",
    ),
    Operation(
        "Remove",
        "BlockedConnector",
        "Take the block from an inbound connector; its next transaction is decided as before.",
        RemoveBlockedConnector,
        None,
        CHANGE,
        remove,
        is_change=True,
        positions=("connector_id",),
        example="'SMTP Relay'",
    ),
)
