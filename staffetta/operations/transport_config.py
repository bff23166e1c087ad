"""What holds for all mail, under the names of Exchange's transport configuration.

Whether clients may log in is an organisation's, kept by the directory, and live. The rest stands in the settings file,
because it holds for the whole relay: it is shown here, and Set says what to write there. A Set that asks for what is
already so succeeds, so that a script may be run twice.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.operations.access import organization_for
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.errors import OperationError
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
    "message_expiration": ("queue", "expire_seconds"),
    "delay_notification_timeout": ("queue", "delay_notice_seconds"),
    "max_receive_size": ("limits", "message_octets_max"),
    "max_recipient_envelope_limit": ("limits", "recipients_max"),
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
    to_write: dict[str, list[str]] = {}
    for field in sorted(given.model_fields_set & _KEYS.keys()):
        wanted = getattr(given, field)
        number = wanted if isinstance(wanted, int) else seconds_in(str(wanted), outside_name(field))
        table, key = _KEYS[field]
        if number != getattr(getattr(context.settings, table), key):
            to_write.setdefault(table, []).append(f"{key} = {number}")
    if to_write:
        lines = "; ".join(f"under [{table}] {', '.join(keys)}" for table, keys in to_write.items())
        raise OperationError(f"This holds for the whole relay. Write in the settings file {lines}; reload it (SIGHUP).")
    if given.smtp_client_authentication_disabled is not None:
        _switch(context, organization_for(context, given.organization), off=given.smtp_client_authentication_disabled)
    return []


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
        "Switch logging in on or off; of the rest, say what to write in the settings file.",
        SetTransportConfig,
        None,
        CHANGE,
        set_,
        is_change=True,
        example="-SmtpClientAuthenticationDisabled $false",
    ),
)
