"""Cmdlets that say something, or decide how output looks."""

import json

from staffetta.shell import display
from staffetta.shell.commands import Command, Invoked, Kind, Named
from staffetta.shell.display import Formatted
from staffetta.shell.objects import all_properties, properties
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import Hashtable, Row, listed, text, unlisted, whole

JSON_DEPTH = 2
"""PowerShell's own default."""


def write_host(call: Invoked) -> list[object]:
    separator = call.text("Separator", " ")
    words = separator.join(text(item) for item in [*listed(call.given.get("Object")), *call.items])
    call.session.say(words, is_whole=not call.flag("NoNewline"))
    return []


def write_output(call: Invoked) -> list[object]:
    return [*call.items, *listed(call.given.get("InputObject"))]


def write_warning(call: Invoked) -> list[object]:
    call.session.warn(call.text("Message"))
    return []


def write_error(call: Invoked) -> list[object]:
    raise ShellError(call.text("Message"))


def write_verbose(call: Invoked) -> list[object]:
    call.session.detail(call.text("Message"), is_asked=call.flag("Verbose") if "Verbose" in call.given else None)
    return []


def write_nothing(call: Invoked) -> list[object]:
    return []


def format_list(call: Invoked) -> list[object]:
    return _formatted(display.as_list([_cells(item, call, "*") for item in call.items]))


def format_table(call: Invoked) -> list[object]:
    items = [_cells(item, call, None) for item in call.items]
    table = display.as_table(items, call.session.host.width, has_headers=not call.flag("HideTableHeaders"))
    return _formatted(table)


def _formatted(made: Formatted) -> list[object]:
    return [made] if made.lines else []


def _cells(item: object, call: Invoked, otherwise: str | None) -> display.Cells:
    """The properties that the call names; without a name its default columns, or all."""
    wanted = listed(call.given.get("Property"))
    if not wanted and otherwise is None and isinstance(item, Row) and item.columns:
        wanted = list(item.columns)
    if isinstance(item, Hashtable) and not wanted:
        return [(text(name), value) for name, value in item.items()]
    if not wanted:
        return all_properties(item) or [("Value", item)]
    return properties(item, wanted, call)


def out_string(call: Invoked) -> list[object]:
    width = whole(call.given["Width"]) if "Width" in call.given else call.session.host.width
    return ["\n".join(display.by_default(_given(call), width)) + "\n"]


def _given(call: Invoked) -> list[object]:
    return call.items if call.has_input else listed(call.given.get("InputObject"))


def out_null(call: Invoked) -> list[object]:
    return []


def out_host(call: Invoked) -> list[object]:
    for line in display.by_default(_given(call), call.session.host.width):
        call.session.say(line)
    return []


def convert_to_json(call: Invoked) -> list[object]:
    items = _given(call)
    value = list(items) if call.flag("AsArray") else unlisted(items)
    depth = whole(call.given.get("Depth", JSON_DEPTH))
    return [display.as_json(value, min(depth, 100), is_compact=call.flag("Compress"))]


def convert_from_json(call: Invoked) -> list[object]:
    words = "\n".join(text(item) for item in _given(call))
    try:
        return listed(_from_json(json.loads(words)))
    except (ValueError, RecursionError) as error:
        raise ShellError(f"Conversion from JSON failed with error: {error}") from error


def _from_json(value: object) -> object:
    if isinstance(value, dict):
        return Row({name: _from_json(item) for name, item in value.items()})
    return [_from_json(item) for item in value] if isinstance(value, list) else value


_INPUT = Named("InputObject", position=0)
_MESSAGE = (Named("Message", Kind.ANY, position=0, takes_rest=True),)
_FORMAT = (Named("Property", position=0), Named("Wrap", Kind.SWITCH), Named("Force", Kind.SWITCH))
COMMANDS = (
    Command(
        "Format-List",
        format_list,
        "Show items as lists of properties.",
        _FORMAT,
        aliases=("fl",),
        example="Get-InboundConnector | Format-List Name, SenderIPAddresses",
    ),
    Command(
        "Format-Table",
        format_table,
        "Show items as a table.",
        (*_FORMAT, Named("AutoSize", Kind.SWITCH), Named("HideTableHeaders", Kind.SWITCH)),
        aliases=("ft",),
        example="Get-InboundConnector | Format-Table Name, Enabled",
    ),
    Command(
        "Write-Host",
        write_host,
        "Say something at once.",
        (
            Named("Object", position=0, takes_rest=True),
            Named("Separator", Kind.TEXT),
            Named("ForegroundColor", Kind.TEXT),
            Named("BackgroundColor", Kind.TEXT),
            Named("NoNewline", Kind.SWITCH),
        ),
        example="Write-Host 'ready'",
    ),
    Command("Write-Output", write_output, "Hand on what is given.", (_INPUT,), aliases=("echo", "write")),
    Command("Write-Warning", write_warning, "Say something as a warning.", _MESSAGE),
    Command("Write-Error", write_error, "Fail with a message.", _MESSAGE),
    Command("Write-Verbose", write_verbose, "Say a detail, if -Verbose or $VerbosePreference wants it.", _MESSAGE),
    Command("Write-Information", write_nothing, "Say nothing: details are never shown.", _MESSAGE),
    Command(
        "Out-String",
        out_string,
        "Turn what would be shown into a text.",
        (_INPUT, Named("Width", Kind.NUMBER), Named("Stream", Kind.SWITCH)),
    ),
    Command("Out-Null", out_null, "Show nothing.", (_INPUT,)),
    Command("Out-Host", out_host, "Show at once.", (_INPUT,)),
    Command(
        "ConvertTo-Json",
        convert_to_json,
        "Turn items into JSON.",
        (_INPUT, Named("Depth", Kind.NUMBER), Named("Compress", Kind.SWITCH), Named("AsArray", Kind.SWITCH)),
        example="Get-InboundConnector | ConvertTo-Json -Depth 3",
    ),
    Command("ConvertFrom-Json", convert_from_json, "Read JSON.", (_INPUT,)),
)
