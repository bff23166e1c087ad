"""Certificates that we serve with: usable, in their time, strong, for servers, with their chain, and with our name.

What routes show is judged here as far as every next hop wants it; what Exchange wants besides, in exchange.py.
"""

from collections.abc import Iterator

from staffetta.doctor.certificate import (
    is_for_clients,
    is_for_servers,
    is_private,
    is_public,
    is_shown_to_exchange,
    label,
    some,
)
from staffetta.doctor.facts import CertificateFacts, Facts, Whose
from staffetta.doctor.finding import Finding, Kind, Severity
from staffetta.policy.certificate import Presented, day, names_match, problem_under, read
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.objects import PUBLIC_TRUST
from staffetta.settings.trust import authority

SOON_DAYS = 14
_DAY_SECONDS = 86_400

UNUSABLE = Kind(
    "certificate-unusable",
    Severity.ERROR,
    "The relay does not start with it, or the route defers all its mail.",
    "Write the right files into {keys}: the certificate with its chain, and the private key that belongs to it.",
)
EXPIRED = Kind(
    "certificate-expired",
    Severity.ERROR,
    "Who checks it refuses the session; Exchange Online no longer matches the connector and refuses to relay.",
    "Renew it, and write the new one to {path}.",
)
NOT_YET = Kind(
    "certificate-not-yet-valid",
    Severity.ERROR,
    "Who checks it refuses the session until then.",
    "Look at this machine's clock; if it is right, put the former certificate back into {path} until then.",
)
ENDS_SOON = Kind(
    "certificate-ends-soon",
    Severity.WARNING,
    "When it ends, mail stops; renewal by itself happens earlier than this, so it seems to have failed.",
    "Renew it now, and look why that did not happen by itself.",
)
WEAK = Kind(
    "certificate-weak",
    Severity.ERROR,
    "Such a key or signature can be forged, and the other side refuses it.",
    "Get a certificate with a key of 2048 bits (RSA) or 256 (elliptic curve), signed with SHA-256.",
)
NOT_FOR_SERVERS = Kind(
    "certificate-not-for-servers",
    Severity.ERROR,
    "A client that checks refuses a server whose certificate is for something else.",
    "Get one whose extended key usage has serverAuth.",
)
NOT_FOR_CLIENTS = Kind(
    "certificate-not-for-clients",
    Severity.WARNING,
    "A server that checks as OpenSSL does by default refuses a client with it during the handshake.",
    "Ask the far side whether it takes serverAuth; if not, get one with clientAuth (of the far side's own authority: "
    "public ones no longer issue it), or let it know you by address or login.",
)
NOT_FOR_TLS = Kind(
    "certificate-not-for-tls",
    Severity.ERROR,
    "Nobody takes it for the certificate of a client.",
    "Get one whose extended key usage has clientAuth or serverAuth.",
)
INCOMPLETE = Kind(
    "certificate-chain-incomplete",
    Severity.ERROR,
    "Nobody looks for what is missing: the other side takes the certificate for one of an unknown authority.",
    "Put the whole chain into {path}: fullchain.pem, not cert.pem.",
)
NOT_PUBLIC = Kind(
    "certificate-not-public",
    Severity.NOTICE,
    "Most relays encrypt with it all the same; clients that check, and domains with MTA-STS, do not.",
    "For the Internet, get a certificate of a public authority; within your network, let the clients trust its issuer.",
)
SUBMISSION_NOT_PUBLIC = Kind(
    "certificate-not-public-for-submission",
    Severity.WARNING,
    "Devices and programs that log in check the certificate, and send no password to one that they do not know.",
    "Get a certificate of a public authority, or issue one with `staffetta ca` and let the clients trust ca.pem.",
)
NAME_MISSING = Kind(
    "certificate-name-missing",
    Severity.WARNING,
    "Clients that check look for the name that they connect to, which is our name in greeting and HELO.",
    "Get a certificate with {hostname} among its names, or set hostname to one that it has.",
)
AUTHORITY_UNUSABLE = Kind(
    "authority-unusable",
    Severity.ERROR,
    "Nobody whose certificate it should vouch for is let in.",
    "Mend that; `staffetta check` says when it is right.",
)
KINDS = (
    UNUSABLE,
    EXPIRED,
    NOT_YET,
    ENDS_SOON,
    WEAK,
    NOT_FOR_SERVERS,
    NOT_FOR_CLIENTS,
    NOT_FOR_TLS,
    INCOMPLETE,
    NOT_PUBLIC,
    SUBMISSION_NOT_PUBLIC,
    NAME_MISSING,
    AUTHORITY_UNUSABLE,
)


