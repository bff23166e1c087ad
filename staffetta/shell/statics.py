"""Types by their names: what `New-Object` and `[type]::new` make, and static members. Nothing else of .NET is there."""

import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from staffetta.shell import certificates, credentials, mail_objects, types
from staffetta.shell.dates import read_date
from staffetta.shell.formats import composite
from staffetta.shell.trouble import NotSupported, ShellError
from staffetta.shell.values import Hashtable, NetObject, Row, listed, number, text, whole

if TYPE_CHECKING:
    from staffetta.shell.session import Session

_MADE: dict[str, Callable[["Session"], Callable[..., object]]] = {
    "security.cryptography.x509certificates.x509certificate2": lambda session: certificates.Certificate.maker(
        session.path
    ),
    "security.cryptography.x509certificates.x509certificate": lambda session: certificates.Certificate.maker(
        session.path
    ),
    "net.mail.smtpclient": lambda session: mail_objects.SmtpClient.maker(session.trust, session.detail),
    "net.mail.mailmessage": lambda _: mail_objects.MailMessage,
    "net.mail.mailaddress": lambda _: mail_objects.mail_address,
    "net.mail.attachment": lambda session: mail_objects.Attachment.maker(session.path),
    "net.networkcredential": lambda _: credentials.Credential,
    "pscredential": lambda _: credentials.Credential,
    "psobject": lambda _: Row,
    "object": lambda _: Row,
    "collections.hashtable": lambda _: Hashtable,
}
CHOICES: dict[str, tuple[str, ...]] = {
    "net.mail.deliverynotificationoptions": mail_objects.NOTIFICATIONS,
    "net.mail.mailpriority": mail_objects.PRIORITIES,
    "net.mail.smtpdeliverymethod": ("Network",),
    "security.cryptography.x509certificates.x509keystorageflags": certificates.KEY_STORAGE_FLAGS,
    "net.securityprotocoltype": ("SystemDefault", "Ssl3", "Tls", "Tls11", "Tls12", "Tls13"),
}
"""Enumerations: their values are held as their names."""


def made(name: str, arguments: list[object], session: "Session") -> object:
    """Return a new object of a type. Raises NotSupported for a type that is not known, ShellError for bad arguments."""
    short = types.short_name(name)
    if short not in _MADE:
        known = ", ".join(sorted(_MADE))
        raise NotSupported(f"the type [{name}]; there are {known}")
    try:
        return _MADE[short](session)(*arguments)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise ShellError(f"A constructor of [{name}] with {len(arguments)} arguments was not found.") from error


def cast(name: str, value: object, session: "Session") -> object:
    """Return a value as a type, made of it if it is one of those that can be made. Raises ShellError."""
    short = types.short_name(name)
    if short in CHOICES:
        return chosen(short, text(value))
    if short in _MADE and short not in ("psobject", "object"):
        return value if isinstance(value, NetObject) else made(name, [value], session)
    return types.cast(name, value)


def chosen(short: str, value: str) -> str:
    """Return a value of an enumeration as it is spelt; several joined by commas where they are flags."""
    known = {each.casefold(): each for each in CHOICES[short]}
    words = [word.strip() for word in value.split(",")]
    wrong = [word for word in words if word.casefold() not in known]
    if wrong:
        raise ShellError(f'"{wrong[0]}" is none of {", ".join(known.values())}')
    return ", ".join(known[word.casefold()] for word in words)


def get_static(name: str, member: str, session: "Session") -> object:
    """Return `[name]::member`. Raises NotSupported."""
    short = types.short_name(name)
    if short in CHOICES:
        return chosen(short, member)
    key = (short, member.casefold())
    if key in _PROPERTIES:
        return _PROPERTIES[key](session)
    raise NotSupported(f"[{name}]::{member}")


def set_static(name: str, member: str, value: object) -> None:
    """Do `[name]::member = value`. Raises NotSupported."""
    key = (types.short_name(name), member.casefold())
    if key == ("net.servicepointmanager", "securityprotocol"):
        return  # scripts for old Windows ask for TLS 1.2, which is what they get
    if key == ("net.servicepointmanager", "servercertificatevalidationcallback"):
        raise NotSupported(
            f"[{name}]::{member}; start the shell with --insecure, or name the authority in STAFFETTA_CA"
        )
    raise NotSupported(f"an assignment to [{name}]::{member}")


def call_static(name: str, member: str, arguments: list[object], session: "Session") -> object:
    """Return `[name]::member(arguments)`. Raises NotSupported, ShellError."""
    short = types.short_name(name)
    if member.casefold() == "new":
        return made(name, arguments, session)
    key = (short, member.casefold())
    if key not in _METHODS:
        raise NotSupported(f"[{name}]::{member}()")
    try:
        return _METHODS[key](session, *arguments)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise ShellError(
            f'Cannot find an overload for "{member}" and the argument count: "{len(arguments)}".'
        ) from error


def _read(session: "Session", name: object) -> bytes:
    try:
        return session.path(text(name)).read_bytes()
    except (OSError, ValueError) as error:
        raise ShellError(f"Could not read '{text(name)}': {error}") from error


_PROPERTIES: dict[tuple[str, str], Callable[["Session"], object]] = {
    ("datetime", "now"): lambda session: session.now(),
    ("datetime", "utcnow"): lambda session: session.now().astimezone(UTC),
    ("datetime", "today"): lambda session: session.now().replace(hour=0, minute=0, second=0, microsecond=0),
    ("environment", "newline"): lambda _: "\n",
    ("environment", "machinename"): lambda _: socket.gethostname(),
    ("string", "empty"): lambda _: "",
}
_METHODS: dict[tuple[str, str], Callable[..., object]] = {
    ("guid", "newguid"): lambda _: str(uuid.uuid4()),
    ("datetime", "parse"): lambda _, words: _date(words),
    ("string", "isnullorempty"): lambda _, value: not text(value),
    ("string", "isnullorwhitespace"): lambda _, value: not text(value).strip(),
    ("string", "join"): lambda _, sign, *items: text(sign).join(text(each) for item in items for each in listed(item)),
    ("string", "format"): lambda _, pattern, *values: composite(text(pattern), values),
    ("math", "abs"): lambda _, value: abs(number(value)),
    ("math", "max"): lambda _, one, other: max(number(one), number(other)),
    ("math", "min"): lambda _, one, other: min(number(one), number(other)),
    ("math", "round"): lambda _, value, digits=0: round(float(number(value)), min(whole(digits), 15)),
    ("io.file", "readallbytes"): _read,
    ("io.file", "readalltext"): lambda session, name: _read(session, name).decode("utf-8", "replace"),
    ("io.file", "exists"): lambda session, name: session.path(text(name)).is_file(),
}


def _date(words: object) -> datetime:
    return words if isinstance(words, datetime) else read_date(text(words))
