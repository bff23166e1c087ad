"""Client submission: as whom an account may send.

The senders of a message are its reverse-path, and every address in From and Sender.

Exchange refuses at the end of the content, with `554 5.2.252 SendAsDenied`, and so do we. A session that a connector
takes is bound by the connector's domains instead; see docs/decisions/016.
"""

import re
from collections.abc import Iterator

from staffetta.mail.address import AddressError, Mailbox, parse_domain, parse_mailbox
from staffetta.mail.header import HeaderSection
from staffetta.policy.decision import Attribution, Decision, Reason
from staffetta.settings.objects import Account
from staffetta.smtp import reply

ANY_SENDER = "*"
_OF_DOMAIN = "*@"

_ACCEPTED = Decision(reply.OK, Reason.ACCEPTED)
_FIELD_CHARACTERS_MAX = 2000  # looking for the ends of quotes and comments takes the square of it
_COMMENT_DEPTH_MAX = 10
# A quoted string that is a local part, one that is a display name, or a comment without another inside.
_QUOTED_OR_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*"(?=\s*@))|"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')
_UNCLEAR = frozenset('@"()\\')  # where one of these is left over, readers differ
_AROUND_SPECIALS = re.compile(r"\s*([@.])\s*")
_ADDRESS = re.compile(r'("(?:[^"\\]|\\.)*"|[^\s<>(),;:"@\[\]\\]+)@(\[[^\]\s]*\]|[^\s<>(),;:"@\[\]\\]+)')


def may_send_as(account: Account, sender: Mailbox) -> bool:
    """Whether the account is this sender, or its SendAs names it."""
    return any(names_sender(entry, sender) for entry in (account.user_name, *account.send_as))


def names_sender(entry: str, sender: Mailbox) -> bool:
    """Whether an entry, `a@contoso.com`, `*@contoso.com` or `*`, means this sender."""
    if entry == ANY_SENDER:
        return True
    try:
        if entry.startswith(_OF_DOMAIN):
            return parse_domain(entry.removeprefix(_OF_DOMAIN)) == sender.domain
        return parse_mailbox(entry).key == sender.key
    except AddressError:  # a user name without a domain is no sender
        return False


def authorship(attribution: Attribution, reverse_path: Mailbox | None, header: HeaderSection) -> Decision:
    """Decide after the content whether the account may send this message. The null reverse-path is everybody's."""
    account = attribution.account
    if account is None or attribution.connector is not None or ANY_SENDER in account.send_as:
        return _ACCEPTED
    for field, text in _senders(reverse_path, header):
        sender = parsed(text)
        if sender is None or not may_send_as(account, sender):
            evidence = {
                "account": account.user_name,
                "sender": text[:254],
                "sender_field": field,
                "send_as": ", ".join(account.send_as)[:1000],
            }
            return Decision(reply.send_as_denied(account.user_name, text), Reason.SEND_AS_DENIED, evidence)
    return _ACCEPTED


def addresses_in(value: str) -> list[str]:
    """Return every address that some reader might find in the value of From or Sender; [value] where it is not clear.

    Wider than the grammar of RFC 5322 §3.4: who shows `boss@contoso.com <me@contoso.com>` shows the first, too.
    """
    if len(value) > _FIELD_CHARACTERS_MAX:
        return [value]
    plain = value
    for _ in range(_COMMENT_DEPTH_MAX):  # comments nest, so the innermost go first
        plain = _QUOTED_OR_COMMENT.sub(lambda match: match.group(1) or " ", plain)
    plain = _AROUND_SPECIALS.sub(r"\1", plain)
    found = [match.group() for match in _ADDRESS.finditer(plain)]
    is_clear = _UNCLEAR.isdisjoint(_ADDRESS.sub("", plain))
    return found if found and is_clear else [value]


def _senders(reverse_path: Mailbox | None, header: HeaderSection) -> Iterator[tuple[str, str]]:
    if reverse_path is not None:
        yield "MAIL FROM", reverse_path.text
    for field in ("From", "Sender"):
        for value in header.every(field.lower().encode()):
            for address in addresses_in(value):
                yield field, address


def parsed(text: str) -> Mailbox | None:
    """Return the mailbox; None where it is none."""
    try:
        return parse_mailbox(text)
    except AddressError:
        return None
