"""A small private certificate authority: certificates, revocation lists and PFX made in memory (RFC 5280).

Rule 1: no files, no clock; time comes in, octets go out.
Rule 2: a root signs its certificates directly, so that a client needs nothing but its own certificate.
Rule 3: names come in as DNS names, lower-case A-labels; whoever calls has checked them.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ROOT_DAYS = 3650
_BACKDATED = datetime.timedelta(hours=1)  # a device whose clock is slow finds its new certificate valid all the same
_COMMON_NAME_MAX = 64  # RFC 5280 appendix A: ub-common-name
_RSA_BITS = 2048
_PFX_ROUNDS = 100_000  # the password is stretched once, when the file is imported
_PFX_LEGACY_ROUNDS = 2000  # as Windows itself writes them


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Key

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> Self:
        """Read both. certificate_pem: the first one counts. Raises ValueError where they do not belong together."""
        certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("the private key is neither RSA nor ECDSA")
        if key.public_key() != certificate.public_key():
            raise ValueError("the private key is another certificate's")
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """PKCS #8, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def new_key(*, is_rsa: bool = False) -> Key:
    """Make a private key: P-256, or RSA for a device that knows nothing else."""
    if is_rsa:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def make_root(common_name: str, now: datetime.datetime) -> Credential:
    """Make a root that may sign leaves and no further authority, valid for ten years. now: aware."""
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_MAX])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _begun(name, name, key, now, ROOT_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Credential(certificate, key)


def issue(root: Credential, names: Sequence[str], key: Key, now: datetime.datetime, days: int) -> Credential:
    """Sign a certificate for both sides of TLS: a client's to show, a listener's to serve with.

    names: at least one, the first of them shown as the subject; all of them become SAN dNSNames. now: aware.
    """
    # RFC 5280 §4.2.1.6: a name too long for the subject stands in the SAN alone, which is critical then.
    is_short = len(names[0]) <= _COMMON_NAME_MAX
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if is_short else [])
    root_identifier = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _begun(subject, root.certificate.subject, key, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(enciphers_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=not is_short)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_identifier), critical=False)
        .sign(root.key, hashes.SHA256())
    )
    return Credential(certificate, key)


def revocation_list(
    root: Credential, revoked: Sequence[tuple[int, datetime.datetime]], now: datetime.datetime, number: int
) -> bytes:
    """Return a revocation list as PEM (RFC 5280 §5). revoked: serial numbers and since when. number: grows with each.

    It is read where it is written, so that no age makes it doubtful: it holds until the root itself ends.
    """
    identifier = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(now - _BACKDATED)
        .next_update(root.certificate.not_valid_after_utc)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial, since in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        )
    return builder.sign(root.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def to_pfx(credential: Credential, root: x509.Certificate, name: str, password: str, *, is_legacy: bool) -> bytes:
    """Return certificate, key and root as PFX (PKCS #12, RFC 7292). name: shown by Windows as the friendly name.

    AES-256 with SHA-256, which Windows reads since 10 1709 and Server 2019; legacy: 3DES with SHA-1, which all do.
    """
    builder = serialization.PrivateFormat.PKCS12.encryption_builder()
    if is_legacy:
        builder = builder.kdf_rounds(_PFX_LEGACY_ROUNDS).hmac_hash(hashes.SHA1())
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    else:
        builder = builder.kdf_rounds(_PFX_ROUNDS).hmac_hash(hashes.SHA256())
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    return pkcs12.serialize_key_and_certificates(
        name.encode(), credential.key, credential.certificate, [root], builder.build(password.encode())
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    """RFC 5280 §4.2.1.3."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        key_encipherment=enciphers_keys,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
