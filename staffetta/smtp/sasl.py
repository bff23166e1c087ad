"""SASL mechanisms, the server's side (RFC 4954 §4): the client's responses in, challenges or credentials out.

Nothing here knows whether credentials are right.
"""

import binascii
import re
from dataclasses import dataclass

from staffetta.smtp import reply
from staffetta.smtp.credentials import Credentials, Mechanism, PasswordLogin, TokenLogin
from staffetta.smtp.grammar import Rejection

USER_NAME_CHARACTERS_MAX = 320  # an address: 64, the at sign, 255
XOAUTH2_FAILED = b'{"status":"401","schemes":"bearer"}'
"""The challenge that tells an XOAUTH2 client of its failure before the reply does."""

_XOAUTH2 = re.compile(rb"user=([^\x01]+)\x01auth=bearer ([!-~]+)\x01\x01", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client must respond to. octets: before base64."""

    octets: bytes


class Exchange:
    """One run of a mechanism. A Rejection ends it."""

    __slots__ = ("_user_name", "mechanism")

    def __init__(self, mechanism: Mechanism) -> None:
        self.mechanism = mechanism
        self._user_name: str | None = None  # LOGIN's first response

    def begin(self, initial_response: bytes | None) -> Challenge | Credentials:
        """Take the AUTH command. initial_response: decoded; None where the command had none. Raises Rejection."""
        if initial_response is not None:
            return self.respond(initial_response)
        return Challenge(b"Username:" if self.mechanism is Mechanism.LOGIN else b"")

    def respond(self, response: bytes) -> Challenge | Credentials:
        """Take a response, decoded. Raises Rejection."""
        match self.mechanism:
            case Mechanism.PLAIN:
                return _plain(response)
            case Mechanism.XOAUTH2:
                return _xoauth2(response)
            case Mechanism.LOGIN:
                if self._user_name is None:
                    self._user_name = _user_name(response)
                    return Challenge(b"Password:")
                return PasswordLogin(self._user_name, response)


def parse_auth(argument: bytes) -> tuple[bytes, bytes | None]:
    """auth-command = "AUTH" SP sasl-mech [SP initial-response] (RFC 4954 §8): mechanism, upper case, and the response.

    The response comes decoded; `=` stands for an empty one. Raises Rejection.
    """
    words = argument.split()
    if len(words) not in (1, 2):
        raise Rejection(reply.AUTH_SYNTAX)
    if len(words) == 1:
        return words[0].upper(), None
    return words[0].upper(), b"" if words[1] == b"=" else decode(words[1])


def decode(text: bytes) -> bytes:
    """Undo base64. Raises Rejection."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise Rejection(reply.NOT_BASE64) from None


def _plain(message: bytes) -> PasswordLogin:
    """message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616 §2). Nobody may act for another."""
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise Rejection(reply.AUTH_RESPONSE)
    user_name = _user_name(parts[1])
    if parts[0] and _user_name(parts[0]) != user_name:
        raise Rejection(reply.AUTHENTICATION_UNSUCCESSFUL)
    return PasswordLogin(user_name, parts[2])


def _xoauth2(message: bytes) -> TokenLogin:
    """`user=NAME ^A auth=Bearer TOKEN ^A ^A`, without the blanks (Google's and Microsoft's XOAUTH2)."""
    match = _XOAUTH2.fullmatch(message)
    if match is None:
        raise Rejection(reply.AUTH_RESPONSE)
    return TokenLogin(_user_name(match[1]), match[2].decode("ascii"))


def _user_name(octets: bytes) -> str:
    """A name is shown in log and trace, so that it must be printable."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejection(reply.AUTH_RESPONSE) from None
    if not text or len(text) > USER_NAME_CHARACTERS_MAX or not text.isprintable():
        raise Rejection(reply.AUTH_RESPONSE)
    return text
