"""One order with an ACME authority (RFC 8555), from account to chain. Blocks: run it beside the event loop.

Rule 1: the account's key and the certificate's stand in no log and no error.
Rule 2: proxies of the environment are not used, and the authority's certificate and name are checked.
"""

import contextlib
import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.b64 import b64encode
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from staffetta.enrolling.wanted import NotIssued, Order, Put
from staffetta.settings.acme import Acme, Challenge
from staffetta.settings.secrets import SecretUnavailable, read_secret
from staffetta.settings.whole_files import write_whole

_ORDER_SECONDS = 120.0
_REPLY_SECONDS = 30


def issue(order: Order, put: Put) -> bytes:
    """Order a certificate and return it with its chain and its new key, as PEM. Takes seconds; raises NotIssued."""
    with _told():
        return _issued(order, put)


def suggested_renewal(order: Order, pem: bytes) -> float | None:
    """Return when the authority would have us renew (RFC 9773), in seconds since 1970; None where it does not say."""
    try:
        with _told():
            moment, _ = _client(order, _account_key(order.account)).renewal_time(_leaf(pem))
    except NotIssued:
        return None
    return moment.timestamp() if moment is not None else None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what the library raises into NotIssued."""
    try:
        yield
    except (errors.Error, JoseError, OSError, ValueError, SecretUnavailable) as error:
        raise NotIssued(_words(error)) from None


def _issued(order: Order, put: Put) -> bytes:
    key = _account_key(order.account)
    acme = _client(order, key)
    _sign_in(acme, order, key)
    own_key = ec.generate_private_key(ec.SECP256R1())
    ordered = acme.new_order(_request(order.names, own_key))
    for authorization in ordered.authorizations:
        _prove(acme, authorization.body, key, order.acme.challenge, put)
    # The library compares with the time of this machine's zone.
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=_ORDER_SECONDS)
    chain = str(acme.poll_and_finalize(ordered, deadline).fullchain_pem)
    return chain.encode("ascii") + _pem(own_key)


def _client(order: Order, key: JWKEC) -> client.ClientV2:
    net = client.ClientNetwork(key, alg=ES256, user_agent="Staffetta", timeout=_REPLY_SECONDS)
    net.session.trust_env = False
    net.verify_ssl = _trust(order.acme)
    return client.ClientV2(client.ClientV2.get_directory(order.acme.directory, net), net)


def _trust(acme: Acme) -> Any:
    """A file or folder of authorities: the one declared, else the system's; the library would bring its own."""
    if acme.authority_certificates is not None:
        return str(acme.authority_certificates)
    places = ssl.get_default_verify_paths()
    return places.cafile or places.capath or True


def _sign_in(acme: client.ClientV2, order: Order, key: JWKEC) -> None:
    """Make the account, or find the one that this key has."""
    binding = None
    if order.acme.external_account_id is not None and order.acme.external_account_key is not None:
        secret = read_secret(order.acme.external_account_key)
        public = key.public_key()
        binding = messages.ExternalAccountBinding.from_data(
            public, order.acme.external_account_id, secret, acme.directory
        )
    elif acme.external_account_required():
        raise NotIssued("the authority wants an account of its own first; write external_account_id and its key")
    wanted = messages.NewRegistration.from_data(
        email=",".join(order.acme.contact) or None,
        terms_of_service_agreed=order.acme.terms_agreed,
        external_account_binding=binding,
    )
    try:
        acme.new_account(wanted)
    except errors.ConflictError as known:
        acme.net.account = messages.RegistrationResource(body=messages.Registration(), uri=known.location)


def _prove(acme: client.ClientV2, authorization: messages.Authorization, key: JWKEC, kind: Challenge, put: Put) -> None:
    if authorization.status == messages.STATUS_VALID:
        return
    name = authorization.identifier.value
    for offered in authorization.challenges:
        said = offered.to_partial_json()
        if said.get("type") == kind.value:
            proof = f"{said['token']}.{b64encode(key.thumbprint()).decode('ascii')}"
            put(name, said["token"], proof)
            acme.answer_challenge(offered, challenges.HTTP01Response(key_authorization=proof))
            return
    raise NotIssued(f"the authority does not offer {kind.value} for {name}; write another acme.challenge")


def _request(names: tuple[str, ...], key: ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    extension = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return builder.add_extension(extension, critical=False).sign(key, hashes.SHA256()).public_bytes(_PEM)


_PEM = serialization.Encoding.PEM


def _account_key(path: Path) -> JWKEC:
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        pem = _pem(ec.generate_private_key(ec.SECP256R1()))
        write_whole(path, pem)
    key = JWKEC.load(pem)
    if not isinstance(key, JWKEC):
        raise NotIssued(f"{path} holds another key than we make; put it aside, and another account is made")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _leaf(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificates(pem)[0].public_bytes(_PEM)


def _words(error: BaseException) -> str:
    if isinstance(error, errors.ValidationError):
        return "; ".join(_refusals(error)) or "the authority did not find the name to be ours"
    if isinstance(error, messages.Error):
        return f"the authority refuses: {error.detail or error.description or error.code}"
    if isinstance(error, errors.TimeoutError):
        return f"the authority did not decide within {_ORDER_SECONDS:.0f} seconds"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError):
        return f"the authority cannot be asked: {error}"
    return str(error) or type(error).__name__


def _refusals(error: errors.ValidationError) -> Iterator[str]:
    for failed in error.failed_authzrs:
        for each in failed.body.challenges:
            if each.error is not None:
                yield f"{failed.body.identifier.value}: {each.error.detail or each.error.code}"
