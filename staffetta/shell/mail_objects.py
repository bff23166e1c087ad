"""SmtpClient, MailMessage and what belongs to them: .NET's objects, as far as a script needs them to send a message."""

from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from pathlib import Path
from typing import Any

from staffetta.mail.composing import Draft, compose
from staffetta.shell import mailing
from staffetta.shell.certificates import Certificate
from staffetta.shell.credentials import Credential, plain
from staffetta.shell.session import Trust
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import NetObject, is_true, number, text, whole

NOTIFICATIONS = ("None", "OnSuccess", "OnFailure", "Delay", "Never")
PRIORITIES = ("Normal", "Low", "High")
TIMEOUT_SECONDS = 100.0
"""What .NET waits for."""


def mail_address(address: object = "", name: object = "") -> str:
    """Return an address with its display name, checked as .NET does. Raises ShellError."""
    words = text(address).strip()
    if not words:
        raise ShellError(
            "The parameter 'address' cannot be an empty string. Write an address such as 'ada@contoso.com'."
        )
    shown, mailbox = parseaddr(words)
    local_part, _, domain = mailbox.rpartition("@")
    if not local_part or not domain or any(character.isspace() for character in mailbox):
        raise ShellError(f"The specified string is not in the form required for an e-mail address: '{words}'.")
    return formataddr((text(name) or shown, mailbox)) if text(name) or shown else mailbox


def notification_options(value: object) -> str:
    """Return the options as .NET spells them, joined by commas. value: one, several, or a list. Raises ShellError."""
    words = [word.strip() for each in (value if isinstance(value, list) else [value]) for word in text(each).split(",")]
    known = {option.casefold(): option for option in NOTIFICATIONS}
    for word in words:
        if word.casefold() not in known:
            raise ShellError(f'"{word}" is no delivery notification option; there are {", ".join(NOTIFICATIONS)}')
    return ", ".join(known[word.casefold()] for word in words)


class Collection(NetObject):
    """A list of one kind of things that a script adds to."""

    type_name = "System.Collections.ObjectModel.Collection"
    readable = ("Count",)
    methods = ("Add", "Clear", "Item")

    def __init__(self, check: Callable[[object], Any]) -> None:
        """check: returns what is kept of a thing. Raises ShellError."""
        self._check = check
        self.things: list[Any] = []

    @property
    def count(self) -> int:
        return len(self.things)

    def add(self, thing: object) -> None:
        self.things.append(self._check(thing))

    def clear(self) -> None:
        self.things.clear()

    def item(self, position: object) -> object:
        return self.things[whole(position)] if 0 <= whole(position) < len(self.things) else None

    def __str__(self) -> str:
        return ", ".join(map(text, self.things))


class Addresses(Collection):
    """Recipients of one kind; a text with commas adds several."""

    type_name = "System.Net.Mail.MailAddressCollection"

    def __init__(self) -> None:
        super().__init__(mail_address)

    def add(self, thing: object) -> None:
        if not text(thing).strip():
            raise ShellError(
                "The parameter 'addresses' cannot be an empty string. Write a recipient such as 'ada@contoso.com'."
            )
        self.things += [mail_address(address) for address in text(thing).split(",")]


class _Headers(NetObject):
    type_name = "System.Collections.Specialized.NameValueCollection"
    methods = ("Add", "Clear")

    def __init__(self) -> None:
        self.things: list[tuple[str, str]] = []

    def clear(self) -> None:
        self.things.clear()

    def add(self, name: object, value: object) -> None:
        field = text(name), text(value)
        if not field[0].isascii() or not field[0].isprintable() or any(sign in field[0] for sign in ": "):
            raise ShellError(f"'{field[0]}' is no name of a header field.")
        self.things.append(field)


class Attachment(NetObject):
    type_name = "System.Net.Mail.Attachment"
    readable = ("Name",)
    methods = ("Dispose",)

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self.octets = path.read_bytes()
        except (OSError, ValueError) as error:
            raise ShellError(f"Could not find file '{path}': {error}") from error

    @classmethod
    def maker(cls, path: Callable[[str], Path]) -> Callable[..., "Attachment"]:
        """Return its constructor. path: turns a script's path into one of ours."""
        return lambda name: cls(path(text(name)))

    def dispose(self) -> None:
        """Nothing is open."""


def _attachment(thing: object) -> Attachment:
    if isinstance(thing, Attachment):
        return thing
    raise ShellError("An attachment is New-Object Net.Mail.Attachment('path').")


