"""Routes to a connector of Exchange Online: who it takes us for, and whose endpoint it is.

Exchange relays to the outside where the certificate, or else our address, is a connector's, and the certificate's
domain or the sender's is an accepted domain of the tenant. What it refuses it calls 5.7.64, and says no more.
"""

from collections.abc import Iterator

from staffetta.doctor.certificate import (
    is_for_clients,
    is_for_servers,
    is_private,
    is_public,
    label,
    some,
)
from staffetta.doctor.facts import CertificateFacts, Facts, Whose
from staffetta.doctor.finding import Finding, Kind, Severity
from staffetta.doctor.roads import PROTECTION, faces_exchange, roads
from staffetta.policy.certificate import read
from staffetta.policy.domain import domain_of_certificate
from staffetta.settings.model import Settings
from staffetta.settings.roads import Route, TlsLevel

_INITIAL = "-onmicrosoft-com"

NOT_PUBLIC = Kind(
    "exchange-certificate-not-public",
    Severity.ERROR,
    "Exchange Online knows public authorities alone; it refuses with 5.7.64, as if there were no connector.",
    "Show a certificate of a public authority on route {route}, or let the tenant's connector know you by address.",
)
FOREIGN = Kind(
    "exchange-certificate-not-of-an-accepted-domain",
    Severity.ERROR,
    "A certificate counts where its domain is an accepted domain of the tenant; else it is 5.7.64 … ATTR36.",
    "Show a certificate for a host right below {domain}, or for *.{domain}; or make its domain an accepted one, here "
    "and in the tenant.",
)
SERVER_ONLY = Kind(
    "exchange-certificate-serverauth-only",
    Severity.NOTICE,
    "Public authorities issue no other since 2026, and nothing is published about whether Exchange Online minds.",
    "Try it with Validate-OutboundConnector or a test mail; if Exchange does not know you by it, let the connector in "
    "the tenant name your address, or send by submission or Graph.",
)
ENDPOINT = Kind(
    "exchange-endpoint-of-another-domain",
    Severity.WARNING,
    "The endpoint of another tenant takes mail for its own domains alone, and refuses to relay with 5.7.64.",
    "Write the endpoint that the tenant shows for {domain}: {endpoint}, or what its page of domains says.",
)
CLEAR = Kind(
    "exchange-certificate-not-shown",
    Severity.WARNING,
    "Without TLS there is no certificate, so that whoever takes STARTTLS away makes Exchange refuse with 5.7.64.",
    'Write tls = "verified" into route {route}.',
)
KINDS = (NOT_PUBLIC, FOREIGN, SERVER_ONLY, ENDPOINT, CLEAR)


def judge(facts: Facts) -> Iterator[Finding]:
    shown = {each.names[0]: each for each in facts.certificates if each.whose is Whose.ROUTE}
    for route in roads(facts.settings):
        if not faces_exchange(route):
            continue
        yield from _endpoints(route, facts.settings)
        certificate = shown.get(route.name)
        if certificate is not None and certificate.shown is not None:
            yield from _certificate(route, certificate, facts)


def _certificate(route: Route, each: CertificateFacts, facts: Facts) -> Iterator[Finding]:
    assert each.shown is not None
    presented = read(each.shown)
    own = [domain.name for domain in facts.settings.accepted_domains]
    if not any(domain_of_certificate(name, facts.settings) for name in presented.names):
        yield FOREIGN.found(
            f"{label(each)} names {some(presented.names, 'no host')}; accepted domains: {some(own, 'none')}",
            domain=own[0] if own else "contoso.com",
        )
    if not is_public(each.shown, facts) and is_private(each.shown, facts):  # else the chain is incomplete
        yield NOT_PUBLIC.found(
            f"{label(each)} was issued by {presented.issuer or 'nobody named'}, which is no public authority",
            route=repr(route.name),
        )
    if not is_for_clients(each) and is_for_servers(each):
        yield SERVER_ONLY.found(f"the extended key usage of {label(each)} has no clientAuth")
    if route.tls in (TlsLevel.NONE, TlsLevel.OPPORTUNISTIC):
        yield CLEAR.found(
            f"route {route.name!r} shows a certificate, and its tls is {route.tls}", route=repr(route.name)
        )


def _endpoints(route: Route, settings: Settings) -> Iterator[Finding]:
    """An organisation's first domain, with dashes for dots, is the label of its endpoint."""
    own = {domain.name.replace(".", "-"): domain.name for domain in settings.accepted_domains}
    for hop in route.next_hops:
        host = hop.host.lower()
        if not host.endswith(PROTECTION):
            continue
        which = host.removesuffix(PROTECTION)
        if own and which not in own and not which.endswith(_INITIAL):
            first, domain = next(iter(own.items()))
            yield ENDPOINT.found(
                f"route {route.name!r} goes to {host}, and no accepted domain is called so",
                domain=domain,
                endpoint=first + PROTECTION,
            )
