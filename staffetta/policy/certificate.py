"""What the other side's certificate says, and whether an authority stands behind it; if not, what exactly is wrong.

Rule 1: names are every SAN dNSName; the subject's common name counts only where there is no SAN of any type, which is
    stricter than RFC 6125 §6.4.4.
Rule 2: a chain must lead to the authority by what was sent, be in its time, be strong, be meant for TLS (extended key
    usage absent, clientAuth or serverAuth; a server's must be serverAuth), and be on no configured revocation list.
Rule 3: a pinned certificate needs no authority, but must be in its time and have a strong key.
Rule 4: what was found is remembered for as long as it cannot change, a failure for a minute; both within bounds.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from staffetta.policy.chain import UNREADABLE, Chain, build, shown_name
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.remembered import Remembered
from staffetta.settings.trust import Authority

NAMES_MAX = 1000  # more than any honest certificate has; each is looked up

_FAILURE_SECONDS = 60.0
_KEPT = 1024
_RSA_BITS_MIN = 2048
_EC_BITS_MIN = 224
_WEAK_HASHES = ("md5", "sha1")
_FOR_SERVERS = {Usage.SERVER_AUTH, Usage.ANY_EXTENDED_KEY_USAGE}
_FOR_TLS = {Usage.CLIENT_AUTH, *_FOR_SERVERS}
_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Presented:
    """What a certificate says.

    names: fit to be compared, lower case. addresses: as iPAddress names. fingerprint: SHA-256, lower-case hexadecimal.
    not_before, not_after: seconds since 1970. weak_key, misuse: what is wrong with these, in words; None: nothing.
    unreadable: why it cannot be read; then the rest is empty.
    """

    fingerprint: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    subject: str = ""
    issuer: str = ""
    not_before: float = 0.0
    not_after: float = 0.0
    weak_key: str | None = None
    misuse: str | None = None
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """problem: None is good. It holds from when it was found until then, in seconds since 1970."""

    problem: str | None
    found_at: float
    holds_until: float


_presented: Remembered[bytes, Presented] = Remembered(_KEPT)
_verdicts: Remembered[tuple[bytes, Authority, bool], _Verdict] = Remembered(_KEPT)


def names_match(connector_name: str, certificate_name: str) -> bool:
    """Whether a name in a certificate is one that the connector names. Both lower case.

    `*.contoso.com` in a connector is contoso.com and all below it. In a certificate it stands for one label, so it
    is also the connector's `mail.contoso.com`; but never does it reach further than the connector does.
    """
    if connector_name.startswith("*."):
        base, presented = connector_name[2:], certificate_name.removeprefix("*.")
        return presented == base or presented.endswith(f".{base}")
    if certificate_name.startswith("*."):
        return is_name(certificate_name) and connector_name.partition(".")[2] == certificate_name[2:]
    return connector_name == certificate_name


def is_name(name: str) -> bool:
    """Whether a lower-case name can be compared. A wildcard over a whole top-level domain is nobody's name."""
    return _NAME.fullmatch(name) is not None and ("*" not in name or name.count(".") > 1)


def read(certificate: PeerCertificate) -> Presented:
    """Return what the leaf says. Never raises."""
    presented = _presented.get(certificate.digest)
    if presented is None:
        presented = _read(certificate.leaf_der)
        _presented.keep(certificate.digest, presented)
    return presented


def problem_of_pinned(certificate: PeerCertificate, at: float) -> str | None:
    """Say what is wrong with a certificate that a connector names by its fingerprint; None: nothing."""
    presented = read(certificate)
    return presented.unreadable or _problem_of_time(presented, at) or presented.weak_key


def problem_under(
    certificate: PeerCertificate, authority: Authority, at: float, *, is_server: bool = False
) -> str | None:
    """Say what is wrong with a certificate that this authority must have issued; None: nothing.

    is_server: whose certificate it is; a client's may be meant for either side.
    """
    key = (certificate.digest, authority, is_server)
    verdict = _verdicts.get(key)
    if verdict is None or not verdict.found_at <= at <= verdict.holds_until:
        problem, until = _judge(certificate, authority, at, is_server)
        verdict = _Verdict(problem, at, until)
        _verdicts.keep(key, verdict)
    return verdict.problem


