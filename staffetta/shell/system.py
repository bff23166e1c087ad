"""Cmdlets for dates, files, objects and passwords."""

from datetime import datetime

from staffetta.shell import credentials, statics
from staffetta.shell.commands import Command, Invoked, Kind, Named
from staffetta.shell.dates import format_date, read_date
from staffetta.shell.trouble import NotSupported, ShellError
from staffetta.shell.values import Hashtable, NetObject, Row, listed, text, whole

_PARTS = ("Year", "Month", "Day", "Hour", "Minute", "Second")
_BYTES = frozenset({"byte"})
_ENCODINGS = {
    "ascii": "ascii",
    "utf8": "utf-8-sig",
    "utf8bom": "utf-8-sig",
    "utf8nobom": "utf-8",
    "utf-8": "utf-8-sig",
    "default": "utf-8",
    "unicode": "utf-16",
    "oem": "cp437",
}


def get_date(call: Invoked) -> list[object]:
    given = call.given.get("Date")
    date = given if isinstance(given, datetime) else read_date(text(given)) if given is not None else call.session.now()
    parts = {name.lower(): whole(call.given[name]) for name in _PARTS if name in call.given}
    try:
        date = date.replace(**parts)  # type: ignore[arg-type]
    except (ValueError, OverflowError) as error:
        raise ShellError(f"This is no date: {error}") from error
    return [format_date(date, call.text("Format"))] if "Format" in call.given else [date]


def get_content(call: Invoked) -> list[object]:
    names = [text(name) for name in listed(call.given.get("Path"))] or [text(item) for item in call.items]
    if not names:
        raise ShellError("Get-Content needs a path.")
    encoding = call.text("Encoding", "utf8").casefold()
    is_bytes = encoding in _BYTES or call.flag("AsByteStream")
    if not is_bytes and encoding not in _ENCODINGS:
        raise NotSupported(
            f"the encoding {encoding}; there are {', '.join(sorted({*_ENCODINGS, *_BYTES}))}", call.place
        )
    output: list[object] = []
    for name in names:
        octets = _octets(call, name)
        if is_bytes:
            output.append(octets)
            continue
        words = octets.decode(_ENCODINGS[encoding], "replace")
        output += [words] if call.flag("Raw") else list(words.splitlines())
    if "TotalCount" in call.given and not is_bytes:
        output = output[: max(whole(call.given["TotalCount"]), 0)]
    return output


def _octets(call: Invoked, name: str) -> bytes:
    try:
        return call.session.path(name).read_bytes()
    except FileNotFoundError:
        raise ShellError(f"Cannot find path '{name}' because it does not exist.") from None
    except (OSError, ValueError) as error:
        raise ShellError(f"Cannot read '{name}': {error}") from error


def test_path(call: Invoked) -> list[object]:
    path = call.session.path(call.text("Path"))
    try:
        return [path.exists()]
    except (OSError, ValueError):
        return [False]


def new_object(call: Invoked) -> list[object]:
    name = call.text("TypeName")
    properties = call.given.get("Property")
    arguments = listed(call.given.get("ArgumentList"))
    value = call.given.get("ArgumentList")
    made = statics.made(name, [value] if isinstance(value, bytes) else arguments, call.session)
    if isinstance(properties, Hashtable):
        for key, item in properties.items():
            if isinstance(made, Row):
                made[key] = item
            elif isinstance(made, NetObject):
                made.set(text(key), item)
    return [made]


def to_secure_string(call: Invoked) -> list[object]:
    if not call.flag("AsPlainText"):
        raise NotSupported("ConvertTo-SecureString without -AsPlainText -Force", call.place)
    given = call.given.get("String", call.items[0] if call.items else "")
    return [credentials.SecureString(text(given))]


def get_credential(call: Invoked) -> list[object]:
    given = call.given.get("Credential")
    if isinstance(given, credentials.Credential):
        return [given]
    user_name = text(given) or call.text("UserName") or call.session.ask("User name: ")
    password = call.session.ask(f"Password for {user_name}: ", is_secret=True)
    return [credentials.Credential(user_name, credentials.SecureString(password))]


def read_host(call: Invoked) -> list[object]:
    question = f"{call.text('Prompt')}: " if "Prompt" in call.given else ""
    if call.flag("AsSecureString"):
        return [credentials.SecureString(call.session.ask(question, is_secret=True))]
    return [call.session.ask(question)]


COMMANDS = (
    Command(
        "Get-Date",
        get_date,
        "The time, or a date, as a date or by a format.",
        (
            Named("Date", position=0),
            Named("Format", Kind.TEXT),
            *(Named(part, Kind.NUMBER) for part in _PARTS),
        ),
        example="Get-Date -Format g",
    ),
    Command(
        "Get-Content",
        get_content,
        "Read a file: its lines, or with -Encoding Byte or -AsByteStream its octets.",
        (
            Named("Path", position=0, aliases=("LiteralPath",)),
            Named("Encoding", Kind.TEXT),
            Named("AsByteStream", Kind.SWITCH),
            Named("Raw", Kind.SWITCH),
            Named("TotalCount", Kind.NUMBER, aliases=("First", "Head")),
            Named("ReadCount", Kind.NUMBER),
        ),
        aliases=("gc", "cat", "type"),
        example="Get-Content -Path cert.pfx -Encoding Byte",
    ),
    Command("Test-Path", test_path, "Whether a file is there.", (Named("Path", position=0, aliases=("LiteralPath",)),)),
    Command(
        "New-Object",
        new_object,
        "Make one of the .NET objects that the shell knows.",
        (
            Named("TypeName", Kind.TEXT, position=0),
            Named("ArgumentList", position=1, aliases=("Args",)),
            Named("Property", Kind.TABLE),
        ),
        example="New-Object Net.Mail.SmtpClient('localhost', 25)",
    ),
    Command(
        "ConvertTo-SecureString",
        to_secure_string,
        "Hide a password.",
        (Named("String", position=0), Named("AsPlainText", Kind.SWITCH), Named("Force", Kind.SWITCH)),
        example="ConvertTo-SecureString 'secret' -AsPlainText -Force",
    ),
    Command(
        "Get-Credential",
        get_credential,
        "Ask for a user name and a password.",
        (
            Named("Credential", position=0),
            Named("UserName", Kind.TEXT),
            Named("Message", Kind.TEXT),
        ),
    ),
    Command(
        "Read-Host",
        read_host,
        "Ask for a line.",
        (Named("Prompt", position=0), Named("AsSecureString", Kind.SWITCH)),
    ),
)
