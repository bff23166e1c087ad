"""Mailbox addresses: parse, print, compare (RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3).

Rule 1: this is the only parser of addresses; policy, spool, log and wire all use its result.
Rule 2: what was read is what is written: `text` is the wire's; only `domain` is normalised, for comparing.
Rule 3: nothing is repaired. An address that the grammar does not allow is an AddressError.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

import idna

LOCAL_PART_OCTETS_MAX = 64  # RFC 5321 §4.5.3.1.1
DOMAIN_OCTETS_MAX = 255  # RFC 5321 §4.5.3.1.2
PATH_OCTETS_MAX = 256  # RFC 5321 §4.5.3.1.3, both angle brackets included

# Dot-string = Atom *("." Atom); atext of RFC 5322 §3.2.3, UTF8-non-ascii added by RFC 6531 §3.3.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE; qtextSMTP and quoted-pairSMTP are printable ASCII only.
_QUOTED_STRING = re.compile(r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"')
# sub-domain = Let-dig [Ldh-str]
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_GENERAL_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x80-\x9f]")


class AddressError(ValueError):
    """This is not a mailbox. The text says which part is wrong, for the log and for authenticated clients."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox, as it was written and as it is compared.

    text: exactly as on the wire, without angle brackets.
    local_part: as written, quotes included.
    domain: lower-case A-labels without a trailing dot, or an address literal in canonical form, brackets included.
    """

    text: str
    local_part: str
    domain: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_ascii(self) -> bool:
        """Whether the address can travel without SMTPUTF8."""
        return self.text.isascii()

    @property
    def key(self) -> str:
        """A form in which two spellings of one of *our* mailboxes are equal: unquoted local part, lower case."""
        return f"{unquote(self.local_part).lower()}@{self.domain}"


def unquote(local_part: str) -> str:
    """Return the local part without its quotes and quoted pairs; a Dot-string comes back unchanged."""
    if not local_part.startswith('"'):
        return local_part
    return re.sub(r"\\(.)", r"\1", local_part[1:-1])


@lru_cache(maxsize=4096)
def parse_mailbox(text: str) -> Mailbox:
    """Parse `Local-part "@" ( Domain / address-literal )` (RFC 5321 §4.1.2).

    text: without angle brackets; non-ASCII is allowed here, whether it may be used is SMTPUTF8's question.
    Raises AddressError.
    """
    if len(text.encode("utf-8", "surrogatepass")) > PATH_OCTETS_MAX - 2:
        raise AddressError("the address is longer than 254 octets")
    if _GENERAL_CONTROLS.search(text) or not _is_valid_unicode(text):
        raise AddressError("the address holds control characters")
    match = (_QUOTED_STRING if text.startswith('"') else _DOT_STRING).match(text)
    if match is None:
        raise AddressError("the local part is neither a dot-string nor a quoted string")
    local_part, rest = match.group(), text[match.end() :]
    if len(local_part.encode()) > LOCAL_PART_OCTETS_MAX:
        raise AddressError("the local part is longer than 64 octets")
    if not rest.startswith("@"):
        raise AddressError("after the local part comes '@' and a domain")
    return Mailbox(text, local_part, parse_domain_or_literal(rest[1:]))


def parse_domain_or_literal(text: str) -> str:
    """Return the canonical form of a domain or address literal. Raises AddressError."""
    if text.startswith("["):
        return _parse_address_literal(text)
    return parse_domain(text)


@lru_cache(maxsize=4096)
def parse_domain(text: str) -> str:
    """Return lower-case A-labels for `Domain = sub-domain *("." sub-domain)` (RFC 5321 §4.1.2, RFC 6531 §3.3).

    Nothing is mapped before the check (no NFKC): a full-width dot or letter is an error, not another spelling.
    Raises AddressError.
    """
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=False, strict=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise AddressError(f"the domain is not a valid internationalised name: {error}") from None
    if len(text) > DOMAIN_OCTETS_MAX or not _DOMAIN.fullmatch(text):
        raise AddressError("the domain is not made of labels of letters, digits and hyphens")
    if text.rpartition(".")[2].isdigit():
        # RFC 3696 §2: a top-level label is never all-numeric, so this is an IP address without brackets.
        raise AddressError("the domain ends in a number; an address literal is written in square brackets")
    return text.lower()


def _parse_address_literal(text: str) -> str:
    """address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]" (RFC 5321 §4.1.3)."""
    if not text.endswith("]"):
        raise AddressError("the address literal is not closed by ']'")
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            if "%" in inner:
                raise AddressError("an address literal has no zone id")
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ipaddress.AddressValueError as error:
        raise AddressError(f"the address literal is not an IP address: {error}") from None


def _is_valid_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
