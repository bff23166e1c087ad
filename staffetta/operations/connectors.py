"""Inbound connectors: who may send in, under the parameters of Exchange's cmdlets (and ours beside them)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import chosen, found, made, organization_for, put, remove, tried
from staffetta.operations.address_spaces import address_space, costs, domains_in
from staffetta.operations.connector_consequences import consequences
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, MultiValued, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.operations.shapes import changes, input_like, output_like, row_of
from staffetta.settings.objects import ConnectorType, InboundConnector

_NOUN = "InboundConnector"
_IDENTITY = "Name or GUID of the connector."

# The order of Exchange's record; what Exchange does not know stands behind.
_PROPERTIES = (
    *("enabled", "connector_type", "connector_source", "comment", "sender_ip_addresses", "sender_domains"),
    *("trusted_organizations", "client_host_names", "associated_accepted_domains", "require_tls"),
    *("restrict_domains_to_ip_addresses", "restrict_domains_to_certificate", "cloud_services_mail_enabled"),
    *("treat_messages_as_internal", "tls_sender_certificate_name", "ef_test_mode", "scan_and_drop_recipients"),
    *("ef_skip_last_ip", "ef_skip_ips", "ef_skip_mail_gateway", "ef_users", "admin_display_name", "name", "identity"),
    *("when_changed_utc", "when_created_utc", "guid", "is_valid"),
    *("organization", "trusted_authority", "tls_sender_certificate_fingerprints", "sender_accounts"),
    *("allow_authentication_without_tls", "blocked", "allow_any_address", "never_twice"),
    *("messages_per_minute", "tolerance"),
    *("sender_rewriting", "rewritten_sender", "allowed_senders", "is_declared"),
)


def _of(kind: Any, description: str) -> tuple[Any, Any]:
    return kind, Field(description=description)


InboundConnectorRow: type[Output] = output_like(
    InboundConnector,
    "InboundConnectorRow",
    _PROPERTIES,
    {
        "admin_display_name": _of(str, "Empty."),
        "identity": _of(str, "The name."),
        "when_changed_utc": _of(datetime, "When it was changed."),
        "when_created_utc": _of(datetime, "When it was made."),
        "guid": _of(str, "Its GUID."),
        "is_valid": _of(bool, "Always true: an invalid one is refused."),
        "is_declared": _of(bool, "Whether it stands in the settings file, and can be changed there alone."),
        # One name is a text, as in Exchange's record; several, which Exchange has not, are a list.
        "tls_sender_certificate_name": _of(str | tuple[str, ...] | None, "Names in the client's certificate."),
    },
)

NewInboundConnector: type[Input] = input_like(
    InboundConnector, "NewInboundConnector", required=("name", "sender_domains")
)
SetInboundConnector: type[Input] = input_like(
    InboundConnector,
    "SetInboundConnector",
    first={"identity": _of(str, _IDENTITY)},
    without=("client_host_names", "organization"),
)


class GetInboundConnector(Input):
    identity: Annotated[str | None, Field(description=_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class RemoveInboundConnector(Input):
    identity: Annotated[str, Field(description=_IDENTITY)]


def get(context: Context, given: GetInboundConnector) -> Iterable[Output]:
    return [_row(stored) for stored in chosen(context, Kind.INBOUND_CONNECTOR, given.identity, given.result_size)]


def new(context: Context, given: Any) -> Iterable[Output]:
    values = _values(context, given, InboundConnector(name=given.name))
    if "connector_type" not in given.model_fields_set:
        values["connector_type"] = ConnectorType.PARTNER
        context.warnings.append(
            "Without -ConnectorType the connector is Partner, as in Exchange: it restricts, and relays nothing to the "
            "outside. For a server of your own: -ConnectorType OnPremises."
        )
    values["organization"] = organization_for(context, given.organization)
    return [_row(put(context, f"New-{_NOUN}", Kind.INBOUND_CONNECTOR, made(InboundConnector, **values)))]


def set_(context: Context, given: Any) -> Iterable[Output]:
    stored = found(context, Kind.INBOUND_CONNECTOR, given.identity)
    values = stored.value.model_dump() | _values(context, given, stored.value)
    put(context, f"Set-{_NOUN}", Kind.INBOUND_CONNECTOR, made(InboundConnector, **values), guid=stored.guid)
    return []


def preview_new(context: Context, given: Any) -> Iterable[str]:
    """Say what it would do; what the directory would refuse is refused. Raises OperationError."""
    values = _values(context, given, InboundConnector(name=given.name))
    values.setdefault("connector_type", ConnectorType.PARTNER)
    values["organization"] = organization_for(context, given.organization)
    connector = made(InboundConnector, **values)
    assert isinstance(connector, InboundConnector)
    tried(context, f"New-{_NOUN}", Kind.INBOUND_CONNECTOR, connector)
    return consequences(context, connector)


def preview_set(context: Context, given: Any) -> Iterable[str]:
    """As preview_new."""
    stored = found(context, Kind.INBOUND_CONNECTOR, given.identity)
    connector = made(InboundConnector, **stored.value.model_dump() | _values(context, given, stored.value))
    assert isinstance(connector, InboundConnector)
    tried(context, f"Set-{_NOUN}", Kind.INBOUND_CONNECTOR, connector, guid=stored.guid)
    return consequences(context, connector, instead_of=stored.name)


def remove_(context: Context, given: RemoveInboundConnector) -> Iterable[Output]:
    remove(context, f"Remove-{_NOUN}", Kind.INBOUND_CONNECTOR, given.identity)
    return []


def _values(context: Context, given: Any, present: Any) -> dict[str, Any]:
    """The properties that the caller gave, in the notation of the settings. Raises BadValue."""
    if isinstance(domains := given.sender_domains, MultiValued):
        if costs((*(domains.whole or ()), *domains.add)):
            context.warnings.append(
                "A cost behind SenderDomains changes nothing here: among connectors that match, the most specific "
                "one is taken, then the older one."
            )
        given = given.model_copy(update={"sender_domains": domains_in(domains)})
    values = changes(given, present)
    if values.get("sender_domains") == ():
        raise BadValue("SenderDomains cannot be empty; * stands for every domain.", parameter="SenderDomains")
    return values


def _row(stored: Stored) -> Output:
    value = stored.value
    assert isinstance(value, InboundConnector)
    names = value.tls_sender_certificate_name
    return row_of(
        InboundConnectorRow,
        value,
        sender_domains=tuple(map(address_space, value.sender_domains)),
        tls_sender_certificate_name=names if len(names) > 1 else next(iter(names), None),
        admin_display_name="",
        identity=value.name,
        when_changed_utc=datetime.fromtimestamp(stored.changed_at, UTC),
        when_created_utc=datetime.fromtimestamp(stored.created_at, UTC),
        guid=stored.guid,
        is_valid=True,
        is_declared=stored.is_declared,
    )


_COLUMNS = ("name", "enabled", "connector_type", "sender_ip_addresses", "tls_sender_certificate_name")

OPERATIONS = (
    Operation(
        "Get",
        _NOUN,
        "Show inbound connectors: who may send in.",
        GetInboundConnector,
        InboundConnectorRow,
        READ,
        get,
        positions=("identity",),
        columns=_COLUMNS,
        example="'SMTP Relay'",
    ),
    Operation(
        "New",
        _NOUN,
        "Make an inbound connector.",
        NewInboundConnector,
        InboundConnectorRow,
        CHANGE,
        new,
        is_change=True,
        positions=("name",),
        columns=_COLUMNS,
        preview=preview_new,
        example="'SMTP Relay' -ConnectorType OnPremises -SenderDomains * -SenderIPAddresses 192.0.2.7",
    ),
    Operation(
        "Set",
        _NOUN,
        "Change an inbound connector; what is not named stays.",
        SetInboundConnector,
        None,
        CHANGE,
        set_,
        is_change=True,
        positions=("identity",),
        preview=preview_set,
        example="'SMTP Relay' -SenderIPAddresses @{Add='192.0.2.8'}",
    ),
    Operation(
        "Remove",
        _NOUN,
        "Remove an inbound connector; the next transaction is decided without it.",
        RemoveInboundConnector,
        None,
        CHANGE,
        remove_,
        is_change=True,
        positions=("identity",),
        example="'SMTP Relay'",
    ),
)
