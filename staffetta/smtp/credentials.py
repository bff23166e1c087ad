"""Who a client says it is, and by which mechanism (RFC 4954). Secrets stand in no repr, so that no log has them."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mechanism(StrEnum):
    """In the order in which EHLO names them."""

    LOGIN = "LOGIN"
    PLAIN = "PLAIN"
    XOAUTH2 = "XOAUTH2"


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """password: octets as sent, since old devices send no UTF-8."""

    user_name: str
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """token: what stood after `Bearer`."""

    user_name: str
    token: str = field(repr=False)


Credentials = PasswordLogin | TokenLogin
