"""Outbound connectors: roads out under the parameters of Exchange's cmdlets (and ours beside them)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import chosen, found, made, organization_for, put, remove
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.errors import BadParameter
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.operations.shapes import changes, input_like, output_like, row_of
from staffetta.settings.objects import OutboundConnector

_NOUN = "OutboundConnector"
_IDENTITY = "Name or GUID of the connector."

# The order of Exchange's record; what Exchange does not know stands behind.
_PROPERTIES = (
    *("enabled", "use_mx_record", "comment", "connector_type", "connector_source", "recipient_domains"),
    *("smart_hosts", "tls_domain", "tls_settings", "is_transport_rule_scoped", "route_all_messages_via_on_premises"),
    *("cloud_services_mail_enabled", "all_accepted_domains", "sender_rewriting_enabled", "test_mode"),
    *("link_for_modified_connector", "validation_recipients", "is_validated", "last_validation_timestamp"),
    *("mta_sts_mode", "smtp_dane_mode", "admin_display_name", "name", "identity"),
    *("when_changed_utc", "when_created_utc", "guid", "is_valid", "organization", "route", "is_declared"),
)
# What a validation was about: after a change of these, nothing has been validated.
_TRAVELS_BY = {"use_mx_record", "smart_hosts", "tls_settings", "tls_domain", "mta_sts_mode", "smtp_dane_mode", "route"}


def _of(kind: Any, description: str, **default: Any) -> tuple[Any, Any]:
    return kind, Field(description=description, **default)


OutboundConnectorRow: type[Output] = output_like(
    OutboundConnector,
    "OutboundConnectorRow",
    _PROPERTIES,
    {
        "link_for_modified_connector": _of(str, "Kept for Exchange's sake; always zeros."),
        "last_validation_timestamp": _of(datetime | None, "When it was validated last."),
        "admin_display_name": _of(str, "Empty."),
        "identity": _of(str, "The name."),
        "when_changed_utc": _of(datetime, "When it was changed."),
        "when_created_utc": _of(datetime, "When it was made."),
        "guid": _of(str, "Its GUID."),
        "is_valid": _of(bool, "Always true: an invalid one is refused."),
        "is_declared": _of(bool, "Whether it stands in the settings file, and can be changed there alone."),
    },
)

_LINK = _of(str | None, "Kept for Exchange's sake; changes nothing.", default=None)
_OF_VALIDATION = ("is_validated", "validation_recipients", "last_validation_at")
NewOutboundConnector: type[Input] = input_like(
    OutboundConnector,
    "NewOutboundConnector",
    required=("name",),
    without=_OF_VALIDATION,
    first={"link_for_modified_connector": _LINK},
)
SetOutboundConnector: type[Input] = input_like(
    OutboundConnector,
    "SetOutboundConnector",
    first={
        "identity": _of(str, _IDENTITY),
        "link_for_modified_connector": _LINK,
        "last_validation_timestamp": _of(datetime | None, "When it was validated.", default=None),
    },
    without=("organization", "last_validation_at"),
)


class GetOutboundConnector(Input):
    identity: Annotated[str | None, Field(description=_IDENTITY)] = None
    include_test_mode_connectors: Annotated[Switch, Field(description="Show those in test mode too.")] = False
    is_transport_rule_scoped: Annotated[
        bool | None, Field(description="Only those that rules alone use, or only the others.")
    ] = None
    result_size: ResultSize = RESULTS_DEFAULT


class RemoveOutboundConnector(Input):
    identity: Annotated[str, Field(description=_IDENTITY)]


def get(context: Context, given: GetOutboundConnector) -> Iterable[Output]:
    for stored in chosen(context, Kind.OUTBOUND_CONNECTOR, given.identity, given.result_size):
        connector = value_of(stored)
        is_shown = given.identity is not None or given.include_test_mode_connectors or not connector.test_mode
        if is_shown and given.is_transport_rule_scoped in (None, connector.is_transport_rule_scoped):
            yield _row(stored)


def new(context: Context, given: Any) -> Iterable[Output]:
    _check_smart_hosts(given)
    values = changes(given, OutboundConnector(name="new"))
    values["organization"] = organization_for(context, given.organization)
    return [_row(put(context, f"New-{_NOUN}", Kind.OUTBOUND_CONNECTOR, made(OutboundConnector, **values)))]


def set_(context: Context, given: Any) -> Iterable[Output]:
    _check_smart_hosts(given)
    stored = found(context, Kind.OUTBOUND_CONNECTOR, given.identity)
    present = value_of(stored)
    changed = changes(given, present)
    if given.use_mx_record and "smart_hosts" not in changed and present.smart_hosts:
        changed["smart_hosts"] = ()
        context.warnings.append("The smart hosts are gone: with UseMXRecord they would do nothing.")
    if "last_validation_timestamp" in given.model_fields_set:
        at = given.last_validation_timestamp
        changed["last_validation_at"] = at.timestamp() if at is not None else None
    is_other_road = any(key in changed and changed[key] != getattr(present, key) for key in _TRAVELS_BY)
    if is_other_road and present.is_validated and "is_validated" not in changed:
        changed["is_validated"] = False
        context.warnings.append("It has to be validated again: Validate-OutboundConnector.")
    value = made(OutboundConnector, **present.model_dump() | changed)
    put(context, f"Set-{_NOUN}", Kind.OUTBOUND_CONNECTOR, value, guid=stored.guid)
    return []


def remove_(context: Context, given: RemoveOutboundConnector) -> Iterable[Output]:
    remove(context, f"Remove-{_NOUN}", Kind.OUTBOUND_CONNECTOR, given.identity)
    return []


def value_of(stored: Stored) -> OutboundConnector:
    """Return the connector."""
    assert isinstance(stored.value, OutboundConnector)
    return stored.value


def _check_smart_hosts(given: Any) -> None:
    """Raises BadParameter."""
    if given.use_mx_record is False and given.smart_hosts is None and getattr(given, "route", None) is None:
        raise BadParameter(
            "With -UseMXRecord $false, name the smart hosts on the same command line: -SmartHosts mail.contoso.com.",
            parameter="SmartHosts",
        )


def _row(stored: Stored) -> Output:
    value = value_of(stored)
    at = value.last_validation_at
    return row_of(
        OutboundConnectorRow,
        value,
        link_for_modified_connector="00000000-0000-0000-0000-000000000000",
        last_validation_timestamp=datetime.fromtimestamp(at, UTC) if at is not None else None,
        admin_display_name="",
        identity=value.name,
        when_changed_utc=datetime.fromtimestamp(stored.changed_at, UTC),
        when_created_utc=datetime.fromtimestamp(stored.created_at, UTC),
        guid=stored.guid,
        is_valid=True,
        is_declared=stored.is_declared,
    )


_COLUMNS = ("name", "enabled", "connector_type", "recipient_domains", "smart_hosts", "tls_settings")

OPERATIONS = (
    Operation(
        "Get",
        _NOUN,
        "Show outbound connectors: where mail goes out.",
        GetOutboundConnector,
        OutboundConnectorRow,
        READ,
        get,
        positions=("identity",),
        columns=_COLUMNS,
        example="'To Fabrikam'",
    ),
    Operation(
        "New",
        _NOUN,
        "Make an outbound connector.",
        NewOutboundConnector,
        OutboundConnectorRow,
        CHANGE,
        new,
        is_change=True,
        positions=("name",),
        columns=_COLUMNS,
        example="'To Fabrikam' -RecipientDomains fabrikam.com -UseMXRecord $false -SmartHosts mail.fabrikam.com",
    ),
    Operation(
        "Set",
        _NOUN,
        "Change an outbound connector; what is not named stays.",
        SetOutboundConnector,
        None,
        CHANGE,
        set_,
        is_change=True,
        positions=("identity",),
        example="'To Fabrikam' -TlsSettings DomainValidation -TlsDomain *.fabrikam.com",
    ),
    Operation(
        "Remove",
        _NOUN,
        "Remove an outbound connector; what is queued for it waits, until it is sent another way.",
        RemoveOutboundConnector,
        None,
        CHANGE,
        remove_,
        is_change=True,
        positions=("identity",),
        example="'To Fabrikam'",
    ),
)
