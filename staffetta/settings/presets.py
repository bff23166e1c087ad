"""Far sides that we know: what a route leaves unsaid is as they want it, and what they would not take is told.

Rule 1: a key that the route says goes before the preset's, as long as the far side takes it at all (road_checks.py).
Rule 2: only limits that the provider publishes for everybody stand here; what an account buys is said by its owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from staffetta.settings.roads import Authentication, Mechanism, NextHop, Preset, Route, TlsLevel, Transport

SUBMISSION_PORT = 587


@dataclass(frozen=True, slots=True)
class FarSide:
    """port: of next hops that name none. host: where there is one for everybody. host_example: what to write else.

    values: other keys of the route. mechanism: for a login that names none. needs_login: None where both will do.
    """

    transport: Transport
    port: int = 25
    host: str | None = None
    host_example: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    mechanism: Mechanism = Mechanism.PLAIN
    needs_login: bool | None = None


# A mailbox of Exchange takes three connections, thirty messages a minute and ten thousand recipients a day.
_OF_A_MAILBOX = {"concurrency": 3, "messages_per_minute": 30, "recipients_per_day": 10_000}

FAR_SIDES: Mapping[Preset, FarSide] = {
    Preset.EXCHANGE_CONNECTOR: FarSide(
        Transport.SMTP,
        host_example="contoso-com.mail.protection.outlook.com",
        values={"tls": TlsLevel.VERIFIED},
        needs_login=False,
    ),
    Preset.EXCHANGE_SUBMISSION: FarSide(
        Transport.SMTP,
        port=SUBMISSION_PORT,
        host="smtp.office365.com",
        values={"tls": TlsLevel.VERIFIED, **_OF_A_MAILBOX},
        mechanism=Mechanism.XOAUTH2,
        needs_login=True,
    ),
    Preset.EXCHANGE_GRAPH: FarSide(Transport.GRAPH, values=_OF_A_MAILBOX),
    Preset.GOOGLE_WORKSPACE: FarSide(
        Transport.SMTP, port=SUBMISSION_PORT, host="smtp-relay.gmail.com", values={"tls": TlsLevel.VERIFIED}
    ),
    Preset.AMAZON_SES: FarSide(
        Transport.SMTP,
        port=SUBMISSION_PORT,
        host_example="email-smtp.eu-central-1.amazonaws.com",
        values={"tls": TlsLevel.VERIFIED},
        needs_login=True,
    ),
}


def effective(route: Route) -> Route:
    """Return the route with what its preset fills in."""
    if route.preset is None:
        return route
    far_side = FAR_SIDES[route.preset]
    said = route.model_fields_set
    filled: dict[str, Any] = {key: value for key, value in far_side.values.items() if key not in said}
    if "transport" not in said:
        filled["transport"] = far_side.transport
    if route.next_hops:
        filled["next_hops"] = tuple(_with_port(hop, far_side.port) for hop in route.next_hops)
    elif far_side.host is not None:
        filled["next_hops"] = (NextHop(host=far_side.host, port=far_side.port),)
    if route.authentication is not None:
        filled["authentication"] = _with_mechanism(route.authentication, far_side.mechanism)
    return route.model_copy(update=filled)


def _with_port(hop: NextHop, port: int) -> NextHop:
    return hop if "port" in hop.model_fields_set else hop.model_copy(update={"port": port})


def _with_mechanism(login: Authentication, mechanism: Mechanism) -> Authentication:
    is_said = "mechanism" in login.model_fields_set or login.password is not None
    return login if is_said else login.model_copy(update={"mechanism": mechanism})
