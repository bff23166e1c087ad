"""Sender rewriting: the address that a connector puts in the place of its clients' senders.

Rule 1: envelope and header are judged apart. What may stay, stays octet for octet; the null reverse-path always does.
Rule 2: in the header, From, Sender and Reply-To alone are touched. Nothing of who wrote it gets lost: the shown name
stays, and where no Reply-To says otherwise, replies go to the original From.
Rule 3: a sender may stay if every reader finds nobody else in it.

What this breaks, a signature over one of those fields (RFC 6376 §5.4), is told and not mended.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.mail.address_list import NamedMailbox, read_address_list
from staffetta.mail.header import Field, HeaderSection
from staffetta.policy.submission import addresses_in, names_sender, parsed
from staffetta.settings.objects import InboundConnector, SenderRewriting

_LINE_OCTETS = 78  # RFC 5322 §2.1.1
_LINE_OCTETS_MAX = 998
_ATOMS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u0080-\U0010ffff]+"
_PHRASE = re.compile(rf'(?:{_ATOMS}|"(?:[^"\\]|\\.)*")(?: (?:{_ATOMS}|"(?:[^"\\]|\\.)*"))*')
# `root (Cron Daemon)`, the older way to give a name.
_NAME_IN_COMMENT = re.compile(r"[^\s()<>,;:]+\s*\(([^()\\]*)\)")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class RewrittenHeader:
    """octets: the whole header section. field: which one has another address now, `from` or `sender`.

    original: its value as it came, unfolded; empty where there was none.
    broken: the domains whose signatures covered what was changed.
    """

    octets: bytes
    field: str
    original: str
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """address: what is put in place. allowed: who may stay besides it."""

    address: Mailbox
    allowed: tuple[str, ...]

    def permits(self, sender: Mailbox) -> bool:
        return sender.key == self.address.key or any(names_sender(entry, sender) for entry in self.allowed)

    def permits_all_of(self, values: Iterable[str]) -> bool:
        """Whether all that some reader finds in these values of From or Sender may stay."""
        found = (parsed(text) for value in values for text in addresses_in(value))
        return all(sender is not None and self.permits(sender) for sender in found)


def leaving_sender(connector: InboundConnector | None, reverse_path: Mailbox | None) -> Mailbox | None:
    """Return the reverse-path with which a message leaves that came with this one. connector: that it came by."""
    rule = _rule_of(connector)
    if rule is None or reverse_path is None or rule.permits(reverse_path):
        return reverse_path
    return rule.address


def rewritten_header(
    connector: InboundConnector | None, reverse_path: Mailbox | None, header: HeaderSection
) -> RewrittenHeader | None:
    """Return the header section as it leaves; None where it stays as it is. reverse_path: as it came.

    A message without From is taken to be from its reverse-path.
    """
    rule = _rule_of(connector)
    if rule is None:
        return None
    authors = list(header.every(b"from"))
    may_stay = rule.permits_all_of(authors) if authors else reverse_path is None or rule.permits(reverse_path)
    return _with_sender(rule, header) if may_stay else _with_author(rule, reverse_path, header)


def _with_sender(rule: _Rule, header: HeaderSection) -> RewrittenHeader | None:
    """From stays; Sender is rewritten where it must be."""
    if rule.permits_all_of(header.every(b"sender")):
        return None
    first, *others = header.fields(b"sender")
    fields = {first: _renamed("Sender", header, first, rule)} | dict.fromkeys(others, b"")
    return RewrittenHeader(header.replaced(fields), "sender", _shown(header, first), _broken(header, {"sender"}))


def _with_author(rule: _Rule, reverse_path: Mailbox | None, header: HeaderSection) -> RewrittenHeader:
    froms, senders = list(header.fields(b"from")), list(header.fields(b"sender"))
    author = froms[0] if froms else None
    touched = {"from", "sender"} if senders else {"from"}
    written = _renamed("From", header, author, rule)
    if next(header.fields(b"reply-to"), None) is None:
        written += _reply_to(header, author, reverse_path)
        touched.add("reply-to")
    # One author is the sender, too, so that Sender has nothing to say (RFC 5322 §3.6.2).
    fields = dict.fromkeys((*froms, *senders), b"") | {author or _start_of(header): written}
    return RewrittenHeader(header.replaced(fields), "from", _shown(header, author), _broken(header, touched))


def _rule_of(connector: InboundConnector | None) -> _Rule | None:
    if connector is None or connector.rewritten_sender is None:
        return None
    address = parse_mailbox(connector.rewritten_sender)
    match connector.sender_rewriting:
        case SenderRewriting.KEEP:
            return None
        case SenderRewriting.FORCE:
            return _Rule(address, ())
        case SenderRewriting.FORCE_IF_NOT_ALLOWED:
            return _Rule(address, connector.allowed_senders)


def _start_of(header: HeaderSection) -> Field:
    """An empty place for a field. In front of a line that begins with white space it would be the field's own."""
    at = len(header.octets) if header.octets[:1] in (b" ", b"\t") else 0
    return Field(at, at, at)


