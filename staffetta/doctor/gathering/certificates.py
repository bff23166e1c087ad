"""The certificates that we serve with and show, as the other side gets them."""

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from staffetta.doctor.facts import CertificateFacts, Whose
from staffetta.doctor.roads import roads
from staffetta.net.client_tls import ClientContext, read_identity
from staffetta.net.tls import ServerContext
from staffetta.policy.chain import UNREADABLE
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.model import Listener, Settings
from staffetta.settings.roads import Route
from staffetta.settings.secrets import SecretUnavailable, read_secret


def certificates(settings: Settings) -> tuple[CertificateFacts, ...]:
    """Read them all. A listener without one has that of the relay's own making, which may not be there yet."""
    return (*_served(settings), *(_shown(route, route.client_certificate) for route in _showing(settings)))


def _showing(settings: Settings) -> Iterator[Route]:
    return (route for route in roads(settings) if route.client_certificate is not None)


def _served(settings: Settings) -> Iterator[CertificateFacts]:
    own = settings.data_dir / "tls" / "self-signed.pem"
    for listener in settings.listeners:
        if listener.certificate is not None:
            yield _of_listener(listener, listener.certificate, listener.private_key or listener.certificate)
        elif own.exists():
            yield _of_listener(listener, own, own, is_own_making=True)


def _of_listener(listener: Listener, certificate: Path, key: Path, *, is_own_making: bool = False) -> CertificateFacts:
    made = CertificateFacts(Whose.LISTENER, listener.name, certificate, is_own_making=is_own_making)
    try:
        pem = certificate.read_bytes()
        ServerContext.load(pem, key.read_bytes())
        leaf, *others = x509.load_pem_x509_certificates(pem)
    except OSError as error:
        return _useless(made, f"{error.filename}: {error.strerror}")
    except ValueError as error:
        return _useless(made, str(error))
    return _facts(made, leaf, others)


def _shown(route: Route, certificate: Path | None) -> CertificateFacts:
    assert certificate is not None
    made = CertificateFacts(Whose.ROUTE, route.name, certificate)
    password = route.client_certificate_password
    try:
        identity = read_identity(
            certificate.read_bytes(),
            route.client_key.read_bytes() if route.client_key is not None else None,
            read_secret(password) if password is not None else None,
        )
        ClientContext.make(identity=identity)
    except OSError as error:
        return _useless(made, f"{error.filename}: {error.strerror}")
    except (ValueError, SecretUnavailable) as error:
        return _useless(made, str(error))
    return _facts(made, identity.certificate, identity.chain)


def _useless(made: CertificateFacts, trouble: str) -> CertificateFacts:
    return CertificateFacts(made.whose, made.name, made.path, trouble=trouble, is_own_making=made.is_own_making)


def _facts(
    made: CertificateFacts, leaf: x509.Certificate, others: list[x509.Certificate] | tuple[x509.Certificate, ...]
) -> CertificateFacts:
    chain = tuple(each.public_bytes(serialization.Encoding.DER) for each in others)
    shown = PeerCertificate(leaf.public_bytes(serialization.Encoding.DER), chain)
    return CertificateFacts(made.whose, made.name, made.path, shown, _usages(leaf), is_own_making=made.is_own_making)


def _usages(leaf: x509.Certificate) -> frozenset[str] | None:
    try:
        found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *UNREADABLE):  # what cannot be read is told where the leaf is judged
        return None
    return frozenset(usage.dotted_string for usage in found)
