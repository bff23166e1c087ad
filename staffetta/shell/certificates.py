"""X509Certificate2: a certificate with its key, out of a PFX file, for a script that sends mail by certificate."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from staffetta.net.client_tls import Identity
from staffetta.shell.credentials import plain
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import NetObject, text

KEY_STORAGE_FLAGS = (
    "DefaultKeySet",
    "UserKeySet",
    "MachineKeySet",
    "Exportable",
    "UserProtected",
    "PersistKeySet",
    "EphemeralKeySet",
)
"""Windows asks where to keep the key; here it is in memory alone, whatever is said."""

_Key = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey


class Certificate(NetObject):
    """A certificate, or an empty one that waits for Import."""

    type_name = "System.Security.Cryptography.X509Certificates.X509Certificate2"
    readable = (
        *("Subject", "Issuer", "Thumbprint", "SerialNumber", "NotBefore", "NotAfter"),
        *("FriendlyName", "HasPrivateKey", "DnsNameList", "Version"),
    )
    methods = ("Import", "Dispose")

    def __init__(self, path: Callable[[str], Path]) -> None:
        """path: turns a script's path into one of ours."""
        self._path = path
        self._key: _Key | None = None
        self._chain: tuple[x509.Certificate, ...] = ()
        self.friendly_name = ""

    @classmethod
    def maker(cls, path: Callable[[str], Path]) -> Callable[..., "Certificate"]:
        """Return its constructor."""

        def make(source: object = None, password: object = None, flags: object = None) -> "Certificate":
            certificate = cls(path)
            if source is not None:
                certificate.import_(source, password, flags)
            return certificate

        return make

    def call(self, name: str, arguments: list[object]) -> object:
        if name.casefold() == "import":
            name = "Import"
            self.import_(*arguments[:3])
            return None
        return super().call(name, arguments)

    def import_(self, source: object = None, password: object = None, flags: object = None) -> None:
        """Take over what is in a file, or in its octets. Raises ShellError.

        source: a PFX, or a certificate alone as PEM or DER.
        """
        for flag in text(flags).split(",") if flags is not None else ():
            if flag.strip().casefold() not in {known.casefold() for known in KEY_STORAGE_FLAGS}:
                raise ShellError(f'"{flag.strip()}" is none of {", ".join(KEY_STORAGE_FLAGS)}')
        if not source or isinstance(source, list):
            raise ShellError(
                "Array may not be empty or null. There is nothing in the PFX: was its file read? Leave out "
                "-ErrorAction SilentlyContinue of Get-Content to see why not."
            )
        octets = source if isinstance(source, bytes) else self._read(text(source))
        self._load(octets, plain(password).encode())

    def _read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except (OSError, ValueError) as error:
            raise ShellError(f"The system cannot find the file specified: {name} ({error})") from error

    def _load(self, octets: bytes, password: bytes) -> None:
        try:
            if octets.startswith(b"-----BEGIN CERTIFICATE"):
                self._key, self._chain = None, tuple(x509.load_pem_x509_certificates(octets))
                return
            self._key, self._chain = None, (x509.load_der_x509_certificate(octets),)
        except ValueError:
            self._load_pfx(octets, password)

    def _load_pfx(self, octets: bytes, password: bytes) -> None:
        for secret in (password,) if password else (b"", None):
            try:
                loaded = pkcs12.load_pkcs12(octets, secret)
                break
            except ValueError:
                continue
        else:
            raise ShellError("The specified network password is not correct, or this is no PFX.")
        if loaded.cert is None:
            raise ShellError("The PFX holds no certificate that belongs to its key.")
        if loaded.key is not None and not isinstance(loaded.key, _Key):
            raise ShellError("The PFX holds a key that cannot sign.")
        self._key = loaded.key
        self._chain = (loaded.cert.certificate, *(each.certificate for each in loaded.additional_certs))
        self.friendly_name = (loaded.cert.friendly_name or b"").decode("utf-8", "replace")

    def dispose(self) -> None:
        self._key, self._chain = None, ()

    @property
    def _leaf(self) -> x509.Certificate:
        if not self._chain:
            raise ShellError("m_safeCertContext is an invalid handle: the certificate is empty; call Import first.")
        return self._chain[0]

    @property
    def subject(self) -> str:
        return self._leaf.subject.rfc4514_string().replace(",", ", ")

    @property
    def issuer(self) -> str:
        return self._leaf.issuer.rfc4514_string().replace(",", ", ")

    @property
    def thumbprint(self) -> str:
        return self._leaf.fingerprint(hashes.SHA1()).hex().upper()  # as Windows shows it; nothing is trusted by it

    @property
    def serial_number(self) -> str:
        digits = f"{self._leaf.serial_number:X}"
        return digits.rjust(len(digits) + len(digits) % 2, "0")

    @property
    def not_before(self) -> datetime:
        return self._leaf.not_valid_before_utc.astimezone()

    @property
    def not_after(self) -> datetime:
        return self._leaf.not_valid_after_utc.astimezone()

    @property
    def has_private_key(self) -> bool:
        return self._key is not None

    @property
    def version(self) -> int:
        return self._leaf.version.value + 1

    @property
    def dns_name_list(self) -> list[object]:
        try:
            names = self._leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        return list(names.get_values_for_type(x509.DNSName))

    def __str__(self) -> str:
        return f"[Subject] {self.subject} [Thumbprint] {self.thumbprint}" if self._chain else self.type_name

    def identity(self) -> Identity:
        """Return it as TLS shows it, with its key and what was sent besides. Raises ShellError."""
        leaf = self._leaf
        if self._key is None:
            raise ShellError(f"The certificate {leaf.subject.rfc4514_string()} has no private key; use the PFX file.")
        if not isinstance(self._key, EllipticCurvePrivateKey | RSAPrivateKey):
            raise ShellError("The certificate's private key is neither RSA nor ECDSA; use one that is.")
        return Identity(leaf, self._key, self._chain[1:])

    def pem(self) -> str:
        """Return it as an operation takes it: chain and, where it is there, the key. Raises ShellError."""
        blocks = [self._leaf.public_bytes(Encoding.PEM), *(each.public_bytes(Encoding.PEM) for each in self._chain[1:])]
        if self._key is not None:
            blocks.append(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return b"".join(blocks).decode()
