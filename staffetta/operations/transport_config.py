"""What holds for all mail, under the names of Exchange's transport configuration.

Whether clients may log in is an organisation's; the rest holds for the whole relay. Both are kept by the directory and
reach the next transaction within a second. What the settings file says holds, and Set names the key. A Set that asks
for what is so already succeeds, so that a script may be run twice.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationError

from staffetta.directory.transport import TABLES, is_said_by_file, keep_transport, tables_with
from staffetta.operations.access import changing, organization_for
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.errors import BadValue, OperationError
from staffetta.operations.inputs import Input, Output
from staffetta.operations.organizations import keep
from staffetta.operations.registry import Context, Operation
from staffetta.operations.time_spans import seconds_in, time_span
from staffetta.policy.authentication import is_switched_off
from staffetta.settings.model import ListenerKind
from staffetta.settings.objects import DEFAULT_ORGANIZATION, outside_name

Expiration = Annotated[str, Field(description="How long a message is tried, as `2.00:00:00` or `12:00:00`.")]
Delay = Annotated[str, Field(description="After which time the sender is told that a message is late.")]
SizeMax = Annotated[int, Field(description="Largest message, in octets.")]
RecipientsMax = Annotated[int, Field(description="Recipients of one transaction.")]
SmtpAuth = Annotated[bool, Field(description="Whether no account of the organisation can log in to send.")]
OrganizationName = Annotated[str | None, Field(description="Which organisation; left out, the caller's own.")]


class TransportConfigRow(Output):
    name: Annotated[str, Field(description="Always `Transport Settings`.")]
    identity: Annotated[str, Field(description="The name.")]
    smtp_client_authentication_disabled: SmtpAuth
    message_expiration: Expiration
    delay_notification_timeout: Delay
    max_receive_size: SizeMax
    max_recipient_envelope_limit: RecipientsMax
    external_delay_dsn_enabled: Annotated[bool, Field(description="Always true.")]
    internal_delay_dsn_enabled: Annotated[bool, Field(description="Always true.")]


class GetTransportConfig(Input):
    organization: OrganizationName = None


class SetTransportConfig(Input):
    organization: OrganizationName = None
    smtp_client_authentication_disabled: SmtpAuth | None = None
    message_expiration: Expiration | None = None
    delay_notification_timeout: Delay | None = None
    max_receive_size: SizeMax | None = None
    max_recipient_envelope_limit: RecipientsMax | None = None


_KEYS = {
    "message_expiration": "expire_seconds",
    "delay_notification_timeout": "delay_notice_seconds",
    "max_receive_size": "message_octets_max",
    "max_recipient_envelope_limit": "recipients_max",
}


def get(context: Context, given: GetTransportConfig) -> Iterable[Output]:
    settings = context.settings
    organization = organization_for(context, given.organization)
    return [
        TransportConfigRow(
            name="Transport Settings",
            identity="Transport Settings",
            smtp_client_authentication_disabled=is_switched_off(organization, settings),
            message_expiration=time_span(settings.queue.expire_seconds),
            delay_notification_timeout=time_span(settings.queue.delay_notice_seconds),
            max_receive_size=settings.limits.message_octets_max,
            max_recipient_envelope_limit=settings.limits.recipients_max,
            external_delay_dsn_enabled=True,
            internal_delay_dsn_enabled=True,
        )
    ]


def set_(context: Context, given: SetTransportConfig) -> Iterable[Output]:
    values = _changed(context, given)
    if given.smtp_client_authentication_disabled is not None:
        _switch(context, organization_for(context, given.organization), off=given.smtp_client_authentication_disabled)
    if values:
        with changing(context, "Set-TransportConfig") as change:
            keep_transport(change, values)
    return []


def _changed(context: Context, given: SetTransportConfig) -> dict[str, int]:
    """Return what is to be kept, by key. Raises OperationError for what cannot be."""
    values: dict[str, int] = {}
    for field in sorted(given.model_fields_set & _KEYS.keys()):
        wanted, key = getattr(given, field), _KEYS[field]
        if wanted is None:
            continue
        number = wanted if isinstance(wanted, int) else seconds_in(str(wanted), outside_name(field))
        if number == getattr(getattr(context.settings, TABLES[key]), key):
            continue
        if context.caller.organization is not None:
            raise OperationError(
                "This holds for the whole relay; ask an administrator of it.", parameter=outside_name(field)
            )
        if is_said_by_file(context.settings, key):
            raise OperationError(
                f"The settings file says it, and what it says holds. Under [{TABLES[key]}] write {key} = {number}, or "
                "remove the key; reload it (SIGHUP).",
                parameter=outside_name(field),
            )
        values[key] = number
    _check(context, values)
    return values


def _check(context: Context, values: dict[str, int]) -> None:
    """Raises BadValue for a value beyond its bounds."""
    fields = {key: field for field, key in _KEYS.items()}
    for key, number in values.items():
        try:
            tables_with(context.settings.declared, {key: number})
        except ValidationError as error:
            name = outside_name(fields[key])
            text = f"Cannot validate argument on parameter '{name}'. {error.errors()[0]['msg']}"
            raise BadValue(text, parameter=name) from None


def _switch(context: Context, organization: str, *, off: bool) -> None:
    """Raises OperationError."""
    settings = context.settings
    if not off and not any(listener.kind is ListenerKind.SUBMISSION for listener in settings.listeners):
        context.warnings.append(
            'No listener of the settings file has kind = "submission"; clients log in at such a one.'
        )
    if off == is_switched_off(organization, settings):
        return
    if organization == DEFAULT_ORGANIZATION and settings.smtp_client_authentication_disabled:
        raise OperationError(
            "It stands in the settings file: write smtp_client_authentication_disabled = false there.",
            parameter="SmtpClientAuthenticationDisabled",
        )
    keep(context, "Set-TransportConfig", organization, {"smtp_client_authentication_disabled": off})


OPERATIONS = (
    Operation(
        "Get",
        "TransportConfig",
        "Show what holds for all mail.",
        GetTransportConfig,
        TransportConfigRow,
        READ,
        get,
        columns=("message_expiration", "max_receive_size", "smtp_client_authentication_disabled"),
    ),
    Operation(
        "Set",
        "TransportConfig",
        "Change what holds for all mail; running sessions work with it from their next transaction on.",
        SetTransportConfig,
        None,
        CHANGE,
        set_,
        is_change=True,
        example="-MessageExpiration 24:00:00 -MaxReceiveSize 52428800",
    ),
)
