"""Certificates for tests, of every making: an authority, what it issues, and a list of what it took back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from staffetta.policy.decision import PeerCertificate

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
DAY = timedelta(days=1)
CLIENT, SERVER, CODE = (
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@lru_cache(maxsize=1)
def weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


@dataclass
class Made:
    """A certificate with its key, and who issued it up to the root (the root itself not among `others`)."""

    certificate: x509.Certificate
    key: Key
    others: tuple[x509.Certificate, ...] = ()
    revoked: list[int] = field(default_factory=list)

    @classmethod
    def root(cls, name: str = "Root", **how: object) -> Self:
        return make(name, is_authority=True, **how)  # type: ignore[arg-type,return-value]

    def issue(self, *names: str, **how: object) -> "Made":
        return make(names[0], issuer=self, names=names, **how)  # type: ignore[arg-type]

    def authority(self, name: str = "Issuing", **how: object) -> "Made":
        return make(name, issuer=self, is_authority=True, **how)  # type: ignore[arg-type]

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def sent(self, *, with_chain: bool = True) -> PeerCertificate:
        """As a client presents it."""
        chain = self.others if with_chain else ()
        return PeerCertificate(self.der, tuple(each.public_bytes(Encoding.DER) for each in chain))

    def revoke(self, made: "Made") -> None:
        self.revoked.append(made.certificate.serial_number)

    def revocation_list(self, until: datetime = NOW + DAY) -> bytes:
        """PEM of the list of what this authority took back."""
        listing = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW - 10 * DAY)
            .next_update(until)
        )
        for serial in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
            listing = listing.add_revoked_certificate(entry)
        return listing.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def make(
    common_name: str,
    *,
    issuer: Made | None = None,
    names: Sequence[str] = (),
    usages: Sequence[ObjectIdentifier] = (),
    since: datetime = NOW - 100 * DAY,
    until: datetime = NOW + 100 * DAY,
    is_authority: bool = False,
    has_alternative_names: bool = True,
    key: Key | None = None,
) -> Made:
    """Make a certificate; self-signed where no issuer is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names and has_alternative_names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    is_issuer_root = issuer is None or issuer.certificate.issuer == issuer.certificate.subject
    others = () if issuer is None or is_issuer_root else (issuer.certificate, *issuer.others)
    return Made(certificate, key, others)


def written(path: Path, *pieces: bytes) -> Path:
    """A file of these pieces of PEM."""
    path.write_bytes(b"".join(pieces))
    return path
