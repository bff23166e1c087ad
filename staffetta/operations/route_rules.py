"""Route rules: which mail takes which road, before connectors and domains are looked at."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import chosen, found, made, put, remove
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.operations.shapes import changes, input_like, output_like, row_of
from staffetta.settings.roads import RouteRule

_NOUN = "RouteRule"
_IDENTITY = "Name or GUID of the rule."


def _of(kind: Any, description: str) -> tuple[Any, Any]:
    return kind, Field(description=description)


RouteRuleRow: type[Output] = output_like(
    RouteRule,
    "RouteRuleRow",
    (
        *("name", "enabled", "priority", "route", "recipient_domains", "sender_domains", "connectors"),
        *("octets_min", "octets_max", "comment", "identity", "when_changed_utc", "when_created_utc", "guid"),
        "is_declared",
    ),
    {
        "identity": _of(str, "The name."),
        "when_changed_utc": _of(datetime, "When it was changed."),
        "when_created_utc": _of(datetime, "When it was made."),
        "guid": _of(str, "Its GUID."),
        "is_declared": _of(bool, "Whether it stands in the settings file, and can be changed there alone."),
    },
)
NewRouteRule: type[Input] = input_like(RouteRule, "NewRouteRule", required=("name", "route"))
SetRouteRule: type[Input] = input_like(RouteRule, "SetRouteRule", first={"identity": _of(str, _IDENTITY)})


class GetRouteRule(Input):
    identity: Annotated[str | None, Field(description=_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class RemoveRouteRule(Input):
    identity: Annotated[str, Field(description=_IDENTITY)]


def get(context: Context, given: GetRouteRule) -> Iterable[Output]:
    """In the order in which they are asked."""
    rows = chosen(context, Kind.ROUTE_RULE, given.identity)
    return [_row(stored) for stored in sorted(rows, key=lambda stored: _value(stored).priority)[: given.result_size]]


def new(context: Context, given: Any) -> Iterable[Output]:
    values = changes(given, RouteRule(name="new", route="new"))
    return [_row(put(context, f"New-{_NOUN}", Kind.ROUTE_RULE, made(RouteRule, **values)))]


def set_(context: Context, given: Any) -> Iterable[Output]:
    stored = found(context, Kind.ROUTE_RULE, given.identity)
    values = stored.value.model_dump() | changes(given, stored.value)
    put(context, f"Set-{_NOUN}", Kind.ROUTE_RULE, made(RouteRule, **values), guid=stored.guid)
    return []


def remove_(context: Context, given: RemoveRouteRule) -> Iterable[Output]:
    remove(context, f"Remove-{_NOUN}", Kind.ROUTE_RULE, given.identity)
    return []


def _value(stored: Stored) -> RouteRule:
    assert isinstance(stored.value, RouteRule)
    return stored.value


def _row(stored: Stored) -> Output:
    return row_of(
        RouteRuleRow,
        stored.value,
        identity=stored.name,
        when_changed_utc=datetime.fromtimestamp(stored.changed_at, UTC),
        when_created_utc=datetime.fromtimestamp(stored.created_at, UTC),
        guid=stored.guid,
        is_declared=stored.is_declared,
    )


_COLUMNS = ("priority", "name", "enabled", "route", "recipient_domains", "connectors")

OPERATIONS = (
    Operation(
        "Get",
        _NOUN,
        "Show route rules in the order in which they are asked.",
        GetRouteRule,
        RouteRuleRow,
        READ,
        get,
        positions=("identity",),
        columns=_COLUMNS,
        example="'Large mail'",
    ),
    Operation(
        "New",
        _NOUN,
        "Make a route rule.",
        NewRouteRule,
        RouteRuleRow,
        CHANGE,
        new,
        is_change=True,
        positions=("name",),
        columns=_COLUMNS,
        example="'Large mail' -Route archive -OctetsMin 10000000 -Priority 10",
    ),
    Operation(
        "Set",
        _NOUN,
        "Change a route rule; what is not named stays.",
        SetRouteRule,
        None,
        CHANGE,
        set_,
        is_change=True,
        positions=("identity",),
        example="'Large mail' -Enabled $false",
    ),
    Operation(
        "Remove",
        _NOUN,
        "Remove a route rule.",
        RemoveRouteRule,
        None,
        CHANGE,
        remove_,
        is_change=True,
        positions=("identity",),
        example="'Large mail'",
    ),
)
