"""From a command's argument to its meaning, one function per rule (RFC 5321 §4.1.2, RFC 3461 §4, RFC 6531 §3.4).

Rule 1: every function returns a value or raises Rejection with the reply; the session catches it in one place.
Rule 2: numbers are digits and nothing else: int() alone would take "+5", "1_000" and digits of other scripts.
"""

import re
from collections.abc import Callable

from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.envelope import BodyType, Notify, Recipient, Ret
from staffetta.mail.xtext import is_xtext
from staffetta.smtp import reply
from staffetta.smtp.events import Mail
from staffetta.smtp.reply import Reply

ENVELOPE_ID_OCTETS_MAX = 100  # RFC 3461 §4.4
ORIGINAL_RECIPIENT_OCTETS_MAX = 500  # RFC 3461 §4.2
HELO_OCTETS_MAX = 255

_NUMBER = re.compile(rb"[0-9]{1,20}")
_HELO_NAME = re.compile(rb"[!-~]+")
# A quoted local part may hold ">" and "@"; everything else up to the first ">" is the path.
_PATH = re.compile(rb'<((?:"(?:[^"\\]|\\.)*"@)?[^>]*)>')
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")
# utf-8-addr-xtext and utf-8-addr-unitext in an ORCPT of type utf-8 (RFC 6533 §3)
_UTF8_ADDRESS = re.compile("(?:[!-*,-<>-~\\u0080-\\U0010ffff]|\\\\x\\{[0-9A-F]{2,6}\\})+")

Parameters = dict[bytes, bytes | None]


