"""Passwords of accounts: made so that a device can take them, hashed with Argon2id (RFC 9106), verified."""

import math
import secrets
from enum import StrEnum

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

LENGTH = 20
LENGTH_MIN, LENGTH_MAX = 6, 128
BITS_MIN = 50
"""A password with less can be guessed in years rather than ages, at the pace that we let anyone guess."""

# What OWASP names as the least: 19 MiB, so that several checks at a time fit into a small machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Alphabet(StrEnum):
    """What a device's keypad can type. Signs that look alike (0 O o, 1 l I) are left out where there are letters."""

    MIXED = "mixed"
    LOWER = "lower"
    DIGITS = "digits"
    SYMBOLS = "symbols"


_UPPER, _LOWER, _DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnpqrstuvwxyz", "23456789"
_CHARACTERS = {
    Alphabet.MIXED: _UPPER + _LOWER + _DIGITS,
    Alphabet.LOWER: _LOWER + _DIGITS,
    Alphabet.DIGITS: "0123456789",
    Alphabet.SYMBOLS: _UPPER + _LOWER + _DIGITS + "-_.+=",
}


def new_password(length: int = LENGTH, alphabet: Alphabet = Alphabet.MIXED) -> str:
    """Make a password. Raises ValueError where the length is out of bounds."""
    if not LENGTH_MIN <= length <= LENGTH_MAX:
        raise ValueError(f"a password of {length} characters is out of bounds; write {LENGTH_MIN} to {LENGTH_MAX}")
    return "".join(secrets.choice(_CHARACTERS[alphabet]) for _ in range(length))


def strength_bits(length: int, alphabet: Alphabet) -> int:
    """How many bits of chance a made password of this kind has."""
    return math.floor(length * math.log2(len(_CHARACTERS[alphabet])))


def hash_password(password: str) -> str:
    """Return what `password_hashes` holds. Takes some tens of milliseconds."""
    return _HASHER.hash(password)


def is_hash(text: str) -> bool:
    """Whether this is an Argon2id hash."""
    try:
        return extract_parameters(text).type.name == "ID"
    except InvalidHashError:
        return False


def verify(hashed: str, password: bytes) -> bool:
    """Whether the password is the hash's; False too where it is no hash. Blocks for some tens of milliseconds."""
    try:
        return _HASHER.verify(hashed, password)
    except (InvalidHashError, VerificationError):
        return False
