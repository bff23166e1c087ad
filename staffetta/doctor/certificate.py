"""What several checks ask about a certificate that we serve with or show."""

from collections.abc import Iterable

from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from staffetta.doctor.facts import CertificateFacts, Facts
from staffetta.doctor.roads import faces_exchange
from staffetta.policy.certificate import read
from staffetta.policy.chain import Chain, build
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.objects import OWN_TRUST
from staffetta.settings.outbound import find_route
from staffetta.settings.trust import authority

_ANY = Usage.ANY_EXTENDED_KEY_USAGE.dotted_string
_SERVERS, _CLIENTS = Usage.SERVER_AUTH.dotted_string, Usage.CLIENT_AUTH.dotted_string


def label(each: CertificateFacts) -> str:
    """ "the certificate of listener relay"."""
    return f"the certificate of {each.whose}{'s' if len(each.names) > 1 else ''} {', '.join(each.names)}"


def is_public(shown: PeerCertificate, facts: Facts) -> bool:
    """Whether what is sent leads to a public authority; the leaf's own time does not count."""
    return isinstance(build(shown, facts.public, facts.now), Chain)


def is_private(shown: PeerCertificate, facts: Facts) -> bool:
    """Whether it leads to an authority that is not public: one that is known here, or one that is sent with it."""
    names = (OWN_TRUST, *(each.name for each in facts.settings.trusted_authorities))
    known = [found for name in names if (found := authority(name, facts.settings, facts.now)).trouble is None]
    return any(isinstance(build(shown, each, facts.now), Chain) for each in known) or _ends_in_a_root(shown)


def is_for_servers(each: CertificateFacts) -> bool:
    """Whether its extended key usage, where it has one, names servers."""
    return each.usages is None or bool(each.usages & {_SERVERS, _ANY})


def is_for_clients(each: CertificateFacts) -> bool:
    """Whether its extended key usage, where it has one, names clients."""
    return each.usages is None or bool(each.usages & {_CLIENTS, _ANY})


def is_shown_to_exchange(each: CertificateFacts, facts: Facts) -> bool:
    """Whether its route leads there."""
    route = find_route(facts.settings, each.names[0])
    return route is not None and faces_exchange(route)


def some(names: Iterable[str], otherwise: str) -> str:
    """The first few, as a text."""
    return ", ".join([*names][:5]) or otherwise


def _ends_in_a_root(shown: PeerCertificate) -> bool:
    ders = (shown.leaf_der, *shown.chain_der)
    presented = [read(PeerCertificate(der)) for der in ders]
    return any(each.subject == each.issuer and each.subject for each in presented)
