"""Certificates that a caller gives with a call: PEM as it is, PFX in base64, as JSON carries octets. Never kept.

Rule: whoever may call is not thereby one who may keep the relay busy: what takes long to open is refused.
"""

import base64
import binascii
import re
from collections.abc import Sequence

from staffetta.net.client_tls import Identity, read_identity
from staffetta.net.key_effort import check_effort
from staffetta.operations.errors import BadValue

HOW = "A client certificate with its private key: PEM as text, or a PFX in base64."
_ENCRYPTED_KEY = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]*)-----END")


def given_identity(certificate: str | None, password: str | None) -> Identity | None:
    """Return the certificate to show. Raises BadValue, whose text holds nothing secret."""
    if certificate is None:
        if password is not None:
            raise BadValue(
                "Give -Certificate too; -CertificatePassword alone opens nothing.", parameter="CertificatePassword"
            )
        return None
    try:
        octets = certificate.encode() if "-----BEGIN " in certificate else base64.b64decode(certificate, validate=True)
        for part in _locked(octets):
            check_effort(part)
        return read_identity(octets, None, password)
    except binascii.Error:
        raise BadValue(
            "This is neither PEM nor base64; give the PEM text with its private key, or the PFX file in base64.",
            parameter="Certificate",
        ) from None
    except ValueError as error:
        words = str(error).replace("client_certificate_password", "-CertificatePassword")
        raise BadValue(f"The certificate cannot be used: {words}.", parameter="Certificate") from None


def _locked(octets: bytes) -> Sequence[bytes]:
    """What a password opens: a PFX, or keys in PEM. Characters that are not base64's are left out, as OpenSSL does."""
    if b"-----BEGIN " not in octets:
        return [octets]
    return [base64.b64decode(each + b"===") for each in _ENCRYPTED_KEY.findall(octets)]
