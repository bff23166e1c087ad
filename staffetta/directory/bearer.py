"""Secrets whose holder is known by them: 256 random bits, of which the directory keeps the SHA-256 alone."""

import hashlib
import secrets

_OCTETS = 32


def new_secret(prefix: str) -> str:
    """Make a secret; the prefix tells people, and programs that look for leaked secrets, what it is."""
    return prefix + secrets.token_urlsafe(_OCTETS)


def digest(secret: str) -> bytes:
    """Return what is kept of a secret, and looked up: with 256 random bits it needs neither salt nor slowness."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
