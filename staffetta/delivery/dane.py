"""DANE for SMTP: which TLSA records count, and whether a certificate is what they say (RFC 7672, RFC 7671).

Rule 1: records count only where DNSSEC vouches for the list of exchangers, for the host's addresses and for the
    records; whoever could forge one of them could lead us past the others.
Rule 2: where a lookup fails the host is not used, since whoever can stop an answer would stop the records that way.
Rule 3: DANE-EE (3) is the key itself: neither names nor dates count. DANE-TA (2) is an authority of the host's choice:
    the chain leads to it, and names and dates count. What asks for public trust besides (0, 1) is not usable, and
    neither is what is malformed or of an unknown kind (RFC 7672 §3.1.3).
Rule 4: records that are there and not usable still ask for TLS, with any certificate (RFC 7672 §2.2).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from staffetta.delivery.mx import Exchanger
from staffetta.net.resolver import Resolver, Tlsa
from staffetta.policy.certificate import names_match, problem_under, read
from staffetta.policy.chain import UNREADABLE
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.trust import Authority

_DANE_TA, _DANE_EE = 2, 3
_CERTIFICATE, _PUBLIC_KEY = 0, 1
_WHOLE, _SHA_256, _SHA_512 = 0, 1, 2
_DIGEST_OCTETS = {_SHA_256: 32, _SHA_512: 64}


@dataclass(frozen=True, slots=True)
class TlsaSet:
    """What a host publishes. name: of the records; empty where there are none. base: the host's name that they are of.

    usable: those that count; empty where it publishes none, or none that counts.
    """

    name: str = ""
    base: str = ""
    usable: tuple[Tlsa, ...] = ()

    @property
    def is_published(self) -> bool:
        return bool(self.name)


async def published_by(exchanger: Exchanger, port: int, resolver: Resolver) -> TlsaSet:
    """Return the records of a host whose addresses DNSSEC vouches for. Raises LookupFailed: do not use it then.

    Of an alias, those of the name at its end come first (RFC 7672 §2.2.2).
    """
    for base in dict.fromkeys((exchanger.canonical, exchanger.host)):
        name = f"_{port}._tcp.{base}"
        answer = await resolver.tlsa(name)
        if answer.records and answer.is_authenticated:
            return TlsaSet(name, base, usable(answer.records))
    return TlsaSet()


def usable(records: Sequence[Tlsa]) -> tuple[Tlsa, ...]:
    """Return the records that count: of kinds that we know, and of several digests the strongest (RFC 7671 §9)."""
    known = [record for record in records if _is_usable(record)]
    strong = {(record.usage, record.selector) for record in known if record.matching == _SHA_512}
    return tuple(
        sorted(
            (r for r in known if r.matching != _SHA_256 or (r.usage, r.selector) not in strong),
            key=lambda r: (r.usage, r.selector, r.matching, r.data),  # so that equal sets are equal hops
        )
    )


def problem_with(shown: PeerCertificate, records: Sequence[Tlsa], names: Sequence[str], at: float) -> str | None:
    """Say why a certificate is none that the records ask for; None: it is one.

    names: of the host, of which DANE-TA asks one. at: seconds since 1970.
    """
    try:
        chain = [x509.load_der_x509_certificate(der) for der in (shown.leaf_der, *shown.chain_der)]
    except UNREADABLE as error:
        return f"its certificate cannot be read: {error}"
    if any(_matches(record, chain[0]) for record in records if record.usage == _DANE_EE):
        return None
    anchors = _anchors(records, chain[1:])
    if anchors:
        return problem_under(shown, _authority(anchors), at, is_server=True) or _problem_of_name(shown, names)
    told = ", ".join(map(str, records))
    return f"its certificate with the fingerprint {read(shown).fingerprint} is none that its TLSA records name ({told})"


def _is_usable(record: Tlsa) -> bool:
    if record.usage not in (_DANE_TA, _DANE_EE) or record.selector not in (_CERTIFICATE, _PUBLIC_KEY):
        return False
    if record.matching == _WHOLE:
        return _is_readable(record)
    return len(record.data) == _DIGEST_OCTETS.get(record.matching, -1)


def _is_readable(record: Tlsa) -> bool:
    try:
        if record.selector == _CERTIFICATE:
            x509.load_der_x509_certificate(record.data)
        else:
            serialization.load_der_public_key(record.data)
    except UNREADABLE:
        return False
    return True


def _matches(record: Tlsa, certificate: x509.Certificate) -> bool:
    if record.selector == _CERTIFICATE:
        octets = certificate.public_bytes(serialization.Encoding.DER)
    else:
        octets = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    if record.matching == _SHA_256:
        octets = hashlib.sha256(octets).digest()
    elif record.matching == _SHA_512:
        octets = hashlib.sha512(octets).digest()
    return octets == record.data


def _anchors(records: Sequence[Tlsa], sent: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    """The authorities that the records name: among what was sent, or whole in a record."""
    of_authorities = [record for record in records if record.usage == _DANE_TA]
    named = [each for each in sent if any(_matches(record, each) for record in of_authorities)]
    whole = [r.data for r in of_authorities if r.selector == _CERTIFICATE and r.matching == _WHOLE]
    return tuple(dict.fromkeys([each.public_bytes(serialization.Encoding.DER) for each in named] + whole))


@lru_cache(maxsize=256)
def _authority(anchors: tuple[bytes, ...]) -> Authority:
    """One object for equal anchors: verdicts are remembered by it."""
    return Authority("its TLSA records", tuple(x509.load_der_x509_certificate(der) for der in anchors))


def _problem_of_name(shown: PeerCertificate, names: Sequence[str]) -> str | None:
    found = read(shown).names
    if any(names_match(name, each) for name in names for each in found):
        return None
    return f"its certificate names {', '.join(found[:5]) or 'no host'}, and its TLSA records want {' or '.join(names)}"
