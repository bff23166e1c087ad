"""From what a program writes to `sendmail`'s standard input to a letter.

Rule 1: lines end in LF, CR LF or CR; they become CR LF. A first line `From …`, as mailboxes have it, is left out.
Rule 2: From, Date and Message-ID are added where they are missing (RFC 6409 §8); a relay adds none later.
Rule 3: Bcc fields are read and left out, always.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formataddr, formatdate, getaddresses, make_msgid

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.header import HeaderSection
from staffetta.mail.xtext import encode_xtext, is_xtext
from staffetta.sendmail.arguments import Arguments
from staffetta.sendmail.letter import Letter

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT_ALONE = re.compile(rb"^\.(?:\r\n|\r|\n|\Z)", re.MULTILINE)
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_TO = (b"to", b"cc", b"bcc")
_RESENT_TO = (b"resent-to", b"resent-cc", b"resent-bcc")
_BLIND = (b"bcc:", b"resent-bcc:", b"bcc :", b"resent-bcc :")


class Unsendable(Exception):
    """What was given is no message to anybody. The text says what is missing."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who calls. user: login name. domain: of addresses without one. name: as people write it."""

    user: str
    domain: str
    name: str = ""


def read_message(octets: bytes, arguments: Arguments, author: Author, now: float) -> Letter:
    """Return the letter that standard input and command line make together. now: seconds since 1970.

    Raises Unsendable.
    """
    if not arguments.is_dot_content and (dot := _DOT_ALONE.search(octets)):
        octets = octets[: dot.start()]
    lines = _LINE_END.split(octets)
    if lines[-1] == b"":
        lines.pop()
    if lines and lines[0].startswith((b"From ", b">From ")):
        lines.pop(0)
    count = _header_lines(lines)
    header = HeaderSection(b"".join(line + b"\r\n" for line in lines[:count]))
    body = lines[count + 1 :] if lines[count : count + 1] == [b""] else lines[count:]
    written = list(arguments.recipients)
    if arguments.is_from_header:
        written += _written_in(header)
    recipients = tuple(dict.fromkeys(_qualified(address, author) for address in _addresses(written)))
    if not recipients:
        raise Unsendable("no recipient: name one behind the options, or in To, Cc or Bcc with -t")
    default = f"{author.user}@{author.domain}"
    sender = arguments.sender if arguments.sender is not None else default
    sender = _qualified(sender, author) if sender else ""
    content = _completed(header, arguments.full_name or author.name, sender or default, author.domain, now)
    return Letter(
        sender,
        recipients,
        content + b"\r\n" + b"".join(line + b"\r\n" for line in body),
        notify=arguments.notify,
        ret=arguments.ret,
        envelope_id=_as_xtext(arguments.envelope_id),
        written_at=now,
    )


def _header_lines(lines: Sequence[bytes]) -> int:
    """How many lines from the first on are fields; text without a header has none."""
    for number, line in enumerate(lines):
        is_continued = number > 0 and line[:1] in (b" ", b"\t")
        if not is_continued and not _FIELD.match(line):
            return number
    return len(lines)


def _written_in(header: HeaderSection) -> list[str]:
    """Whom the header names; where it was resent, those of then (RFC 5322 §3.6.6)."""
    names = _RESENT_TO if any(True for name in _RESENT_TO for _ in header.fields(name)) else _TO
    return [value for name in names for value in header.every(name)]


def _addresses(written: Sequence[str]) -> list[str]:
    return [address for _, address in getaddresses(written) if address]


def _qualified(address: str, author: Author) -> str:
    """Raises Unsendable."""
    whole = address if "@" in address else f"{address}@{author.domain}"
    try:
        parse_mailbox(whole)
    except AddressError as error:
        raise Unsendable(f"{address!r} is no address: {error}") from None
    return whole


def _completed(header: HeaderSection, name: str, sender: str, domain: str, now: float) -> bytes:
    """The header section without Bcc, with what must not be missing."""
    added = b""
    if not any(True for _ in header.fields(b"from")):
        added += f"From: {formataddr((name, sender)) if sender.isascii() else sender}\r\n".encode()
    if not any(True for _ in header.fields(b"date")):
        added += f"Date: {formatdate(now, localtime=True)}\r\n".encode()
    if not any(True for _ in header.fields(b"message-id")):
        added += f"Message-ID: {make_msgid(domain=domain)}\r\n".encode()
    kept, _ = header.without(_BLIND)
    return kept + added


def _as_xtext(text: str) -> str:
    return text if is_xtext(text) else encode_xtext(text)