def _renamed(name: str, header: HeaderSection, field: Field | None, rule: _Rule) -> bytes:
    """The field with the address of the rule, and the name that was shown."""
    return _field(name, (NamedMailbox(_shown_name(_text(header, field)), rule.address),))


def _reply_to(header: HeaderSection, author: Field | None, reverse_path: Mailbox | None) -> bytes:
    """To the original From, in its own octets where they are sound; from nobody one can write to: the reverse-path."""
    if author is not None:
        read = read_address_list(_text(header, author))
        octets = b"Reply-To:" + header.octets[author.value : author.end].removesuffix(b"\r\n") + b"\r\n"
        if read.entries:
            is_fit = read.is_sound and octets.index(b"\r\n") <= _LINE_OCTETS_MAX
            return octets if is_fit else _field("Reply-To", read.entries)
    return _field("Reply-To", (NamedMailbox("", reverse_path),)) if reverse_path is not None else b""


def _text(header: HeaderSection, field: Field | None) -> str:
    """The value, unfolded; what is not UTF-8 comes back as it was when it is encoded so."""
    if field is None:
        return ""
    value = header.octets[field.value : field.end].replace(b"\r\n", b"")
    return value.strip().decode("utf-8", "surrogateescape")


def _shown(header: HeaderSection, field: Field | None) -> str:
    """The value for people."""
    return _text(header, field).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _shown_name(value: str) -> str:
    """The name of the first author; of a value without an address, such as `Scanner`, all of it."""
    entries = read_address_list(value).entries
    if entries and entries[0].name:
        return entries[0].name
    if (commented := _NAME_IN_COMMENT.fullmatch(value)) is not None:
        return _SPACES.sub(" ", commented[1]).strip()
    plain = _SPACES.sub(" ", value)
    return plain if not entries and _PHRASE.fullmatch(plain) else ""


def _field(name: str, entries: Iterable[NamedMailbox]) -> bytes:
    """Write a field, folded between words."""
    lines = [f"{name}:"]
    for place, word in enumerate(", ".join(map(_written, entries)).split(" ")):
        if place and len(lines[-1]) + len(word) >= _LINE_OCTETS:
            lines.append("")
        lines[-1] += f" {word}"
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape")


def _written(entry: NamedMailbox) -> str:
    if not entry.name:
        return entry.mailbox.text
    # `boss@contoso.com <…>` has two addresses to some readers, and so the name goes into quotes.
    plain = entry.name if _PHRASE.fullmatch(entry.name) else '"' + re.sub(r'["\\]', "", entry.name) + '"'
    return f"{plain} <{entry.mailbox.text}>"


def _broken(header: HeaderSection, touched: set[str]) -> tuple[str, ...]:
    """The domains of the DKIM signatures that cover a field of these names, also one that was not there before."""
    broken: list[str] = []
    for value in header.every(b"dkim-signature"):
        tags = dict(tag.partition("=")[::2] for tag in _SPACES.sub("", value).split(";"))
        if touched & set(tags.get("h", "").lower().split(":")):
            broken.append(tags.get("d", "?"))
    return tuple(broken)
