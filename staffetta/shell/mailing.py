"""Sending a script's message as .NET's SmtpClient does on the wire, with its words for what goes wrong.

EHLO; STARTTLS and a second EHLO where asked; AUTH LOGIN where there are credentials; MAIL; RCPT with NOTIFY where the
server announces DSN; DATA; QUIT. A message with one bad recipient among good ones is sent, and then complained about.
What is said is written down (delivery/sending.py), for `-Verbose`.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, localtime

from staffetta.delivery.sending import Letter, Login, Sent
from staffetta.delivery.sending import Server as FarServer
from staffetta.delivery.sending import send as send_letter
from staffetta.delivery.trouble import HopTrouble
from staffetta.delivery.verdict import in_a_sentence
from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient
from staffetta.mail.outcome import Stage
from staffetta.settings.roads import TlsLevel
from staffetta.shell.certificates import Certificate
from staffetta.shell.session import Trust
from staffetta.shell.trouble import ShellError
from staffetta.smtp.credentials import PasswordLogin

_SEND_FAILED = "Failure sending mail."
_MEANINGS = {
    421: "Service not available, closing transmission channel.",
    450: "Mailbox unavailable.",
    451: "Error in processing.",
    452: "Insufficient system storage.",
    454: "Client does not have permission to submit mail to this server.",
    500: "Syntax error, command unrecognized.",
    501: "Syntax error in parameters or arguments.",
    502: "Command not implemented.",
    503: "Bad sequence of commands.",
    504: "Command parameter not implemented.",
    530: "The SMTP server requires a secure connection or the client was not authenticated.",
    550: "Mailbox unavailable.",
    551: "User not local; please try a different path.",
    552: "Exceeded storage allocation.",
    553: "Mailbox name not allowed.",
    554: "Transaction failed.",
}
_NOTIFY = {"Never": Notify.NEVER, "OnSuccess": Notify.SUCCESS, "OnFailure": Notify.FAILURE, "Delay": Notify.DELAY}


@dataclass(frozen=True, slots=True)
class Server:
    """Where to, and who we are there. certificate: shown to a server that asks for one; user_name: empty for nobody.

    has_tls: STARTTLS, or with is_tls_implicit TLS from the first octet. hello: empty is this machine's name.
    """

    host: str
    port: int
    timeout_seconds: float
    has_tls: bool = False
    is_tls_implicit: bool = False
    user_name: str = ""
    password: str = ""
    certificate: Certificate | None = None
    source_address: str = ""
    hello: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. recipients: mailboxes. notify: .NET's options, such as `OnSuccess, OnFailure`."""

    reverse_path: str
    recipients: list[str]
    notify: str
    content: EmailMessage


def date() -> str:
    """Return the Date field of a message that is made now."""
    return format_datetime(localtime())


def send(mail: Mail, server: Server, trust: Trust, tell: Callable[[str], None]) -> None:
    """Send one message in a session of its own. tell: takes the lines of the transcript. Raises ShellError."""
    if not server.host:
        raise ShellError("The SMTP host was not specified.")
    if not mail.recipients:
        raise ShellError("A recipient must be specified.")
    try:
        letter = _letter(mail)
    except AddressError as error:
        raise ShellError(f"The specified string is not in the form required for an e-mail address: {error}.") from error
    sent = asyncio.run(send_letter(letter, _server(server, trust)))
    for entry in sent.transcript.entries:
        tell(str(entry))
    tell(in_a_sentence(sent))
    _complain(sent, server, trust)


def _letter(mail: Mail) -> Letter:
    words = {word.strip() for word in mail.notify.split(",")}
    notify = Notify(0)
    for word, flag in _NOTIFY.items():
        if word in words:
            notify |= flag
    if Notify.NEVER in notify:
        notify = Notify.NEVER
    recipients = tuple(Recipient(parse_mailbox(each), notify) for each in mail.recipients)
    sender = parse_mailbox(mail.reverse_path)
    is_international = not all(mailbox.is_ascii for mailbox in (sender, *(each.mailbox for each in recipients)))
    content = mail.content.as_bytes(policy=SMTPUTF8 if is_international else SMTP)
    return Letter(Envelope(sender, recipients, smtputf8=is_international), content)


def _server(server: Server, trust: Trust) -> FarServer:
    if server.has_tls and trust.authorities is not None and not trust.authorities.is_file():
        raise ShellError(f"STAFFETTA_CA: {trust.authorities} is no file; name a PEM file of certificates.")
    login = Login(PasswordLogin(server.user_name, server.password.encode()), is_optional=True)
    checked = TlsLevel.VERIFIED if trust.is_checked else TlsLevel.REQUIRED
    return FarServer(
        host=server.host,
        port=server.port,
        hello=server.hello or socket.gethostname(),
        tls=checked if server.has_tls else TlsLevel.NONE,
        is_tls_implicit=server.is_tls_implicit,
        authorities=trust.authorities,
        identity=server.certificate.identity() if server.certificate is not None else None,
        login=login if server.user_name else None,
        source_address=server.source_address or None,
        connect_seconds=server.timeout_seconds,
        reply_seconds=server.timeout_seconds,
    )


def _complain(sent: Sent, server: Server, trust: Trust) -> None:
    """Raises ShellError where not everybody gets the message."""
    if sent.trouble is not None:
        raise _of_trouble(sent.trouble, server, trust)
    if len(sent.refused) == 1 and not sent.taken:
        raise _refused(sent.refused[0][1])
    if sent.refused:
        raise _failed_recipients(sent)


def _of_trouble(trouble: HopTrouble, server: Server, trust: Trust) -> ShellError:
    if trouble.is_remote_reply:
        return _refused(trouble.diagnostic)
    if trouble.stage is Stage.TLS and "does not offer STARTTLS" in trouble.diagnostic:
        return ShellError(f"Server does not support secure connections. {trouble.diagnostic}")
    seen = trouble.judgement
    if trust.is_checked and seen is not None and seen.fingerprint and not seen.is_verified:
        return ShellError(
            f"{_SEND_FAILED} The remote certificate is invalid according to the validation procedure: "
            f"{trouble.diagnostic}. If {server.host} has a certificate of your own authority, name its PEM file in "
            "STAFFETTA_CA; the shell's --insecure takes any certificate."
        )
    return ShellError(f"{_SEND_FAILED} {server.host}:{server.port}: {trouble.diagnostic}")


def _refused(reply: str) -> ShellError:
    """reply: with its code; words of ours have none."""
    found = re.match(r"(\d{3}) ", reply)
    if found is None:
        return ShellError(f"{_SEND_FAILED} {reply}", kind="System.Net.Mail.SmtpException")
    meaning = _MEANINGS.get(int(found[1]), _SEND_FAILED)
    said = " ".join(reply[4:].split())
    return ShellError(f"{meaning} The server response was: {said}", kind="System.Net.Mail.SmtpException")


def _failed_recipients(sent: Sent) -> ShellError:
    """.NET names one and keeps the others inside; here all are told."""
    said = [f"{recipient}: {_refused(reply).text}" for recipient, reply in sent.refused]
    if len(sent.refused) > 1:
        head = "Unable to send to some recipients." if sent.taken else "Unable to send to all recipients."
        said = [head, *said]
    elif sent.taken:
        said.append("The others have the message.")
    kind = "System.Net.Mail.SmtpFailedRecipientException"
    return ShellError(" ".join(said), kind=kind)
