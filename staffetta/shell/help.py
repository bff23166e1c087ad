"""Get-Help and Get-Command: what the shell itself can tell."""

from collections.abc import Iterable

from staffetta.shell import operators
from staffetta.shell.commands import Command, Invoked, Kind, Named, unknown
from staffetta.shell.display import Formatted
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import Row, text

_TYPES = {
    Kind.TEXT: "String",
    Kind.TEXTS: "String[]",
    Kind.NUMBER: "Int32",
    Kind.TIME: "DateTime",
    Kind.FLAG: "Boolean",
    Kind.TABLE: "Hashtable",
    Kind.BLOCK: "ScriptBlock",
    Kind.ANY: "Object",
}


def get_help(call: Invoked) -> list[object]:
    name = call.text("Name")
    if not name:
        return [
            Formatted(
                [
                    "Get-Command lists every cmdlet; Get-Help NAME tells of one.",
                    "docs/shell.md says what of PowerShell there is.",
                ]
            )
        ]
    command = call.session.commands.get(name.casefold())
    if command is None:
        raise ShellError(unknown(call.session.commands, name))
    return [Formatted(_page(command))]


def _page(command: Command) -> list[str]:
    lines = ["", "NAME", f"    {command.name}", "", "SYNOPSIS", f"    {command.summary}", "", "SYNTAX"]
    lines.append(f"    {command.name} {' '.join(map(_usage, command.parameters))}".rstrip())
    described = [each for each in command.parameters if each.words or each.choices]
    if described:
        lines += ["", "PARAMETERS"]
    for each in described:
        choices = f" One of: {', '.join(each.choices)}." if each.choices else ""
        lines += [f"    -{each.name}", f"        {each.words}{choices}".rstrip()]
    if command.example:
        lines += ["", "EXAMPLE", f"    {command.example}"]
    if command.aliases:
        lines += ["", "ALIASES", f"    {', '.join(command.aliases)}"]
    return [*lines, ""]


def _usage(parameter: Named) -> str:
    name = f"[-{parameter.name}]" if parameter.position is not None else f"-{parameter.name}"
    if parameter.kind is Kind.SWITCH:
        return f"[{name}]"
    type_words = parameter.type_words or " | ".join(parameter.choices) or _TYPES[parameter.kind]
    return f"[{name} <{type_words}>]"


def get_command(call: Invoked) -> list[object]:
    pattern = call.text("Name", "*")
    found = [command for command in _all(call.session.commands.values()) if operators.like(command.name, pattern)]
    for part, place in (("Verb", 0), ("Noun", 2)):
        if part in call.given:
            wanted = text(call.given[part])
            found = [command for command in found if operators.like(command.name.partition("-")[place], wanted)]
    if not found:
        raise ShellError(unknown(call.session.commands, pattern))
    return [Row({"CommandType": "Cmdlet", "Name": each.name, "Summary": each.summary}) for each in found]


def _all(commands: Iterable[Command]) -> list[Command]:
    return sorted({command.name: command for command in commands}.values(), key=lambda command: command.name)


COMMANDS = (
    Command(
        "Get-Help",
        get_help,
        "Tell of a cmdlet.",
        (
            Named("Name", Kind.TEXT, position=0),
            *(Named(name, Kind.SWITCH) for name in ("Full", "Detailed", "Examples", "Online")),
        ),
        aliases=("help", "man"),
        example="Get-Help New-InboundConnector",
    ),
    Command(
        "Get-Command",
        get_command,
        "List the cmdlets.",
        (Named("Name", Kind.TEXT, position=0), Named("Verb", Kind.TEXT), Named("Noun", Kind.TEXT), Named("Module")),
        aliases=("gcm",),
        example="Get-Command *Connector*",
    ),
)
