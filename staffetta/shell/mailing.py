"""Sending a script's message as .NET's SmtpClient does on the wire, with its words for what goes wrong.

EHLO; STARTTLS and a second EHLO where asked; AUTH LOGIN where there are credentials; MAIL; RCPT with NOTIFY where the
server announces DSN; DATA; QUIT. A message with one bad recipient among good ones is sent, and then complained about.
"""

import smtplib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, localtime
from pathlib import Path

from staffetta.shell.certificates import Certificate
from staffetta.shell.session import Trust
from staffetta.shell.trouble import ShellError

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


@dataclass(frozen=True, slots=True)
class Server:
    """Where to, and who we are there. certificate: offered in the TLS handshake; user_name: empty for nobody."""

    host: str
    port: int
    timeout_seconds: float
    has_tls: bool = False
    user_name: str = ""
    password: str = ""
    certificate: Certificate | None = None


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


def send(mail: Mail, server: Server, trust: Trust) -> None:
    """Send one message in a session of its own. Raises ShellError."""
    if not server.host:
        raise ShellError("The SMTP host was not specified.")
    if not mail.recipients:
        raise ShellError("A recipient must be specified.")
    try:
        with smtplib.SMTP(
            server.host, server.port, local_hostname=socket.gethostname(), timeout=server.timeout_seconds
        ) as client:
            _greet(client, server, trust)
            _transact(client, mail)
    except ssl.SSLCertVerificationError as error:
        raise ShellError(
            f"{_SEND_FAILED} The remote certificate is invalid according to the validation procedure: "
            f"{error.verify_message}. If {server.host} has a certificate of your own authority, name its PEM file in "
            "STAFFETTA_CA; the shell's --insecure takes any certificate."
        ) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise ShellError(f"{_SEND_FAILED} {server.host}:{server.port}: {error}") from error


def _greet(client: smtplib.SMTP, server: Server, trust: Trust) -> None:
    client.ehlo_or_helo_if_needed()
    if server.has_tls:
        if not client.has_extn("starttls"):
            raise ShellError("Server does not support secure connections.")
        with _context(server, trust) as context:
            client.starttls(context=context)
        client.ehlo()
    if server.user_name and client.has_extn("auth"):
        client.user, client.password = server.user_name, server.password
        offered = client.esmtp_features["auth"].upper().split()
        if "LOGIN" in offered:
            client.auth("LOGIN", client.auth_login)
        elif "PLAIN" in offered:
            client.auth("PLAIN", client.auth_plain)


@contextmanager
def _context(server: Server, trust: Trust) -> Iterator[ssl.SSLContext]:
    """What TLS needs. Chain and key go through a file that is ours alone and soon gone: OpenSSL reads files only."""
    context = ssl.create_default_context()
    if trust.authorities is not None:
        try:
            context.load_verify_locations(trust.authorities)
        except (OSError, ssl.SSLError) as error:
            raise ShellError(
                f"STAFFETTA_CA: {trust.authorities} cannot be read as PEM certificates: {error}"
            ) from error
    if not trust.is_checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if server.certificate is not None:
        pem, password = server.certificate.pem()
        with tempfile.TemporaryDirectory(prefix="staffetta-") as folder:
            file = Path(folder) / "identity.pem"
            file.touch(mode=0o600)
            file.write_bytes(pem)
            try:
                context.load_cert_chain(file, password=password)
            except ssl.SSLError as error:
                raise ShellError(f"The client certificate cannot be used: {error}") from error
    yield context


def _transact(client: smtplib.SMTP, mail: Mail) -> None:
    is_international = not all(address.isascii() for address in (mail.reverse_path, *mail.recipients))
    if is_international and not client.has_extn("smtputf8"):
        raise ShellError(
            "The client or server is only configured for E-mail addresses with ASCII local-parts; "
            "one of the addresses has other letters."
        )
    client.command_encoding = "utf-8" if is_international else "ascii"
    code, reply = client.mail(mail.reverse_path, ("SMTPUTF8", "BODY=8BITMIME") if is_international else ())
    if code != 250:
        raise _refused(code, reply)
    options = _notify(mail.notify) if client.has_extn("dsn") else ()
    refused: list[tuple[str, int, bytes]] = []
    for recipient in mail.recipients:
        code, reply = client.rcpt(recipient, options)
        if code not in (250, 251):
            refused.append((recipient, code, reply))
    if len(refused) == len(mail.recipients):
        raise _failed_recipients(refused, is_all=True)
    content = mail.content.as_bytes(policy=SMTPUTF8 if is_international else SMTP)
    code, reply = client.data(content)
    if code != 250:
        raise _refused(code, reply)
    if refused:
        raise _failed_recipients(refused, is_all=False)


def _notify(options: str) -> tuple[str, ...]:
    """The parameter of RCPT (RFC 3461 §4.1)."""
    words = {word.strip() for word in options.split(",")}
    if "Never" in words:
        return ("NOTIFY=NEVER",)
    when = [keyword for option, keyword in _NOTIFY if option in words]
    return (f"NOTIFY={','.join(when)}",) if when else ()


_NOTIFY = (("OnSuccess", "SUCCESS"), ("OnFailure", "FAILURE"), ("Delay", "DELAY"))


def _refused(code: int, reply: bytes | str) -> ShellError:
    said = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    meaning = _MEANINGS.get(code, _SEND_FAILED)
    return ShellError(
        f"{meaning} The server response was: {' '.join(said.split())}", kind="System.Net.Mail.SmtpException"
    )


def _failed_recipients(refused: list[tuple[str, int, bytes]], *, is_all: bool) -> ShellError:
    """.NET names one and keeps the others inside; here all are told."""
    said = [f"{recipient}: {_refused(code, reply).text}" for recipient, code, reply in refused]
    if len(refused) > 1:
        head = "Unable to send to all recipients." if is_all else "Unable to send to some recipients."
        said = [head, *said]
    elif not is_all:
        said.append("The others have the message.")
    kind = "System.Net.Mail.SmtpFailedRecipientException"
    return ShellError(" ".join(said), kind=kind)