class MailMessage(NetObject):
    type_name = "System.Net.Mail.MailMessage"
    readable = ("To", "Cc", "Bcc", "ReplyToList", "Attachments", "Headers")
    writable = (
        *("From", "Sender", "Subject", "Body", "IsBodyHtml", "Priority", "DeliveryNotificationOptions"),
        *("BodyEncoding", "SubjectEncoding", "ReplyTo"),
    )
    methods = ("Dispose",)

    def __init__(self, sender: object = None, to: object = None, subject: object = "", body: object = "") -> None:
        self._from = mail_address(sender) if sender is not None else ""
        self.sender = ""
        self.to, self.cc, self.bcc, self.reply_to_list = Addresses(), Addresses(), Addresses(), Addresses()
        if to is not None:
            self.to.add(to)
        self.subject, self.body = text(subject), text(body)
        self.is_body_html = False
        self.priority = "Normal"
        self._options = "None"
        self.body_encoding: object = None
        self.subject_encoding: object = None
        self.attachments = Collection(_attachment)
        self.headers = _Headers()

    def get(self, name: str) -> object:
        return self._from if name.casefold() == "from" else super().get(name)

    def set(self, name: str, value: object) -> None:
        match name.casefold():
            case "from":
                self._from = mail_address(value)
            case "sender":
                self.sender = mail_address(value)
            case "subject" | "body":
                setattr(self, name.casefold(), text(value))
            case "isbodyhtml":
                self.is_body_html = is_true(value)
            case _:
                super().set(name, value)

    @property
    def delivery_notification_options(self) -> str:
        return self._options

    @delivery_notification_options.setter
    def delivery_notification_options(self, value: object) -> None:
        self._options = notification_options(value)

    @property
    def reply_to(self) -> object:
        return self.reply_to_list.item(0)

    @reply_to.setter
    def reply_to(self, value: object) -> None:
        self.reply_to_list.clear()
        self.reply_to_list.add(value)

    def dispose(self) -> None:
        """Nothing is open."""

    def recipients(self) -> list[str]:
        """Return the mailboxes of all recipients, in order."""
        return [parseaddr(address)[1] for group in (self.to, self.cc, self.bcc) for address in group.things]

    def reverse_path(self) -> str:
        """Return the mailbox that notifications go to. Raises ShellError."""
        if not self._from:
            raise ShellError("A from address must be specified. Set the message's From.")
        return parseaddr(self.sender or self._from)[1]

    def content(self) -> EmailMessage:
        """Return header section and body, with .NET's fields; there is no Message-ID among them. Raises ShellError."""
        draft = Draft(
            sender=self.sender,
            author=self._from,
            reply_to=str(self.reply_to_list),
            to=str(self.to),
            cc=str(self.cc),
            date=mailing.date(),
            subject=self.subject,
            body=self.body,
            is_html=self.is_body_html,
            priority=text(self.priority),
            fields=tuple(self.headers.things),
            attachments=tuple((each.name, each.octets) for each in self.attachments.things),
        )
        try:
            return compose(draft)
        except ValueError as error:
            raise ShellError(str(error)) from error


def _certificate(thing: object) -> Certificate:
    if isinstance(thing, Certificate):
        return thing
    raise ShellError("A client certificate is an X509Certificate2; make one by New-Object and Import.")


class SmtpClient(NetObject):
    type_name = "System.Net.Mail.SmtpClient"
    readable = ("ClientCertificates",)
    writable = ("Host", "Port", "EnableSsl", "Credentials", "UseDefaultCredentials", "Timeout", "DeliveryMethod")
    methods = ("Send", "Dispose")

    def __init__(self, trust: Trust, tell: Callable[[str], None], host: object = "", port: object = 25) -> None:
        """tell: takes the lines of the transcript."""
        self._trust = trust
        self._tell = tell
        self.is_tls_implicit = False
        self.source_address = self.hello = ""
        self.host = text(host)
        self.set("Port", port)
        self.enable_ssl = False
        self.client_certificates = Collection(_certificate)
        self.credentials: object = None
        self.use_default_credentials = False
        self.delivery_method = "Network"
        self.timeout: object = int(TIMEOUT_SECONDS * 1000)

    @classmethod
    def maker(cls, trust: Trust, tell: Callable[[str], None]) -> Callable[..., "SmtpClient"]:
        """Return its constructor."""
        return lambda host="", port=25: cls(trust, tell, host, port)

    def set(self, name: str, value: object) -> None:
        match name.casefold():
            case "port":
                self.port = whole(value)
                if not 0 < self.port < 65536:
                    raise ShellError(f"Specified argument was out of the range of valid values: port {self.port}.")
            case "enablessl":
                self.enable_ssl = is_true(value)
            case "credentials" if value is not None and not isinstance(value, Credential):
                raise ShellError("Credentials are New-Object Net.NetworkCredential('user', 'password').")
            case "deliverymethod" if text(value).casefold() not in ("network", "0"):
                raise ShellError(f"not supported: the delivery method {text(value)}; there is Network")
            case _:
                super().set(name, value)

    def send(self, *arguments: object) -> None:
        """Send a message, or one of (from, recipients, subject, body). Raises ShellError."""
        if len(arguments) == 4:
            message = MailMessage(*arguments)
        elif len(arguments) == 1 and isinstance(arguments[0], MailMessage):
            message = arguments[0]
        else:
            raise ShellError("Send takes a MailMessage, or from, recipients, subject and body.")
        credential = self.credentials if isinstance(self.credentials, Credential) else None
        server = mailing.Server(
            self.host,
            self.port,
            timeout_seconds=max(float(number(self.timeout)) / 1000, 0.001),
            has_tls=self.enable_ssl or self.is_tls_implicit,
            is_tls_implicit=self.is_tls_implicit,
            source_address=self.source_address,
            hello=self.hello,
            user_name=credential.user_name if credential else "",
            password=plain(credential.password) if credential else "",
            certificate=next(iter(self.client_certificates.things), None),
        )
        mail = mailing.Mail(
            message.reverse_path(), message.recipients(), message.delivery_notification_options, message.content()
        )
        mailing.send(mail, server, self._trust, self._tell)

    def dispose(self) -> None:
        """Each message has a session of its own, which is over."""
