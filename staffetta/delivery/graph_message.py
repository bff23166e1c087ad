"""Content as Graph has to be told it: Graph has no envelope and takes recipients and sender from header fields.

Rule 1: the envelope decides. Who is in the envelope and in no field is written into Bcc, which Exchange takes out
again; who is in a field and not in the envelope is taken out of it, since Graph would send to them.
Rule 2: where the fields already say what the envelope says, no octet is changed.
Rule 3: only To, Cc, Bcc and From are ever written anew; Message-ID, Date and all others stay.

What else Graph stumbles over is mended here too: a To without any address (`undisclosed-recipients:;`), and an `@` in
the name shown of From (docs/decisions/067-graph-has-no-envelope.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import formataddr

from staffetta.mail.address import Mailbox
from staffetta.mail.address_list import AddressList, NamedMailbox, read_address_list
from staffetta.mail.envelope import Envelope

_RECIPIENT_FIELDS = (b"to", b"cc", b"bcc")
_NAME_CHARACTERS_MAX = 200  # of a name that is shown; a line has 998 octets at most (RFC 5322 §2.1.1)
_FIELD = re.compile(rb"[^\r\n].*?\r\n(?![ \t])", re.DOTALL)  # with its continuation lines (RFC 5322 §2.2.3)


@dataclass(frozen=True, slots=True)
class Addressed:
    """A header section that says what the envelope says, with its last CRLF and without the blank line.

    hidden: how many recipients Bcc was given. dropped: addresses that were taken out of To, Cc or Bcc.
    """

    header: bytes
    hidden: int = 0
    dropped: tuple[str, ...] = ()


def address(header: bytes, envelope: Envelope, mailbox: Mailbox) -> Addressed:
    """Return the header section for these recipients.

    header: as carried. mailbox: that sends; it becomes From's address in a notification, whose reverse-path is null and
    whose author is a postmaster without a mailbox.
    """
    if header and not header.endswith(b"\r\n"):  # content that came by BDAT may end in the middle of a field
        header += b"\r\n"
    fields = _FIELD.findall(header)
    notifying = mailbox if envelope.reverse_path is None else None
    fields = [_with_sound_author(field, notifying) if _name(field).lower() == b"from" else field for field in fields]
    places = {
        index: read_address_list(_value(field))
        for index, field in enumerate(fields)
        if _name(field).lower() in _RECIPIENT_FIELDS
    }
    wanted = {recipient.mailbox.key: recipient.mailbox for recipient in envelope.recipients}
    named = {entry.mailbox.key for read in places.values() for entry in read.entries}
    if named == set(wanted) and all(_is_plain(read) for read in places.values()):
        return Addressed(b"".join(fields))
    dropped = [entry.mailbox for read in places.values() for entry in read.entries if entry.mailbox.key not in wanted]
    for index, read in places.items():
        fields[index] = _written(_name(fields[index]), [entry for entry in read.entries if entry.mailbox.key in wanted])
    hidden = [NamedMailbox("", each) for key, each in wanted.items() if key not in named]
    return Addressed(b"".join(fields) + _written(b"Bcc", hidden), len(hidden), tuple(map(str, dropped)))


def _is_plain(read: AddressList) -> bool:
    return read.is_sound and bool(read.entries)


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].rstrip(b" \t")


def _value(field: bytes) -> str:
    return field.partition(b":")[2].replace(b"\r\n", b"").strip().decode("utf-8", "replace")


def _written(name: bytes, entries: Sequence[NamedMailbox]) -> bytes:
    """A field of these addresses, one a line; nothing where there are none."""
    if not entries:
        return b""
    return name + b": " + ",\r\n ".join(map(_shown, entries)).encode() + b"\r\n"


def _shown(entry: NamedMailbox) -> str:
    text = f"{entry.mailbox.local_part}@{entry.mailbox.domain}"
    is_kept = entry.name and len(entry.name) <= _NAME_CHARACTERS_MAX and entry.name.isprintable()
    return f"{entry.name} <{text}>" if is_kept else text


def _with_sound_author(field: bytes, notifying: Mailbox | None) -> bytes:
    """From, whose shown name has no `@`: Graph takes `scanner@contoso.com <scanner@contoso.com>` for another sender."""
    read = read_address_list(_value(field))
    if len(read.entries) != 1:
        return field
    (author,) = read.entries
    name = _without_at_sign(author)
    if notifying is None and name == author.name:
        return field
    return _written(_name(field), [NamedMailbox(name, notifying or author.mailbox)])


def _without_at_sign(author: NamedMailbox) -> str:
    """The shown name, as it was written where it holds no `@`; empty where it is the address once more."""
    shown = _decoded(author.name).strip('" ')
    if "@" not in shown:
        return author.name
    if shown.lower() == author.mailbox.text.lower():
        return ""
    words = " ".join(shown.replace("@", " at ").split())
    printable = "".join(character for character in words if character.isprintable())[:_NAME_CHARACTERS_MAX]
    return formataddr((printable, "a@b.invalid")).removesuffix(" <a@b.invalid>")


def _decoded(name: str) -> str:
    """RFC 2047 §8: encoded words are read as what they stand for; those that nobody can read stay."""
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        return name
