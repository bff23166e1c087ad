"""Routes as they are travelled, with presets and connectors worked in, and how their next hops are."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from staffetta.operations.access import not_found
from staffetta.operations.duties import READ
from staffetta.operations.errors import Unavailable
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.settings.outbound import all_routes, hop_label
from staffetta.settings.roads import NextHop, Preset, Route, TlsLevel, Transport
from staffetta.trace.next_hops import HopState, read_states

Name = Annotated[str, Field(description="Name of the route, or of the outbound connector that is one.")]


class HopStatus(StrEnum):
    UP = "Up"
    RESTING = "Resting"
    PROBING = "ToBeProbed"
    UNKNOWN = "Unknown"


class RouteRow(Output):
    name: Name
    connectors: Annotated[tuple[str, ...], Field(description="Outbound connectors whose mail takes it.")]
    transport: Transport
    preset: Annotated[Preset | None, Field(description="The far side that fills in what is not said.")]
    next_hops: Annotated[tuple[str, ...], Field(description="In the order of their priority.")]
    tls: TlsLevel
    implicit_tls: Annotated[bool, Field(description="Whether TLS begins with the first octet.")]
    tls_names: Annotated[tuple[str, ...], Field(description="Names that the certificate may have; empty: the host's.")]
    trusted_authority: Annotated[str, Field(description="Who must have issued the certificate.")]
    client_certificate: Annotated[str | None, Field(description="File of the certificate that we show.")]
    login: Annotated[str | None, Field(description="How and as whom we log in.")]
    token_source: Annotated[str | None, Field(description="Where its access tokens come from.")]
    concurrency: Annotated[int, Field(description="Attempts to one destination at a time.")]
    messages_per_minute: Annotated[int | None, Field(description="Messages to one destination in a minute.")]
    recipients_per_day: Annotated[int | None, Field(description="Recipients in any 24 hours.")]
    is_default: Annotated[bool, Field(description="Whether it is the default route.")]
    identity: Name


class NextHopRow(Output):
    route: Name
    host: Annotated[str, Field(description="Name or address, and port.")]
    priority: Annotated[int, Field(description="Lower is tried first.")]
    weight: Annotated[int, Field(description="Share among those of equal priority.")]
    status: Annotated[HopStatus, Field(description="Unknown where no relay has said anything.")]
    failures: Annotated[int, Field(description="Troubles in a row.")]
    since: Annotated[datetime | None, Field(description="Since when it is so.")]
    next_probe: Annotated[datetime | None, Field(description="When it is tried again.")]
    last_error: Annotated[str, Field(description="What the last trouble was.")]


class GetRoute(Input):
    identity: Annotated[str | None, Field(description="Name of a route, or of an outbound connector.")] = None


class GetNextHop(Input):
    route: Annotated[str | None, Field(description="Only those of this route.")] = None


def get_route(context: Context, given: GetRoute) -> Iterable[Output]:
    roads = _roads(context, given.identity)
    carried: dict[str, list[str]] = {}
    for connector in context.settings.outbound_connectors:
        if connector.name in roads or given.identity is not None:
            carried.setdefault(connector.route or connector.name, []).append(connector.name)
    distinct = {route.name: route for route in roads.values()}
    for route in distinct.values():
        login = route.authentication
        yield RouteRow(
            name=route.name,
            connectors=tuple(carried.get(route.name, ())),
            transport=route.transport,
            preset=route.preset,
            next_hops=tuple(map(_shown, sorted(route.next_hops, key=lambda hop: hop.priority))),
            tls=route.tls,
            implicit_tls=route.implicit_tls,
            tls_names=route.tls_names,
            trusted_authority=route.trusted_authority,
            client_certificate=str(route.client_certificate) if route.client_certificate else None,
            login=f"{login.mechanism} as {login.user_name}" if login is not None else None,
            token_source=route.token_source or (login.token_source if login is not None else None),
            concurrency=route.concurrency,
            messages_per_minute=route.messages_per_minute,
            recipients_per_day=route.recipients_per_day,
            is_default=route.name == context.settings.default_route,
            identity=route.name,
        )


def get_next_hop(context: Context, given: GetNextHop) -> Iterable[Output]:
    try:
        states = {(state.route, state.host): state for state in read_states(context.settings.data_dir)}
    except OSError as error:
        raise Unavailable(f"The state of the next hops cannot be read: {error.strerror}.") from error
    distinct = {route.name: route for route in _roads(context, given.route).values()}
    for route in distinct.values():
        for hop in sorted(route.next_hops, key=lambda hop: hop.priority):
            yield _hop_row(route, hop, states.get((route.name, hop_label(hop))), context.now())


def _roads(context: Context, name: str | None) -> Mapping[str, Route]:
    """The roads that the caller may see: of an organisation, those of its connectors. Raises NotFound."""
    roads, own = all_routes(context.settings), context.caller.organization
    if own is not None:
        connectors = {each.name for each in context.settings.outbound_connectors if each.organization == own}
        roads = {known: route for known, route in roads.items() if known in connectors}
    if name is None:
        return roads
    chosen = {known: route for known, route in roads.items() if known.casefold() == name.strip().casefold()}
    if not chosen:
        raise not_found(context, name)
    return chosen


def _shown(hop: NextHop) -> str:
    extras: Sequence[str] = [
        *([f"priority {hop.priority}"] if hop.priority else []),
        *([f"weight {hop.weight}"] if hop.weight != 1 else []),
    ]
    return f"{hop_label(hop)} ({', '.join(extras)})" if extras else hop_label(hop)


def _hop_row(route: Route, hop: NextHop, state: HopState | None, now: float) -> NextHopRow:
    if state is None:
        status = HopStatus.UNKNOWN
    elif state.is_up:
        status = HopStatus.UP
    else:
        status = HopStatus.RESTING if now < state.rests_until else HopStatus.PROBING
    return NextHopRow(
        route=route.name,
        host=hop_label(hop),
        priority=hop.priority,
        weight=hop.weight,
        status=status,
        failures=state.troubles if state is not None else 0,
        since=datetime.fromtimestamp(state.since, UTC) if state is not None else None,
        next_probe=datetime.fromtimestamp(state.rests_until, UTC) if state is not None and not state.is_up else None,
        last_error=state.said if state is not None else "",
    )


OPERATIONS = (
    Operation(
        "Get",
        "Route",
        "Show the roads out as they are travelled, with what presets and connectors fill in.",
        GetRoute,
        RouteRow,
        READ,
        get_route,
        positions=("identity",),
        columns=("name", "transport", "next_hops", "tls", "login", "concurrency"),
        example="outside",
    ),
    Operation(
        "Get",
        "NextHop",
        "Show the hosts that mail is handed over to, and which of them rest after trouble.",
        GetNextHop,
        NextHopRow,
        READ,
        get_next_hop,
        positions=("route",),
        columns=("route", "host", "priority", "status", "failures", "last_error"),
        example="outside",
    ),
)
