"""Hand a letter to a listener on this machine, in one SMTP session.

Rule: an answer is told for each recipient; nothing is taken for sent that the relay did not answer for with 250.
"""

import smtplib
from dataclasses import dataclass, field

from staffetta.sendmail.letter import Letter

_PATIENCE_SECONDS = 60.0
_NOBODY_THERE = "nobody answers at {server}: {why}"

Answer = tuple[str, str]
"""A recipient and the reply."""


@dataclass(slots=True)
class Outcome:
    """taken: the relay has it. refused: it never will. later: not now. is_unknown: whether it was taken is not known.

    trouble: what ended the session, if something did; then it is the reply of all in `later`.
    """

    taken: list[str] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)
    later: list[Answer] = field(default_factory=list)
    trouble: str = ""
    is_unknown: bool = False


def submit(letter: Letter, server: str, hello: str) -> Outcome:
    """Return what came of it; blocks for a minute at most between two replies. server: `IP:port`."""
    outcome = Outcome()
    host, _, port = server.rpartition(":")
    try:
        with smtplib.SMTP(timeout=_PATIENCE_SECONDS, local_hostname=hello) as client:
            _connect(client, host.strip("[]"), int(port))
            _transact(client, letter, outcome)
    except smtplib.SMTPResponseException as error:
        _note_all(outcome, letter, error.smtp_code, _reply(error.smtp_code, error.smtp_error))
    except (OSError, smtplib.SMTPException) as error:
        outcome.trouble = _NOBODY_THERE.format(server=server, why=str(error) or type(error).__name__)
        answered = {*outcome.taken, *(recipient for recipient, _ in outcome.refused)}
        outcome.later = [(each, outcome.trouble) for each in letter.recipients if each not in answered]
    return outcome


def _connect(client: smtplib.SMTP, host: str, port: int) -> None:
    code, text = client.connect(host, port)
    if code != 220:
        raise smtplib.SMTPConnectError(code, text)
    client.ehlo_or_helo_if_needed()


def _transact(client: smtplib.SMTP, letter: Letter, outcome: Outcome) -> None:
    """Raises SMTPException, OSError."""
    code, text = client.mail(letter.sender, _mail_options(client, letter))
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, text, letter.sender)
    options = [f"NOTIFY={letter.notify}"] if letter.notify and client.has_extn("dsn") else []
    able = []
    for recipient in letter.recipients:
        code, text = client.rcpt(recipient, options)
        if code == 421:
            raise smtplib.SMTPResponseException(code, text)
        if code in (250, 251):
            able.append(recipient)
        else:
            _note(outcome, recipient, code, _reply(code, text))
    if not able:
        return
    outcome.is_unknown = True
    try:
        code, text = client.data(letter.content)
    except smtplib.SMTPDataError as error:
        code, text = error.smtp_code, _octets(error.smtp_error)
    outcome.is_unknown = False
    for recipient in able:
        if code == 250:
            outcome.taken.append(recipient)
        else:
            _note(outcome, recipient, code, _reply(code, text))


def _mail_options(client: smtplib.SMTP, letter: Letter) -> list[str]:
    options = [f"SIZE={len(letter.content)}"] if client.has_extn("size") else []
    if not letter.content.isascii() and client.has_extn("8bitmime"):
        options.append("BODY=8BITMIME")
    if not all(each.isascii() for each in (letter.sender, *letter.recipients)):
        options.append("SMTPUTF8")
    if letter.ret and client.has_extn("dsn"):
        options.append(f"RET={letter.ret}")
    if letter.envelope_id and client.has_extn("dsn"):
        options.append(f"ENVID={letter.envelope_id}")
    return options


def _note_all(outcome: Outcome, letter: Letter, code: int, reply: str) -> None:
    answered = {*outcome.taken, *(recipient for recipient, _ in (*outcome.refused, *outcome.later))}
    for recipient in letter.recipients:
        if recipient not in answered:
            _note(outcome, recipient, code, reply)


def _note(outcome: Outcome, recipient: str, code: int, reply: str) -> None:
    (outcome.refused if 500 <= code < 600 else outcome.later).append((recipient, reply))


def _reply(code: int, text: bytes | str) -> str:
    return f"{code} {' '.join(_octets(text).decode('utf-8', 'replace').split())}"


def _octets(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text
