"""Does a chain lead from a client's certificate to an authority: OpenSSL's path building, and its words in ours.

Rule 1: who is out of its time takes no part in the building, so that a renewed authority beside its old self works.
    A store cannot be given a second time (OpenSSL keeps its first), so OpenSSL is told not to look at the clock.
Rule 2: where revocation lists are configured, the leaf's issuer must have one in force; an authority between may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from OpenSSL import crypto

from staffetta.policy.decision import PeerCertificate
from staffetta.settings.trust import Authority

SENT_MAX = 10  # certificates that a client may send besides its own
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What reading a certificate of any making raises: DuplicateExtension and its like derive from Exception alone."""

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which pyOpenSSL does not name
_SHOWN_CHARACTERS_MAX = 200
# X509_V_ERR_… of OpenSSL's x509_vfy.h
_NO_ISSUER = (2, 20, 21)
_NO_LIST = 3
_SELF_SIGNED = 18
_ANOTHER_ROOT = 19
_REVOKED = 23
_NOT_AN_AUTHORITY = (24, 79)


@dataclass(frozen=True, slots=True)
class Chain:
    """below_anchor_der: the leaf and who issued it, up to the trusted one, which is left out.

    holds_until: when the first of them, or a revocation list, ends; seconds since 1970.
    """

    below_anchor_der: tuple[bytes, ...]
    holds_until: float


@dataclass(frozen=True, slots=True)
class _Case:
    """sent: what came besides the leaf. anchors, lists: numbers of the authority's that are in their time."""

    authority: Authority
    sent: tuple[x509.Certificate, ...]
    anchors: tuple[int, ...]
    lists: tuple[int, ...]
    now: datetime


def build(certificate: PeerCertificate, authority: Authority, at: float) -> Chain | str:
    """Return the chain, or what is wrong with it, in words. The leaf's own time is not looked at."""
    if len(certificate.chain_der) > SENT_MAX:
        return f"{len(certificate.chain_der)} certificates were sent with it, more than {SENT_MAX}"
    now = datetime.fromtimestamp(at, UTC)
    try:
        leaf = x509.load_der_x509_certificate(certificate.leaf_der)
        case = _Case(
            authority,
            tuple(x509.load_der_x509_certificate(der) for der in certificate.chain_der),
            tuple(number for number, each in enumerate(authority.certificates) if _is_in_time(each, now)),
            tuple(number for number, each in enumerate(authority.revocation_lists or ()) if _is_in_force(each, now)),
            now,
        )
        return _built(leaf, case)
    except (*UNREADABLE, crypto.Error) as error:
        return f"what was sent with it cannot be read: {error}"


def _built(leaf: x509.Certificate, case: _Case) -> Chain | str:
    try:
        chain = _verified(leaf, case, are_lists_asked=False)
        if case.authority.revocation_lists is not None:
            listed = {case.authority.revocation_lists[number].issuer for number in case.lists}
            for depth, each in enumerate(chain[:-1]):
                if depth == 0 or each.issuer in listed:
                    _verified(each, case, are_lists_asked=True)
    except crypto.X509StoreContextError as error:
        return _in_words(error, leaf, case)
    ends = [each.not_valid_after_utc for each in chain]
    ends += [end for each in case.authority.revocation_lists or () if (end := each.next_update_utc) and end > case.now]
    return Chain(
        tuple(each.public_bytes(serialization.Encoding.DER) for each in chain[:-1]),
        min(end.timestamp() for end in ends),
    )


def _verified(leaf: x509.Certificate, case: _Case, *, are_lists_asked: bool) -> Sequence[x509.Certificate]:
    """Return the whole chain, trusted end included. Raises crypto.X509StoreContextError."""
    store = _store(case.authority, case.anchors, case.lists if are_lists_asked else None)
    sent = [crypto.X509.from_cryptography(each) for each in case.sent if _is_in_time(each, case.now)]
    context = crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf), sent)
    return [each.to_cryptography() for each in context.get_verified_chain()]


@lru_cache(maxsize=32)
def _store(authority: Authority, anchors: tuple[int, ...], lists: tuple[int, ...] | None) -> crypto.X509Store:
    store = crypto.X509Store()
    flags = (
        _NO_CHECK_TIME | crypto.X509StoreFlags.PARTIAL_CHAIN
    )  # an authority named without its root is meant as it is
    for number in anchors:
        store.add_cert(crypto.X509.from_cryptography(authority.certificates[number]))
    if lists is not None:
        flags |= crypto.X509StoreFlags.CRL_CHECK
        for number in lists:
            store.add_crl((authority.revocation_lists or ())[number])
    store.set_flags(flags)
    return store


def _is_in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _is_in_force(listing: x509.CertificateRevocationList, now: datetime) -> bool:
    return listing.last_update_utc <= now and (listing.next_update_utc is None or now <= listing.next_update_utc)


def _in_words(error: crypto.X509StoreContextError, leaf: x509.Certificate, case: _Case) -> str:
    code, _, message = error.errors
    at_fault = error.certificate.to_cryptography()
    is_leaf = at_fault == leaf
    name, issuer, subject = case.authority.name, shown_name(at_fault.issuer), shown_name(at_fault.subject)
    its_issuer = f"its issuer {issuer}" if is_leaf else f"the issuer {issuer} of {subject}"
    if code in _NO_ISSUER:
        for each in (*case.sent, *case.authority.certificates):
            if each.subject == at_fault.issuer and not _is_in_time(each, case.now):
                return f"{its_issuer} is out of its time, {_period(each)}"
        return f"{its_issuer} was not sent, and is not known to authority {name!r}"
    if code == _NO_LIST:
        return f"{its_issuer} has no revocation list in force with authority {name!r}; get a new one"
    if code == _SELF_SIGNED:
        return f"it is self-signed, and not one of authority {name!r}"
    if code == _ANOTHER_ROOT:
        return f"it leads to {subject}, which is not one of authority {name!r}"
    if code == _REVOKED:
        return "it is revoked" if is_leaf else f"its issuer {subject} is revoked"
    if code in _NOT_AN_AUTHORITY:
        return f"it was issued by {subject}, which is no certificate authority"
    return message if is_leaf else f"{subject}: {message}"


def _period(certificate: x509.Certificate) -> str:
    return f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"


def shown_name(name: x509.Name) -> str:
    """A subject or issuer as it can be shown; whoever made the certificate chose it."""
    text = name.rfc4514_string()[:_SHOWN_CHARACTERS_MAX]
    return "".join(character if character.isprintable() else "?" for character in text) or "(no name)"
