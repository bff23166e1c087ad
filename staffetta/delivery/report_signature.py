"""The DKIM signature of a mailed report on TLS (RFC 8460 §5.3, RFC 6376).

Rule: the key is read each time, and kept nowhere; the signature covers the whole body (no `l=`).
"""

import base64

import dkim  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

RSA_BITS_MIN = 1024  # RFC 8301 §3.2: verifiers take no less

_COVERED = (
    *(b"from", b"to", b"date", b"subject", b"message-id", b"mime-version", b"content-type"),
    *(b"tls-report-domain", b"tls-report-submitter"),
)


class KeyUnusable(ValueError):
    """The key cannot sign. The text says why, and never holds any of it."""


def signed(content: bytes, *, domain: str, selector: str, key: str) -> bytes:
    """Return the content under a signature of the domain. key: PEM, RSA or Ed25519. Raises KeyUnusable."""
    octets, algorithm = _as_signer_wants(key)
    try:
        signature: bytes = dkim.sign(
            content,
            selector.encode(),
            domain.encode(),
            octets,
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=algorithm,
            include_headers=_COVERED,
        )
    except dkim.DKIMException as error:
        raise KeyUnusable(f"the DKIM key cannot sign: {error}") from None
    return signature + content


def _as_signer_wants(key: str) -> tuple[bytes, bytes]:
    try:
        loaded = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable("the DKIM key is no private key in PEM without a password") from None
    if isinstance(loaded, Ed25519PrivateKey):
        return base64.b64encode(loaded.private_bytes_raw()), b"ed25519-sha256"
    if not isinstance(loaded, RSAPrivateKey):
        raise KeyUnusable("the DKIM key is neither RSA nor Ed25519")
    if loaded.key_size < RSA_BITS_MIN:
        raise KeyUnusable(f"the DKIM key has {loaded.key_size} bits; make one of 2048")
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), b"rsa-sha256"