class Rejection(Exception):
    """A command that is not well formed; `reply` says how it is answered."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(str(answer))
        self.reply = answer


def parse_helo(argument: bytes) -> str:
    """helo = "HELO" SP Domain CRLF (RFC 5321 §4.1.1.1).

    Deviation: any printable word is taken, since devices call themselves "printer_2" or an IP address without
    brackets, and the name decides nothing (RFC 5321 §4.1.4 forbids to refuse on it).
    """
    name = argument.strip(b" ")
    if len(name) > HELO_OCTETS_MAX or not _HELO_NAME.fullmatch(name):
        raise Rejection(reply.HELO_ARGUMENT)
    return name.decode("ascii")


def mended_helo(argument: bytes) -> str:
    """Return what can be shown of a name that is none: its printable ASCII, `?` for the rest; it may be empty."""
    shown = argument.strip(b" ").decode("ascii", "replace")[:HELO_OCTETS_MAX]
    return "".join(character if "!" <= character <= "~" else "?" for character in shown)


def parse_mail(
    argument: bytes, *, is_esmtp: bool = True, is_auth_offered: bool = False, is_tls_active: bool = False
) -> Mail:
    """mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF (RFC 5321 §4.1.1.2).

    AUTH= is taken and forgotten: no client is trusted to name another submitter (RFC 4954 §5).
    """
    path, parameters = _split(argument, b"FROM:", reply.MAIL_SYNTAX)
    if parameters and not is_esmtp:
        raise Rejection(reply.PARAMETER_UNKNOWN)
    smtputf8, require_tls = _flag(parameters, b"SMTPUTF8"), _flag(parameters, b"REQUIRETLS")
    if require_tls and not is_tls_active:
        raise Rejection(reply.REQUIRETLS_NEEDS_TLS)  # RFC 8689 §2: the path must be protected from here on
    if is_auth_offered and b"AUTH" in parameters:
        _submitter(parameters.pop(b"AUTH"))
    size, body, ret, envelope_id = _take(
        parameters, (b"SIZE", _number), (b"BODY", _body), (b"RET", _ret), (b"ENVID", _envelope_id)
    )
    reverse_path = _mailbox(path, smtputf8, reply.SENDER_SYNTAX) if path else None
    return Mail(reverse_path, size, body or BodyType.SEVEN_BIT, smtputf8, ret, envelope_id, require_tls)


def parse_rcpt(argument: bytes, *, smtputf8: bool, postmaster_domain: str, is_esmtp: bool = True) -> Recipient:
    """rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF (RFC 5321 §4.1.1.3)."""
    path, parameters = _split(argument, b"TO:", reply.RCPT_SYNTAX)
    if parameters and not is_esmtp:
        raise Rejection(reply.PARAMETER_UNKNOWN)
    notify, original = _take(parameters, (b"NOTIFY", _notify), (b"ORCPT", _original_recipient))
    if original is not None and not original.isascii() and not smtputf8:
        raise Rejection(reply.SMTPUTF8_NEEDED)  # RFC 6533 §3: utf-8-addr-unitext only where SMTPUTF8 was asked for
    if path.lower() == b"postmaster":
        path += b"@" + postmaster_domain.encode()
    return Recipient(_mailbox(path, smtputf8, reply.RECIPIENT_SYNTAX), notify or Notify.UNSPECIFIED, original)


def parse_chunk(argument: bytes) -> tuple[int, bool]:
    """bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CRLF (RFC 3030 §2): octets, and whether it is the last."""
    words = argument.split()
    is_last = len(words) == 2 and words[1].upper() == b"LAST"
    if len(words) not in (1, 2) or is_last != (len(words) == 2) or not _NUMBER.fullmatch(words[0]):
        raise Rejection(reply.OUT_OF_STEP)
    return int(words[0]), is_last


def _flag(parameters: Parameters, keyword: bytes) -> bool:
    """Take a parameter that has no value."""
    if keyword not in parameters:
        return False
    if parameters.pop(keyword) is not None:
        raise Rejection(reply.PARAMETER_VALUE)
    return True


def _split(argument: bytes, keyword: bytes, syntax: Reply) -> tuple[bytes, Parameters]:
    """Part `FROM:<path> KEY=value KEY` into the path without brackets and the parameters.

    Deviation: a space after the colon is taken; it is wrong, but harmless, and old devices send it.
    """
    if argument[: len(keyword)].upper() != keyword:
        raise Rejection(syntax)
    rest = argument[len(keyword) :].lstrip(b" ")
    match = _PATH.match(rest)
    if match is None:
        raise Rejection(syntax)
    tail = rest[match.end() :]
    if not tail:
        return match[1], {}
    if not tail.startswith(b" "):
        raise Rejection(syntax)
    parameters: Parameters = {}
    for word in tail.split():
        key, equals, value = word.partition(b"=")
        key = key.upper()
        if key in parameters:
            raise Rejection(reply.PARAMETER_VALUE)
        parameters[key] = value if equals else None
    return match[1], parameters


def _take(parameters: Parameters, *rules: tuple[bytes, Callable[[bytes], object]]) -> list:  # type: ignore[type-arg]
    """Return the parsed value (or None) per rule, in order; anything else in `parameters` is refused."""
    values: list[object] = []
    for key, parse in rules:
        if key not in parameters:
            values.append(None)
        elif value := parameters.pop(key):
            values.append(parse(value))
        else:
            raise Rejection(reply.PARAMETER_VALUE)
    if parameters:
        raise Rejection(reply.PARAMETER_UNKNOWN)
    return values


def _mailbox(path: bytes, smtputf8: bool, syntax: Reply) -> Mailbox:
    if path.startswith(b"@") and b":" in path:
        # Deviation: RFC 5321 §4.1.1.3 lets a server strip a source route; refusing it leaves no second reading.
        raise Rejection(reply.SOURCE_ROUTE)
    try:
        text = path.decode("utf-8")
        if not smtputf8 and not text.isascii():
            raise Rejection(reply.SMTPUTF8_NEEDED)
        return parse_mailbox(text)
    except (AddressError, UnicodeDecodeError):
        raise Rejection(syntax) from None


def _number(value: bytes) -> int:
    """size-value ::= 1*20DIGIT (RFC 1870 §4)."""
    if not _NUMBER.fullmatch(value):
        raise Rejection(reply.PARAMETER_VALUE)
    return int(value)


def _body(value: bytes) -> BodyType:
    """body-value ::= "7BIT" / "8BITMIME" (RFC 6152 §2)."""
    word = value.upper()
    if word == b"7BIT":
        return BodyType.SEVEN_BIT
    if word == b"8BITMIME":
        return BodyType.EIGHT_BIT_MIME
    raise Rejection(reply.PARAMETER_VALUE)


def _ret(value: bytes) -> Ret:
    """ret-value = "FULL" / "HDRS" (RFC 3461 §4.3)."""
    word = value.upper()
    if word not in (b"FULL", b"HDRS"):
        raise Rejection(reply.PARAMETER_VALUE)
    return Ret(word.decode())


def _envelope_id(value: bytes) -> str:
    """envid-parameter = "ENVID=" xtext (RFC 3461 §4.4)."""
    text = value.decode("latin-1")
    if len(value) > ENVELOPE_ID_OCTETS_MAX or not is_xtext(text):
        raise Rejection(reply.PARAMETER_VALUE)
    return text


def _submitter(value: bytes | None) -> None:
    """Auth-parameter = "AUTH=" ( "<>" / xtext ) (RFC 4954 §5)."""
    if not value or (value != b"<>" and not is_xtext(value.decode("latin-1"))):
        raise Rejection(reply.PARAMETER_VALUE)


def _notify(value: bytes) -> Notify:
    """notify-esmtp-value = "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY") (RFC 3461 §4.1)."""
    wanted = Notify.UNSPECIFIED
    words = value.upper().split(b",")
    for word in words:
        if word not in (b"NEVER", b"SUCCESS", b"FAILURE", b"DELAY") or (word == b"NEVER" and len(words) > 1):
            raise Rejection(reply.PARAMETER_VALUE)
        wanted |= Notify[word.decode()]
    return wanted


def _original_recipient(value: bytes) -> str:
    """orcpt-parameter = "ORCPT=" addr-type ";" xtext (RFC 3461 §4.2; for type utf-8: RFC 6533 §3)."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejection(reply.PARAMETER_VALUE) from None
    address_type, semicolon, address = text.partition(";")
    is_right = _UTF8_ADDRESS.fullmatch(address) if address_type.lower() == "utf-8" else is_xtext(address)
    if (
        len(value) > ORIGINAL_RECIPIENT_OCTETS_MAX
        or not semicolon
        or not address
        or not is_right
        or not _ADDRESS_TYPE.fullmatch(address_type)
    ):
        raise Rejection(reply.PARAMETER_VALUE)
    return text
