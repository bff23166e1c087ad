"""`staffetta connector|domain|account|…`: the operations on an object, as commands made from the registry.

A parameter `SenderDomains` is the option `--sender-domains`; a list is written with commas, and a change of one as
`--add-sender-domains` and `--remove-sender-domains`. What has an Identity takes it without a name.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Optional

from cyclopts import App, Parameter

from staffetta.cli.account import account_commands
from staffetta.cli.audit import audit_commands
from staffetta.cli.connector_test import test_connector
from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.rows import print_result
from staffetta.cli.run import listed
from staffetta.cli.status import EX_OK
from staffetta.operations.local import local_office
from staffetta.operations.registry import Operation, ParameterKind, find
from staffetta.operations.registry import Parameter as OperationParameter

WhatIf = Annotated[bool, Parameter(name="--what-if", negative="", help="Change nothing, and say what would be done.")]


def command_of(operation: Operation, *, without: tuple[str, ...] = ()) -> Callable[..., int]:
    """Return the command of an operation. without: Python names of parameters that it does not offer."""
    taken = [each for each in operation.parameters if each.field not in without]
    options = dict(_options(operation, taken))
    is_list = operation.verb in ("Get", "Search") and not any(each.field == "identity" for each in taken)

    unnamed = [each.field for each in taken if _is_unnamed(each)]

    def command(*words: str, **typed: Any) -> int:
        given = _given(taken, {**typed, **dict(zip(unnamed, words, strict=True))})
        with local_office(typed["config"], "cli") as office:
            result = office.execute(operation, given, only_ask=typed.get("what_if", False))
        print_result(operation, result, is_list=is_list, as_json=typed.get("json", False))
        return EX_OK

    command.__doc__ = operation.summary
    command.__annotations__ = {name: each.annotation for name, each in options.items()} | {"return": int}
    command.__signature__ = inspect.Signature(list(options.values()), return_annotation=int)  # type: ignore[attr-defined]
    return command


def group(app: App, commands: dict[str, str]) -> App:
    """Return the group with these commands. commands: cmdlet by command; `list` is a Get without its Identity."""
    for name, cmdlet in commands.items():
        without = {"list": ("identity",), "show": ("result_size",)}.get(name, ())
        app.command(command_of(find(cmdlet), without=without), name=name)
    return app


def _options(operation: Operation, taken: list[OperationParameter]) -> Iterator[tuple[str, inspect.Parameter]]:
    """Every parameter as cyclopts takes it, those without a name first."""
    for each in taken:
        if _is_unnamed(each):
            annotation = Annotated[str, Parameter(help=each.description)]
            yield each.field, inspect.Parameter(each.field, inspect.Parameter.POSITIONAL_ONLY, annotation=annotation)
    can_change = operation.verb == "Set"
    for each in taken:
        if not _is_unnamed(each):
            yield each.field, _option(each.field, _typed(each), each.description, is_required=each.is_required)
            if can_change and each.kind is ParameterKind.TEXTS:
                for change in ("add", "remove"):
                    field = f"{change}_{each.field}"
                    yield field, _option(field, str, f"What to {change}: {each.description}", is_required=False)
    yield "config", _keyword("config", ConfigFile)
    if operation.is_change:
        yield "what_if", _keyword("what_if", WhatIf, default=False)
    yield "json", _keyword("json", Json, default=False)


def _is_unnamed(parameter: OperationParameter) -> bool:
    return parameter.field == "identity" or (parameter.position == 0 and parameter.is_required)


def _typed(parameter: OperationParameter) -> Any:
    match parameter.kind:
        case ParameterKind.FLAG | ParameterKind.SWITCH:
            return bool
        case ParameterKind.CHOICE:
            return Literal.__getitem__(parameter.choices)
        case ParameterKind.NUMBER:
            return int
    return str


def _option(field: str, kind: Any, description: str, *, is_required: bool) -> inspect.Parameter:
    taken: Any = kind if is_required else Optional[kind]  # noqa: UP045 - made at run time
    annotation: Any = Annotated[taken, Parameter(help=description, show_default=False)]
    return _keyword(field, annotation, default=inspect.Parameter.empty if is_required else None)


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _given(taken: list[OperationParameter], typed: dict[str, Any]) -> dict[str, object]:
    """Parameters by outside name; what was not typed is left out."""
    given: dict[str, object] = {}
    for each in taken:
        value = typed.get(each.field)
        if each.kind is ParameterKind.TEXTS:
            changes = {
                change.capitalize(): listed(typed[f"{change}_{each.field}"])
                for change in ("add", "remove")
                if typed.get(f"{change}_{each.field}") is not None
            }
            value = changes or (None if value is None else listed(value))
        if value is not None:
            given[each.name] = value
    return given


def _usual(noun: str, *, is_changed: bool = True) -> dict[str, str]:
    changing = {"set": f"Set-{noun}"} if is_changed else {}
    return {"list": f"Get-{noun}", "show": f"Get-{noun}", "add": f"New-{noun}", **changing, "remove": f"Remove-{noun}"}


connector = group(App(name="connector"), _usual("InboundConnector"))
connector.command(test_connector, name="test")
outbound = group(App(name="outbound"), {**_usual("OutboundConnector"), "validate": "Validate-OutboundConnector"})
rule = group(App(name="rule"), _usual("RouteRule"))
route = group(App(name="route"), {"list": "Get-Route", "show": "Get-Route", "hops": "Get-NextHop"})
domain = group(App(name="domain"), _usual("AcceptedDomain"))
organization = group(App(name="organization"), _usual("Organization", is_changed=False))
administrator = group(
    App(name="administrator"), {**_usual("Administrator"), "sign-ins": "Get-SignIn", "sign-out": "Remove-SignIn"}
)
token = group(App(name="token"), _usual("ApiToken", is_changed=False))
rolegroup = group(
    App(name="rolegroup"),
    {
        **_usual("RoleGroup", is_changed=False),
        "members": "Get-RoleGroupMember",
        "add-member": "Add-RoleGroupMember",
        "remove-member": "Remove-RoleGroupMember",
    },
)
account = group(
    account_commands(),
    {
        **_usual("SmtpAccount"),
        "add-password": "New-SmtpAccountPassword",
        "remove-password": "Remove-SmtpAccountPassword",
    },
)
audit = group(audit_commands(), {"list": "Search-AdminAuditLog"})
