"""Whether the resolver answers, and whether it validates DNSSEC, on which DANE depends."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, Severity
from staffetta.doctor.roads import asks_dnssec

SILENT = Kind(
    "resolver-silent",
    Severity.ERROR,
    "Without the DNS no mail exchanger is found, and mail waits until it is returned.",
    "Name a resolver in dns.servers that answers; one on this machine, such as Unbound, is best.",
)
NOT_VALIDATING = Kind(
    "resolver-not-validating",
    Severity.WARNING,
    "Without DNSSEC there is no DANE: mail to domains that publish it travels as if they did not.",
    'Run a resolver that validates, such as Unbound, on this machine, and write dns.servers = ["127.0.0.1"].',
)
NOT_BELIEVED = Kind(
    "resolver-not-believed",
    Severity.WARNING,
    "It validates DNSSEC, but is not on this machine, so that its word could be forged on the way: there is no DANE.",
    "Run a resolver on this machine; or, on a network that nobody else writes to, set dns.trust_authenticated_data.",
)
KINDS = (SILENT, NOT_VALIDATING, NOT_BELIEVED)


def judge(facts: Facts) -> Iterator[Finding]:
    resolver = facts.online.resolver
    if resolver.trouble is not None:
        yield SILENT.found(resolver.trouble)
    elif not asks_dnssec(facts.settings):
        return
    elif not resolver.is_validating:
        yield NOT_VALIDATING.found("the resolver does not vouch for names that are signed, or lets forged ones pass")
    elif not resolver.is_believed:
        yield NOT_BELIEVED.found("the resolver vouches for signed names from beyond this machine")
