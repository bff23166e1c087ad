"""Get-Setting: every setting of the relay, its value, what it means, and in which line of the file it stands.

Rule: settings are the whole relay's, and so for who administers the whole relay.
"""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.directory.objects import Kind
from staffetta.directory.transport import TABLES, is_said_by_file
from staffetta.operations.access import not_found
from staffetta.operations.duties import READ
from staffetta.operations.errors import OperationError, Unavailable
from staffetta.operations.inputs import Input, Output, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.settings.listing import Setting, settings_listed
from staffetta.settings.model import Settings
from staffetta.settings.places import lines_of

_CMDLETS = {
    "smtp_client_authentication_disabled": "Set-TransportConfig",
    "queue.expire_seconds": "Set-TransportConfig",
    "queue.delay_notice_seconds": "Set-TransportConfig",
    "limits.message_octets_max": "Set-TransportConfig",
    "limits.recipients_max": "Set-TransportConfig",
    "reject_direct_send": "Set-OrganizationConfig",
    Kind.ORGANIZATION: "New-Organization",
    Kind.ACCEPTED_DOMAIN: "New-AcceptedDomain",
    Kind.INBOUND_CONNECTOR: "New-InboundConnector",
    Kind.ACCOUNT: "New-SmtpAccount",
    Kind.OUTBOUND_CONNECTOR: "New-OutboundConnector",
    Kind.ROUTE_RULE: "New-RouteRule",
}
"""What can be changed while the relay runs, beside the file."""


class GetSetting(Input):
    identity: Annotated[str | None, Field(description="The key, such as `limits.message_octets_max`.")] = None
    like: Annotated[str | None, Field(description="Words that key, value or meaning hold, all of them.")] = None
    changed: Annotated[Switch, Field(description="Those alone that the file sets.")] = False


class SettingRow(Output):
    identity: Annotated[str, Field(description="The key, with its table.")]
    value: Annotated[str, Field(description="As TOML writes it; of lists of objects, how many the file has.")]
    default: Annotated[str, Field(description="What holds where the file does not say.")]
    type: Annotated[str, Field(description="Of which kind values are.")]
    description: Annotated[str, Field(description="What it means.")]
    is_set: Annotated[bool, Field(description="Whether the file says it.")]
    file: Annotated[str | None, Field(description="The settings file.")]
    line: Annotated[int | None, Field(description="The line in it, from 1.")]
    to_write: Annotated[str, Field(description="What to write into the file to change it; then reload (SIGHUP).")]
    cmdlet: Annotated[str | None, Field(description="What changes the same while the relay runs.")]


def get(context: Context, given: GetSetting) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise OperationError("The settings are the whole relay's; ask an administrator of it.")
    declared = context.settings.declared
    listed = settings_listed(declared, lines_of(_source(declared)), counted=set(Kind))
    found = [_row(each, context.settings) for each in listed]
    if given.identity is not None:
        found = [row for row in found if row.identity == given.identity.strip()]
        if not found:
            raise not_found(context, given.identity)
    words = (given.like or "").casefold().split()
    return [row for row in found if (row.is_set or not given.changed) and all(each in _searched(row) for each in words)]


def _source(declared: Settings) -> str:
    """Raises Unavailable."""
    if declared.origin is None:
        return ""
    try:
        return declared.origin.path.read_text("utf-8", "replace")
    except OSError as error:
        raise Unavailable(f"{declared.origin.path} cannot be read now: {error.strerror}.") from None


def _row(setting: Setting, settings: Settings) -> SettingRow:
    declared = settings.declared
    return SettingRow(
        identity=setting.key,
        value=_value(setting, settings),
        default=setting.default,
        type=setting.kind,
        description=setting.description,
        is_set=setting.is_set,
        file=str(declared.origin.path) if declared.origin else None,
        line=setting.line,
        to_write=setting.to_write,
        cmdlet=_CMDLETS.get(setting.key),
    )


def _value(setting: Setting, settings: Settings) -> str:
    """What holds now, which for some is not what the file leaves to its defaults."""
    table, _, key = setting.key.partition(".")
    if TABLES.get(key) != table or is_said_by_file(settings, key):
        return setting.value
    value = getattr(getattr(settings, table), key)
    return setting.value if value == getattr(getattr(settings.declared, table), key) else str(int(value))


def _searched(row: SettingRow) -> str:
    key = re.sub(r"\[\d+\]", "", row.identity)
    words = key.replace("_", " ")
    return f"{row.identity} {key} {words} {row.value} {row.description}".casefold()


OPERATIONS = (
    Operation(
        "Get",
        "Setting",
        "Show the relay's settings: value, meaning, and where each stands in the file.",
        GetSetting,
        SettingRow,
        READ,
        get,
        positions=("identity",),
        columns=("identity", "value", "default", "line"),
        example="-Like 'message octets'",
    ),
)
