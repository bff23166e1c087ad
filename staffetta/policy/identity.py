"""Is a session whom a connector names: by account, by certificate, by address; every kind that is named must hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from staffetta.policy import certificate as certificates
from staffetta.policy.certificate import Presented, names_match
from staffetta.policy.decision import AssumedCertificate, IPAddress, SessionFacts
from staffetta.policy.index import (
    Roster,
    certificate_names,
    fingerprints,
    index_of,
    names_certificates,
)
from staffetta.settings import trust
from staffetta.settings.model import Settings
from staffetta.settings.objects import ANY_ACCOUNT, Account, InboundConnector

NAMES_SHOWN = 10


class Condition(StrEnum):
    """What a session must meet to match a connector, in the order of looking; the name of what failed first."""

    SWITCHED_ON = "switched on"
    ON_PREMISES = "type OnPremises"
    ORGANIZATION = "organization"
    NAMES_SOMEBODY = "names somebody"
    ACCOUNT = "account"
    NOT_LOGGED_IN = "not logged in"
    CERTIFICATE_PRESENTED = "certificate presented"
    CERTIFICATE_NAME = "certificate name"
    CERTIFICATE_TRUST = "certificate trust"
    ADDRESS = "address"
    SENDER_DOMAIN = "sender domain"
    ASSOCIATED_DOMAIN = "associated accepted domain"


@dataclass(frozen=True, slots=True)
class Failed:
    """The first condition that failed, and how: words that follow the connector's name."""

    condition: Condition
    words: str


def presented(facts: SessionFacts) -> Presented | None:
    """Return what the client's certificate says; None: it sent none."""
    sent = facts.tls.peer_certificate if facts.tls is not None else None
    if sent is None:
        return None
    if isinstance(sent, AssumedCertificate):
        return Presented("", (sent.name,), subject=f"CN={sent.name}")
    return certificates.read(sent)


def shown_names(shown: Presented) -> str:
    """ "mail.contoso.com, *.contoso.com"."""
    more = [f"and {len(shown.names) - NAMES_SHOWN} more"] if len(shown.names) > NAMES_SHOWN else []
    return ", ".join([*shown.names[:NAMES_SHOWN], *more])


def identified(
    roster: Roster, facts: SessionFacts, account: Account | None, settings: Settings, at: float
) -> Iterator[InboundConnector]:
    """Yield the connectors of a roster that name this session, the strongest kind and the closest first."""
    if account is not None:
        for name in (account.user_name.lower(), ANY_ACCOUNT):
            for connector in roster.by_account.get(name, ()):
                if not (
                    certificate_failed(connector, facts, settings, at)
                    or address_failed(connector, facts.peer, settings)
                ):
                    yield connector
        return
    if facts.tls is not None and facts.tls.peer_certificate is not None:
        yield from identified_by_certificate(roster, facts, settings, at)
    yield from roster.by_address.naming(facts.peer)


def identified_by_certificate(
    roster: Roster, facts: SessionFacts, settings: Settings, at: float
) -> Iterator[InboundConnector]:
    """Yield those that name the session's certificate and take it, the closest first."""
    shown = presented(facts)
    if shown is not None:
        for connector in roster.by_certificate.naming(shown):  # its names are not compared again: there may be many
            if not (
                _trust_failed(connector, shown, facts, settings, at) or address_failed(connector, facts.peer, settings)
            ):
                yield connector


def identity_failed(
    connector: InboundConnector, facts: SessionFacts, account: Account | None, settings: Settings, at: float
) -> Failed | None:
    """Say which kind of identity failed first; None: the session is whom the connector names."""
    has_addresses, has_certificates = bool(connector.sender_ip_addresses), names_certificates(connector)
    if connector.sender_accounts:
        if failed := _account_failed(connector, facts, account):
            return failed
    elif not has_addresses and not has_certificates:
        return Failed(Condition.NAMES_SOMEBODY, "it names no account, no certificate and no address")
    elif account is not None:
        return Failed(
            Condition.NOT_LOGGED_IN,
            f"it is for clients that do not log in, and this one did, as {account.user_name}",
        )
    return certificate_failed(connector, facts, settings, at) or address_failed(connector, facts.peer, settings)


def certificate_failed(
    connector: InboundConnector, facts: SessionFacts, settings: Settings, at: float
) -> Failed | None:
    """Say how the certificate failed; None: the connector takes it, or asks for none."""
    if not names_certificates(connector):
        return None
    shown = presented(facts)
    wanted = " or ".join(certificate_names(connector)) or "of its list, by fingerprint"
    if shown is None:
        how = "without TLS, so without a certificate" if facts.tls is None else "without a client certificate"
        return Failed(Condition.CERTIFICATE_PRESENTED, f"it needs a certificate {wanted}, and the client came {how}")
    if not _is_named(connector, shown):
        names = f"names are {shown_names(shown)}" if shown.names else "names are none that can be compared"
        seen = shown.unreadable or f"the presented one's {names}"
        return Failed(Condition.CERTIFICATE_NAME, f"it needs a certificate {wanted}; {seen}")
    return _trust_failed(connector, shown, facts, settings, at)


def _trust_failed(
    connector: InboundConnector, shown: Presented, facts: SessionFacts, settings: Settings, at: float
) -> Failed | None:
    """Say what is wrong with a certificate that the connector names; None: nothing."""
    assert facts.tls is not None
    sent = facts.tls.peer_certificate
    if sent is None or isinstance(sent, AssumedCertificate):
        return None
    if shown.fingerprint in fingerprints(connector):
        problem = certificates.problem_of_pinned(sent, at)
    else:
        problem = certificates.problem_under(sent, trust.authority(connector.trusted_authority, settings, at), at)
    return Failed(Condition.CERTIFICATE_TRUST, f"its certificate is not taken: {problem}") if problem else None


def address_failed(connector: InboundConnector, peer: IPAddress, settings: Settings) -> Failed | None:
    """Say how the address failed; None: the connector names it, or names none."""
    if not connector.sender_ip_addresses or index_of(settings).addresses_of[connector.name].holds(peer):
        return None
    return Failed(Condition.ADDRESS, f"its addresses do not hold {peer}")


def matched_names(connector: InboundConnector, shown: Presented) -> tuple[str, ...]:
    """Return the certificate's names that the connector names; all of them where it names its fingerprint."""
    if shown.fingerprint in fingerprints(connector):
        return shown.names
    wanted = certificate_names(connector)
    return tuple(name for name in shown.names if any(names_match(each, name) for each in wanted))


def _is_named(connector: InboundConnector, shown: Presented) -> bool:
    """Whether the connector names this certificate, whatever it is worth."""
    wanted = certificate_names(connector)
    return shown.fingerprint in fingerprints(connector) or any(
        names_match(each, name) for name in shown.names for each in wanted
    )


def _account_failed(connector: InboundConnector, facts: SessionFacts, account: Account | None) -> Failed | None:
    if facts.account is None:
        return Failed(Condition.ACCOUNT, "it is for clients that log in, and this one did not")
    if account is None:
        return Failed(Condition.ACCOUNT, f"{facts.account} is no account that is on, or one of another organisation")
    names = {name.lower() for name in connector.sender_accounts}
    if ANY_ACCOUNT in names or account.user_name.lower() in names:
        return None
    return Failed(Condition.ACCOUNT, f"its accounts do not hold {account.user_name}")