def judge(facts: Facts) -> Iterator[Finding]:
    for each in facts.certificates:
        presented = read(each.shown) if each.shown is not None else None
        if each.shown is None or presented is None or presented.unreadable:
            yield _unusable(each, presented)
        else:
            yield from _time(each, presented, facts.now)
            yield from _strength(each, each.shown, presented, facts)
            yield from _usage(each, facts)
            yield from _chain(each, each.shown, presented, facts)
            yield from _name(each, presented, facts.settings)
    for name in _named_authorities(facts.settings):
        if trouble := authority(name, facts.settings, facts.now).trouble:
            yield AUTHORITY_UNUSABLE.found(trouble)


def _unusable(each: CertificateFacts, presented: Presented | None) -> Finding:
    keys = "certificate and private_key" if each.whose is Whose.LISTENER else "client_certificate and client_key"
    why = each.trouble or (presented.unreadable if presented is not None else None)
    return UNUSABLE.found(f"{label(each)}: {why}", keys=keys)


def _time(each: CertificateFacts, presented: Presented, now: float) -> Iterator[Finding]:
    if now > presented.not_after:
        yield EXPIRED.found(f"{label(each)} ended on {day(presented.not_after)}", path=each.path)
    elif now < presented.not_before:
        yield NOT_YET.found(f"{label(each)} begins on {day(presented.not_before)}", path=each.path)
    elif presented.not_after - now < SOON_DAYS * _DAY_SECONDS:
        yield ENDS_SOON.found(f"{label(each)} ends on {day(presented.not_after)}")


def _strength(each: CertificateFacts, shown: PeerCertificate, presented: Presented, facts: Facts) -> Iterator[Finding]:
    problem = presented.weak_key
    if problem is None and presented.not_before <= facts.now <= presented.not_after and is_public(shown, facts):
        # Whoever verifies looks at the signatures of the chain too; all else that it could say is a finding of its own.
        said = problem_under(shown, facts.public, facts.now)
        problem = said if said is not None and ("signed by" in said or "its key has" in said) else None
    if problem is not None:
        yield WEAK.found(f"{label(each)}: {problem}")


def _usage(each: CertificateFacts, facts: Facts) -> Iterator[Finding]:
    if each.whose is Whose.LISTENER:
        if not is_for_servers(each):
            yield NOT_FOR_SERVERS.found(f"the extended key usage of {label(each)} has no serverAuth")
    elif not is_for_clients(each) and not is_for_servers(each):
        yield NOT_FOR_TLS.found(f"the extended key usage of {label(each)} has neither clientAuth nor serverAuth")
    elif not is_for_clients(each) and not is_shown_to_exchange(each, facts):
        yield NOT_FOR_CLIENTS.found(f"the extended key usage of {label(each)} has no clientAuth")


def _chain(each: CertificateFacts, shown: PeerCertificate, presented: Presented, facts: Facts) -> Iterator[Finding]:
    if is_public(shown, facts):
        return
    if each.is_own_making or is_private(shown, facts):
        if each.whose is Whose.LISTENER:  # a next hop may well know a private authority; Exchange does not
            is_self_signed = presented.subject == presented.issuer
            how = "is self-signed" if is_self_signed else f"was issued by {presented.issuer}, no public authority"
            yield _not_public(each, f"{label(each)} {how}", facts.settings)
        return
    yield INCOMPLETE.found(
        f"{label(each)} was issued by {presented.issuer or 'nobody named'}; with the {len(shown.chain_der)} others in "
        "the file it leads to no authority that is known here",
        path=each.path,
    )


def _not_public(each: CertificateFacts, seen: str, settings: Settings) -> Finding:
    kinds = {listener.name: listener.kind for listener in settings.listeners}
    is_submission = kinds.get(each.names[0]) is ListenerKind.SUBMISSION
    return (SUBMISSION_NOT_PUBLIC if is_submission else NOT_PUBLIC).found(seen)


def _name(each: CertificateFacts, presented: Presented, settings: Settings) -> Iterator[Finding]:
    hostname = settings.hostname.lower()
    if each.whose is Whose.LISTENER and not any(names_match(hostname, name) for name in presented.names):
        yield NAME_MISSING.found(f"{label(each)} names {some(presented.names, 'no host')}", hostname=hostname)


def _named_authorities(settings: Settings) -> list[str]:
    """Those that connectors and routes count on, each once."""
    by_connectors = [each.trusted_authority for each in settings.inbound_connectors if each.tls_sender_certificate_name]
    by_routes = [each.trusted_authority for each in settings.routes if each.trusted_authority != PUBLIC_TRUST]
    return list(dict.fromkeys([*by_connectors, *by_routes]))
