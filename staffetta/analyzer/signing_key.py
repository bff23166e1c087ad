"""The public key of a signature, as its owner publishes it in the DNS (RFC 6376 §3.6.1, RFC 8463 §4).

Rule: a key is looked at before anything is computed with it, since its owner may be whoever sent the message.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from staffetta.analyzer.tags import tags_of, without_blanks

BITS_MIN = 1024  # RFC 8301 §3.2
BITS_MAX = 4096
_EXPONENT_MAX = 2**32  # a larger one costs time, and nobody has one

Lookup = Callable[[str], Sequence[str]]
"""The TXT records of a name such as `s1._domainkey.contoso.com`; none where there are none. Raises KeyUnavailable."""


class KeyUnavailable(Exception):
    """Nobody could say now what the key is; later somebody may. The text says why."""


class NoKey(Exception):
    """There is no key that counts. The text says why."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """record: what is to be read, made anew. kind: rsa or ed25519. is_test: its owner tries DKIM out (t=y)."""

    record: bytes
    kind: str
    bits: int
    hashes: frozenset[str] | None = None
    is_test: bool = False
    is_for_domain_alone: bool = False


def key_of(name: str, lookup: Lookup) -> SigningKey:
    """Return the key of this name. Raises KeyUnavailable, NoKey."""
    records = [tags for text in lookup(name)[:5] if "p" in (tags := tags_of(text))]
    if not records:
        raise NoKey(f"there is no key in the DNS, at {name}")
    tags = records[0]
    if tags.get("v", "DKIM1") != "DKIM1":
        raise NoKey(f"the record at {name} is no key of DKIM")
    if not {"*", "email"} & set(_listed(tags.get("s", "*"))):
        raise NoKey(f"the key at {name} is not for mail")
    encoded = without_blanks(tags["p"])
    if not encoded:
        raise NoKey(f"the key at {name} has been revoked")
    try:
        octets = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise NoKey(f"the key at {name} cannot be read") from None
    kind = tags.get("k", "rsa").lower()
    record, bits = _rsa(name, octets) if kind == "rsa" else _ed25519(name, octets, kind)
    flags = _listed(tags.get("t", ""))
    hashes = frozenset(_listed(tags["h"].lower())) if "h" in tags else None
    return SigningKey(record, kind, bits, hashes, "y" in flags, "s" in flags)


def _rsa(name: str, octets: bytes) -> tuple[bytes, int]:
    try:
        key = load_der_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NoKey(f"the key at {name} cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise NoKey(f"the key at {name} is not of RSA, as it says")
    if key.key_size < BITS_MIN:
        raise NoKey(f"the key at {name} has {key.key_size} bits; {BITS_MIN} are the least that count")
    if key.key_size > BITS_MAX or key.public_numbers().e > _EXPONENT_MAX:
        raise NoKey(f"the key at {name} is larger than what is computed here, {BITS_MAX} bits")
    made = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(made), key.key_size


def _ed25519(name: str, octets: bytes, kind: str) -> tuple[bytes, int]:
    if kind != "ed25519":
        raise NoKey(f"the key at {name} is of a kind that is not known, {kind[:40]!r}")
    try:
        Ed25519PublicKey.from_public_bytes(octets)
    except ValueError:
        raise NoKey(f"the key at {name} cannot be read") from None
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(octets), 256


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(":")]
