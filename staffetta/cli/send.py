"""`staffetta send`: one message to one server, with everything that can be said about how, and all that was said.

Rule 1: it needs no settings file and no relay: it is a client like any other, on this machine and with its rights.
Rule 2: secrets come from files, or are asked for at the terminal; never from the command line, which everybody sees.
"""

import asyncio
import getpass
import json as json_text
import re
import socket
import sys
from dataclasses import dataclass
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, getaddresses, localtime, make_msgid
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from staffetta.cli.options import Json
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_REFUSED, EX_USAGE
from staffetta.cli.tables import print_lines
from staffetta.delivery.sending import Letter, Login, Sent, Server, send
from staffetta.delivery.verdict import id_of, in_a_sentence
from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.composing import Draft, compose
from staffetta.mail.envelope import Envelope, Notify, Recipient, Ret
from staffetta.mail.xtext import encode_xtext
from staffetta.net.client_tls import Identity, read_identity
from staffetta.settings.roads import TlsLevel, TlsVersion
from staffetta.smtp.credentials import Mechanism, PasswordLogin, TokenLogin

_USUAL_BODY = "This is a test message. That it arrived means that the way works.\n"
_PORT, _IMPLICIT_PORT = 25, 465


def _several(text: str) -> Parameter:
    return Parameter(help=text, negative="", consume_multiple=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class What:
    """The message."""

    from_: Annotated[str, Parameter(name="--from", help="Sender: `ada@contoso.com`, or `Ada <ada@contoso.com>`.")]
    to: Annotated[tuple[str, ...], _several("Recipient; may be repeated.")]
    cc: Annotated[tuple[str, ...], _several("Recipient of a copy; may be repeated.")] = ()
    bcc: Annotated[tuple[str, ...], _several("Recipient whom the others do not see; may be repeated.")] = ()
    reply_to: Annotated[str, Parameter(help="Where answers go.")] = ""
    subject: Annotated[str, Parameter(help="Subject.")] = "Test message"
    body: Annotated[str | None, Parameter(help="Text; left out, that this is a test.")] = None
    body_file: Annotated[Path | None, Parameter(help="File of the text instead, UTF-8.")] = None
    html: Annotated[bool, Parameter(negative="", help="The text is HTML.")] = False
    attach: Annotated[tuple[Path, ...], _several("File to attach; may be repeated.")] = ()
    priority: Annotated[Literal["normal", "low", "high"], Parameter(help="X-Priority.")] = "normal"
    header: Annotated[tuple[str, ...], _several("A further field, `Name: value`; may be repeated.")] = ()
    message_id: Annotated[str | None, Parameter(help="Message-ID, as `name@host`; left out, one is made.")] = None
    eml: Annotated[Path | None, Parameter(help="A whole message as a file, sent as it is.")] = None
    notify: Annotated[
        tuple[Literal["success", "failure", "delay", "never"], ...], _several("Notification to ask for; repeatable.")
    ] = ()
    return_: Annotated[
        Literal["full", "headers"] | None, Parameter(name="--return", help="How much a notification returns.")
    ] = None
    envelope_id: Annotated[str | None, Parameter(help="ENVID, which notifications repeat.")] = None
    null_sender: Annotated[bool, Parameter(negative="", help="MAIL FROM:<>, as notifications have.")] = False
    only_ask: Annotated[bool, Parameter(negative="", help="Come as far as RCPT, and send nothing.")] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class How:
    """The way there."""

    server: Annotated[str, Parameter(help="Name or address.")]
    port: Annotated[int | None, Parameter(help="TCP port; left out, 25, or 465 with --implicit-tls.")] = None
    tls: Annotated[
        TlsLevel, Parameter(help="none; opportunistic; required (any certificate); verified (the right one).")
    ] = TlsLevel.OPPORTUNISTIC
    implicit_tls: Annotated[bool, Parameter(negative="", help="TLS from the first octet, without STARTTLS.")] = False
    tls_minimum: Annotated[Literal["1.0", "1.1", "1.2", "1.3"], Parameter(help="Oldest version of TLS.")] = "1.2"
    tls_name: Annotated[tuple[str, ...], _several("For verified: a name it may have instead of the host's.")] = ()
    ca: Annotated[Path | None, Parameter(help="PEM file of authorities to trust besides the public ones.")] = None
    certificate: Annotated[Path | None, Parameter(help="Client certificate to show, PFX or PEM.")] = None
    key: Annotated[Path | None, Parameter(help="Its private key, where it is not in that file.")] = None
    certificate_password_file: Annotated[Path | None, Parameter(help="File of the certificate's password.")] = None
    ask_certificate_password: Annotated[bool, Parameter(negative="", help="Ask for it instead.")] = False
    user: Annotated[str | None, Parameter(help="User name to log in with; its password is asked for.")] = None
    password_file: Annotated[Path | None, Parameter(help="File of the password instead.")] = None
    token_file: Annotated[Path | None, Parameter(help="File of an access token instead of a password.")] = None
    mechanism: Annotated[
        Literal["plain", "login", "xoauth2"] | None, Parameter(help="How to log in; left out, what is offered.")
    ] = None
    source: Annotated[str | None, Parameter(help="Address of this machine to connect from.")] = None
    helo: Annotated[str | None, Parameter(help="Our name in EHLO; left out, this machine's.")] = None
    connect_timeout: Annotated[float, Parameter(help="Seconds to connect.")] = 30.0
    timeout: Annotated[float, Parameter(help="Seconds to wait for each reply.")] = 100.0


class _Unusable(Exception):
    """What was typed cannot be used. The text says what to type instead."""


def send_message(what: What, how: How, *, json: Json = False) -> int:
    """Send one message and show all that was said. Exit status 1: somebody does not get it."""
    try:
        letter, server = _letter(what), _server(how)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return EX_NOINPUT
    except _Unusable as error:
        print(error, file=sys.stderr)
        return EX_USAGE
    sent = asyncio.run(send(letter, server))
    verdict = in_a_sentence(sent, is_asked_only=what.only_ask)
    if json:
        print(json_text.dumps(_record(sent, verdict), indent=2, ensure_ascii=False))
    else:
        print_lines([*map(str, sent.transcript.entries), "", verdict])
    return EX_OK if sent.is_accepted and not sent.refused else EX_REFUSED


def _record(sent: Sent, verdict: str) -> dict[str, object]:
    return {
        "accepted": [str(mailbox) for mailbox in sent.taken],
        "refused": {str(mailbox): reply for mailbox, reply in sent.refused},
        "id": id_of(str(sent.reply)) if sent.is_accepted and sent.reply else None,
        "reply": str(sent.reply) if sent.reply else None,
        "trouble": sent.trouble.diagnostic if sent.trouble else None,
        "is_unknown": sent.is_unknown,
        "tls": sent.tls,
        "verdict": verdict,
        "transcript": [
            {"at": entry.at, "direction": str(entry.direction), "line": entry.line} for entry in sent.transcript.entries
        ],
    }


def _letter(what: What) -> Letter:
    """Raises OSError, _Unusable."""
    recipients = [_mailbox(each) for each in _addresses((*what.to, *what.cc, *what.bcc))]
    if not recipients:
        raise _Unusable("Name a recipient: --to somebody@example.org.")
    author = _mailbox(next(iter(_addresses((what.from_,))), what.from_))
    if "never" in what.notify and len(what.notify) > 1:
        raise _Unusable("--notify never stands alone.")
    notify = Notify(0)
    for each in what.notify:
        notify |= Notify[each.upper()]
    is_international = not all(mailbox.is_ascii for mailbox in (author, *recipients))
    envelope = Envelope(
        None if what.null_sender else author,
        tuple(Recipient(mailbox, notify) for mailbox in recipients),
        smtputf8=is_international,
        ret={"full": Ret.FULL, "headers": Ret.HEADERS}.get(what.return_ or ""),
        envelope_id=encode_xtext(what.envelope_id) if what.envelope_id else None,
    )
    if what.only_ask:
        return Letter(envelope, None)
    return Letter(envelope, _content(what, author, is_international))


def _content(what: What, author: Mailbox, is_international: bool) -> bytes:
    """Raises OSError, _Unusable."""
    if what.eml is not None:
        return re.sub(rb"\r\n|\r|\n", b"\r\n", what.eml.read_bytes())
    fields = []
    for field in what.header:
        name, colon, value = field.partition(":")
        if not colon or not name.isascii() or not name.isprintable() or " " in name:
            raise _Unusable(f"--header {field!r} is no field; write 'X-Ticket: 4711'.")
        fields.append((name, value.strip()))
    draft = Draft(
        author=what.from_,
        date=format_datetime(localtime()),
        to=", ".join(what.to),
        cc=", ".join(what.cc),
        reply_to=what.reply_to,
        subject=what.subject,
        message_id=f"<{what.message_id.strip('<>')}>" if what.message_id else make_msgid(domain=author.domain),
        body=_body(what),
        is_html=what.html,
        priority=what.priority,
        fields=tuple(fields),
        attachments=tuple((path.name, path.read_bytes()) for path in what.attach),
    )
    try:
        return compose(draft).as_bytes(policy=SMTPUTF8 if is_international else SMTP)
    except ValueError as error:
        raise _Unusable(str(error)) from None


def _body(what: What) -> str:
    """Raises OSError."""
    if what.body_file is not None:
        return what.body_file.read_text(encoding="utf-8", errors="replace")
    return what.body if what.body is not None else _USUAL_BODY


def _addresses(texts: tuple[str, ...]) -> list[str]:
    return [address for _, address in getaddresses(texts) if address]


def _mailbox(text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise _Unusable(f"{text!r}: {error}; write somebody@example.org.") from None


def _server(how: How) -> Server:
    """Raises OSError, _Unusable."""
    if how.ca is not None:
        how.ca.open("rb").close()
    return Server(
        host=how.server.strip("[]"),
        port=how.port or (_IMPLICIT_PORT if how.implicit_tls else _PORT),
        hello=how.helo or socket.getfqdn(),
        tls=how.tls,
        is_tls_implicit=how.implicit_tls,
        tls_minimum=TlsVersion(how.tls_minimum),
        tls_names=how.tls_name,
        authorities=how.ca,
        identity=_identity(how),
        login=_login(how),
        source_address=how.source,
        connect_seconds=how.connect_timeout,
        reply_seconds=how.timeout,
    )


def _identity(how: How) -> Identity | None:
    if how.certificate is None:
        return None
    password = None
    if how.certificate_password_file is not None:
        password = _secret(how.certificate_password_file)
    elif how.ask_certificate_password:
        password = getpass.getpass(f"Password of {how.certificate}: ")
    try:
        return read_identity(
            how.certificate.read_bytes(), how.key.read_bytes() if how.key is not None else None, password
        )
    except ValueError as error:
        hint = str(error).replace("client_certificate_password", "--certificate-password-file")
        raise _Unusable(f"{how.certificate}: {hint}.") from None


def _login(how: How) -> Login | None:
    if how.user is None:
        return None
    mechanism = Mechanism(how.mechanism.upper()) if how.mechanism else None
    if how.token_file is not None:
        return Login(TokenLogin(how.user, _secret(how.token_file)), mechanism)
    if mechanism is Mechanism.XOAUTH2:
        raise _Unusable("--mechanism xoauth2 takes a token: --token-file FILE.")
    if how.password_file is not None:
        return Login(PasswordLogin(how.user, _secret(how.password_file).encode()), mechanism)
    if not sys.stdin.isatty():
        raise _Unusable("Nobody is there to be asked for the password: --password-file FILE.")
    return Login(PasswordLogin(how.user, getpass.getpass(f"Password of {how.user}: ").encode()), mechanism)


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig").rstrip("\r\n")
