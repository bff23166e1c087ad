"""The operations of the relay, as cmdlets; and the session cmdlets that a pasted script begins and ends with."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime

from staffetta.operations.registry import Operation, OperationError, Output, ParameterKind
from staffetta.shell.certificates import Certificate
from staffetta.shell.commands import CHANGING, Command, Invoked, Kind, Named
from staffetta.shell.credentials import SecureString
from staffetta.shell.syntax import ScriptBlock
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import Bag, Hashtable, NetObject, Row, text

_KINDS = {ParameterKind.SWITCH: Kind.SWITCH, ParameterKind.FLAG: Kind.FLAG, ParameterKind.TIME: Kind.TIME}
"""The others are read by the operation itself, in the same words for every caller."""
_TYPE_WORDS = {
    ParameterKind.TEXT: "String",
    ParameterKind.TEXTS: "MultiValuedProperty",
    ParameterKind.NUMBER: "Int32",
    ParameterKind.SIZE: "Unlimited",
}
_CONFIRMED = ("Remove",)
"""Verbs that ask before they act, as Exchange's do."""


def of_operation(operation: Operation) -> Command:
    """Return the cmdlet of an operation."""
    parameters = tuple(
        Named(
            each.name,
            _KINDS.get(each.kind, Kind.ANY),
            position=each.position,
            choices=each.choices,
            words=each.description,
            type_words=_TYPE_WORDS.get(each.kind, ""),
        )
        for each in operation.parameters
    )
    return Command(
        operation.name,
        _runner(operation),
        operation.summary,
        (*parameters, *(CHANGING if operation.is_change else ())),
        example=f"{operation.name} {operation.example}".rstrip(),
    )


def _runner(operation: Operation) -> Callable[[Invoked], list[object]]:
    own = {each.name.casefold() for each in operation.parameters}
    takes_identity = "identity" in own

    def run(call: Invoked) -> list[object]:
        given = {text(name): plain(value) for name, value in call.given.items() if text(name).casefold() in own}
        if not call.has_input or not takes_identity or "Identity" in call.given:
            return _once(operation, call, given)
        output: list[object] = []
        for item in call.items:
            output += _once(operation, call, {**given, "Identity": _identity(item)})
        return output

    return run


def _identity(item: object) -> object:
    """Which object a pipeline means: its Identity or Name, or the text itself."""
    if isinstance(item, Bag):
        for name in ("Identity", "Name"):
            if item.get(name) is not None:
                return item[name]
        raise ShellError("The input object cannot be bound: it has neither Identity nor Name.")
    return plain(item)


def _once(operation: Operation, call: Invoked, given: Mapping[str, object]) -> list[object]:
    only_ask = operation.is_change and call.flag("WhatIf")
    if not only_ask and operation.is_change and not _confirmed(operation, call, given):
        return []
    try:
        result = call.session.office.execute(operation, given, only_ask=only_ask)
    except OperationError as error:
        kind = f"Microsoft.Exchange.Management.{error.kind}"
        raise ShellError(str(error), call.place, command=operation.name, kind=kind) from error
    if only_ask:
        for words in result.warnings:
            call.session.say(words)
        return []
    if call.text("WarningAction").casefold() not in ("silentlycontinue", "ignore"):
        for words in result.warnings:
            call.session.warn(words)
    columns = tuple(outside_names(operation))
    return [row(each, columns) for each in result.rows]


def _confirmed(operation: Operation, call: Invoked, given: Mapping[str, object]) -> bool:
    """Whether to go on: removing asks, unless told not to; everything else asks if told to."""
    if not call.given.get("Confirm", operation.verb in _CONFIRMED):
        return True
    target = next((text(value) for value in given.values()), "")
    if call.session.host.ask is None:
        raise ShellError(
            f"{operation.name} asks before it acts, and nobody is there to answer; add -Confirm:$false.", call.place
        )
    call.session.say("Confirm")
    call.session.say("Are you sure you want to perform this action?")
    call.session.say(f'Performing the operation "{operation.name}" on target "{target}".')
    answer = call.session.ask('[Y] Yes  [N] No (default is "Y"): ')
    return answer.strip().casefold() in ("", "y", "yes")


def outside_names(operation: Operation) -> list[str]:
    """Return the properties that a table shows, as they are spelt outside."""
    if operation.output is None:
        return []
    fields = operation.output.model_fields
    return [str(fields[name].alias or name) for name in operation.columns if name in fields]


def row(output: Output, columns: tuple[str, ...]) -> Row:
    """Return a row of output as the script sees it."""
    values = output.model_dump(by_alias=True, mode="python")
    return Row({name: _seen(value) for name, value in values.items()}, columns=columns)


def _seen(value: object) -> object:
    if isinstance(value, dict):
        return Row({text(name): _seen(item) for name, item in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return [_seen(item) for item in value]
    if value is None or isinstance(value, bool | int | float | datetime | bytes):
        return value
    return str(value)  # texts, and enumerations by their value


def plain(value: object) -> object:
    """Return a script's value as an operation takes it."""
    match value:
        case Hashtable():
            return {text(name): plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case SecureString():
            return value.words
        case bytes():
            return base64.b64encode(value).decode()  # as JSON carries octets
        case Certificate():
            return value.pem()
        case Row():
            return _identity(value)
        case NetObject() | ScriptBlock():
            return text(value)
    return value


def connect(call: Invoked) -> list[object]:
    """Nothing is far away: the relay of the settings file is what every cmdlet works on."""
    return []


def connection_information(call: Invoked) -> list[object]:
    return [Row({"State": "Connected", "ConnectionUri": "local", "Name": "Staffetta", "TokenStatus": "Active"})]


_TEXT_PARAMETERS = (
    *("UserPrincipalName", "AppId", "Organization", "CertificateThumbprint", "CertificateFilePath"),
    *("AccessToken", "DelegatedOrganization", "ExchangeEnvironmentName", "ConnectionUri"),
)
COMMANDS = (
    Command(
        "Connect-ExchangeOnline",
        connect,
        "Accepted, and needless: the shell is connected to the relay of its settings file.",
        (
            *(Named(name) for name in (*_TEXT_PARAMETERS, "Credential", "Certificate", "CertificatePassword")),
            *(Named(name, Kind.FLAG) for name in ("ShowBanner", "ShowProgress", "UseMultithreading")),
            *(Named(name, Kind.SWITCH) for name in ("Device", "InlineCredential", "ManagedIdentity", "DisableWAM")),
        ),
    ),
    Command(
        "Disconnect-ExchangeOnline",
        connect,
        "Accepted, and needless.",
        (*CHANGING, Named("ConnectionId"), Named("ModulePrefix")),
    ),
    Command("Get-ConnectionInformation", connection_information, "What the shell is connected to."),
    Command(
        "Import-Module",
        connect,
        "Accepted, and needless: all cmdlets are here.",
        (Named("Name", position=0), Named("Force", Kind.SWITCH)),
    ),
)
