"""The certificates that we serve with and show, as the other side gets them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from staffetta.doctor.facts import CertificateFacts, Whose
from staffetta.doctor.roads import roads
from staffetta.net.client_tls import ClientContext, read_identity
from staffetta.net.tls import ServerContext
from staffetta.policy.chain import UNREADABLE
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.acme import acme_certificate
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.roads import Route
from staffetta.settings.secrets import SecretUnavailable, read_secret


def certificates(settings: Settings) -> tuple[CertificateFacts, ...]:
    """Read them all. A listener without one has that of the relay's own making, which may not be there yet."""
    return (*_served(settings), *(_shown(route, route.client_certificate) for route in _showing(settings)))


def _showing(settings: Settings) -> Iterator[Route]:
    return (route for route in roads(settings) if route.client_certificate is not None)


def _served(settings: Settings) -> Iterator[CertificateFacts]:
    """Listeners of one kind that share their files share what is said of these."""
    own = (settings.data_dir / "tls" / "self-signed.pem", acme_certificate(settings.data_dir))
    sharing: dict[tuple[ListenerKind, Path, Path], list[str]] = {}
    for listener in settings.listeners:
        certificate = listener.certificate or own[0]
        if certificate not in own or certificate.exists():
            key = listener.private_key or certificate
            sharing.setdefault((listener.kind, certificate, key), []).append(listener.name)
    for (_, certificate, key), names in sharing.items():
        yield _of_listeners(tuple(names), certificate, key, is_own_making=certificate in own)


def _of_listeners(names: tuple[str, ...], certificate: Path, key: Path, *, is_own_making: bool) -> CertificateFacts:
    made = CertificateFacts(Whose.LISTENER, names, certificate, is_own_making=is_own_making)
    try:
        pem = certificate.read_bytes()
        ServerContext.load(pem, key.read_bytes())
        leaf, *others = x509.load_pem_x509_certificates(pem)
    except OSError as error:
        return replace(made, trouble=f"{error.filename}: {error.strerror}")
    except ValueError as error:
        return replace(made, trouble=str(error))
    return _facts(made, leaf, others)


def _shown(route: Route, certificate: Path | None) -> CertificateFacts:
    assert certificate is not None
    made = CertificateFacts(Whose.ROUTE, (route.name,), certificate)
    password = route.client_certificate_password
    try:
        identity = read_identity(
            certificate.read_bytes(),
            route.client_key.read_bytes() if route.client_key is not None else None,
            read_secret(password) if password is not None else None,
        )
        ClientContext.make(identity=identity)
    except OSError as error:
        return replace(made, trouble=f"{error.filename}: {error.strerror}")
    except (ValueError, SecretUnavailable) as error:
        return replace(made, trouble=str(error))
    return _facts(made, identity.certificate, identity.chain)


def _facts(made: CertificateFacts, leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> CertificateFacts:
    chain = tuple(each.public_bytes(serialization.Encoding.DER) for each in others)
    shown = PeerCertificate(leaf.public_bytes(serialization.Encoding.DER), chain)
    return replace(made, shown=shown, usages=_usages(leaf))


def _usages(leaf: x509.Certificate) -> frozenset[str] | None:
    try:
        found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *UNREADABLE):  # what cannot be read is told where the leaf is judged
        return None
    return frozenset(usage.dotted_string for usage in found)
