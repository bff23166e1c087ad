"""What a next hop's certificates are, one a line, and what they are worth: for transcripts.

Rule: what was asked of the certificate decides; what is told besides is what the strictest demand would have said.
"""

from collections.abc import Sequence
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from staffetta.delivery.tlspolicy import Mistrusted, TlsDemand, judge
from staffetta.policy.chain import UNREADABLE, shown_name
from staffetta.settings.model import Settings
from staffetta.settings.roads import TlsLevel

_NAMES_SHOWN = 5


async def in_words(
    chain: Sequence[bytes], demand: TlsDemand, host: str, settings: Settings, at: float
) -> Sequence[str]:
    """Return a line for each certificate, leaf first, and the verdict. chain: DER. at: seconds since 1970."""
    lines = [f"certificate {number} of {len(chain)}: {_told(der)}" for number, der in enumerate(chain, 1)]
    return [*lines, await _verdict(tuple(chain), demand, host, settings, at)]


async def _verdict(chain: tuple[bytes, ...], demand: TlsDemand, host: str, settings: Settings, at: float) -> str:
    try:
        await judge(replace(demand, level=TlsLevel.VERIFIED), host, chain, settings, at)
    except Mistrusted as error:
        is_fatal = demand.level is TlsLevel.VERIFIED
        return f"verdict: {error}{'' if is_fatal else '; but no more than TLS was asked for'}"
    return "verdict: verified"


def _told(der: bytes) -> str:
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _names(certificate)
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        return "; ".join(
            (
                f"{shown_name(certificate.subject)}",
                *((f"names {', '.join(names[:_NAMES_SHOWN])}{more}",) if names else ()),
                f"issued by {shown_name(certificate.issuer)}",
                f"valid {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}",
                _key(certificate),
                f"SHA-256 {certificate.fingerprint(hashes.SHA256()).hex()}",
            )
        )
    except UNREADABLE as error:
        return f"it cannot be read: {error}"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _key(certificate: x509.Certificate) -> str:
    match certificate.public_key():
        case rsa.RSAPublicKey() as key:
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey() as key:
            return f"EC {key.curve.name}"
        case key:
            return type(key).__name__
