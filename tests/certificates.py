"""Certificates of every making, good and bad, and revocation lists: for tests of who is let in."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC)
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
PFX_PASSWORD = "open sesame"


@dataclass(frozen=True)
class Made:
    """A certificate with its key. chain: what its holder sends besides it, in this order."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def pfx(self) -> bytes:
        encryption = serialization.BestAvailableEncryption(PFX_PASSWORD.encode())
        return pkcs12.serialize_key_and_certificates(b"client", self.key, self.certificate, self.chain, encryption)

    def sending(self, *others: "Made") -> "Made":
        """The same certificate, by a client that sends these with it."""
        return replace(self, chain=tuple(other.certificate for other in others))

    def write(self, folder: Path) -> Path:
        """Write the files of a client, and return the folder.

        certificate.pem: with what is sent besides; chain.pem: that alone; key.pem; client.pfx.
        """
        folder.mkdir()
        if self.chain:
            (folder / "chain.pem").write_bytes(pem(*self.chain))
        (folder / "certificate.pem").write_bytes(pem(self.certificate, *self.chain))
        for name, octets in (("key.pem", self.key_pem), ("client.pfx", self.pfx)):
            (folder / name).touch(mode=0o600)  # the relay does not start with one that others can read
            (folder / name).write_bytes(octets)
        return folder


def make(
    *names: str,
    issuer: Made | None = None,
    common_name: str | None = None,
    alternatives: Iterable[x509.GeneralName] | None = None,
    usages: Sequence[x509.ObjectIdentifier] = (CLIENT,),
    days: tuple[float, float] = (-1, 30),
    is_authority: bool = False,
    path_length: int | None = None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Made:
    """Make a certificate; without an issuer it is self-signed.

    names: SAN dNSNames. alternatives: SAN of any types instead of them. common_name: the first name where not given.
    usages: of the extended key usage; none leaves it out. days: from when until when, counted from now.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    shown = common_name if common_name is not None else names[0] if names else ""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown[:64])] if shown else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    general = list(alternatives) if alternatives is not None else [x509.DNSName(name) for name in names]
    if general and not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=not shown)
    if usages and not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def authority(name: str, issuer: Made | None = None, **how: object) -> Made:
    """Make a root, or an intermediate authority."""
    return make(common_name=name, issuer=issuer, is_authority=True, days=(-30, 3000), **how)  # type: ignore[arg-type]


def revocation_list(issuer: Made, *revoked: Made, days: tuple[float, float] = (-1, 30)) -> bytes:
    """Return a revocation list as PEM. days: from when until when it is in force."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW + timedelta(days=days[0]))
        .next_update(NOW + timedelta(days=days[1]))
    )
    for made in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(made.certificate.serial_number).revocation_date(NOW)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