def _judge(certificate: PeerCertificate, authority: Authority, at: float, is_server: bool) -> tuple[str | None, float]:
    """Return what is wrong, and until when that holds."""
    presented = read(certificate)
    problem = (
        presented.unreadable
        or authority.trouble
        or _problem_of_time(presented, at)
        or presented.weak_key
        or presented.misuse
    )
    if problem is not None:
        return problem, at + _FAILURE_SECONDS
    found = build(certificate, authority, at)
    if not isinstance(found, Chain):
        return found, at + _FAILURE_SECONDS
    for depth, der in enumerate(found.below_anchor_der):
        if problem := _weakness_in_chain(der, is_server):
            return problem if depth == 0 else f"its issuer's certificate: {problem}", at + _FAILURE_SECONDS
    return None, min(found.holds_until, presented.not_after)


def _weakness_in_chain(der: bytes, is_server: bool) -> str | None:
    """What is wrong with a certificate below the anchor, which is trusted as it is."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        algorithm = certificate.signature_hash_algorithm
        if algorithm is not None and algorithm.name in _WEAK_HASHES:
            return f"it is signed by {algorithm.name.upper()}, which can be forged"
        return _weak_key(certificate) or _misuse(certificate, is_server=is_server)
    except UNREADABLE as error:
        return f"it cannot be read: {error}"


def _read(leaf_der: bytes) -> Presented:
    fingerprint = hashlib.sha256(leaf_der).hexdigest()
    try:
        leaf = x509.load_der_x509_certificate(leaf_der)
        names = _names(leaf)
        if len(names) > NAMES_MAX:
            return Presented(fingerprint, unreadable=f"it has {len(names)} names, more than {NAMES_MAX}")
        return Presented(
            fingerprint,
            names=names,
            addresses=_addresses(leaf),
            subject=shown_name(leaf.subject),
            issuer=shown_name(leaf.issuer),
            not_before=leaf.not_valid_before_utc.timestamp(),
            not_after=leaf.not_valid_after_utc.timestamp(),
            weak_key=_weak_key(leaf),
            misuse=_misuse(leaf),
        )
    except UNREADABLE as error:
        return Presented(fingerprint, unreadable=f"it cannot be read: {error}")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """Names that can be compared; what else may stand there (addresses, spaces, NUL) is no host's name.

    A person's certificate has the mailbox as its alternative name, and beside it a common name of the person's choice.
    """
    try:
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternative.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    # Lower case of the Kelvin sign is an ASCII k: what is not ASCII goes before.
    return tuple(dict.fromkeys(lower for name in names if name.isascii() and is_name(lower := name.lower())))


def _addresses(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(address) for address in alternative.get_values_for_type(x509.IPAddress)[:NAMES_MAX])


def _weak_key(certificate: x509.Certificate) -> str | None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        least = _RSA_BITS_MIN
    elif isinstance(key, ec.EllipticCurvePublicKey):
        least = _EC_BITS_MIN
    else:
        return None
    return f"its key has {key.key_size} bits, and must have {least}" if key.key_size < least else None


def _misuse(certificate: x509.Certificate, *, is_server: bool = False) -> str | None:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if any(usage in (_FOR_SERVERS if is_server else _FOR_TLS) for usage in usages):
        return None
    shown = ", ".join(usage._name if usage._name != "Unknown OID" else usage.dotted_string for usage in usages)
    return f"its extended key usage is {shown}, and must be {'' if is_server else 'clientAuth or '}serverAuth"


def _problem_of_time(presented: Presented, at: float) -> str | None:
    if at < presented.not_before:
        return f"it is not valid before {day(presented.not_before)}"
    return f"it expired on {day(presented.not_after)}" if at > presented.not_after else None


def day(seconds: float) -> str:
    """ "2026-11-24", in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
