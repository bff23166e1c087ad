"""TLS-RPT of our domains: whether senders are asked to report when TLS fails (RFC 8460)."""

from collections.abc import Iterator

from staffetta.delivery.tls_report import read_rua
from staffetta.doctor.certificate import some
from staffetta.doctor.facts import DomainFacts, Facts
from staffetta.doctor.finding import Finding, Kind, Severity

MISSING = Kind(
    "tls-rpt-missing",
    Severity.NOTICE,
    "When senders cannot hand over because of TLS, you hear of it from people whose mail did not arrive.",
    "Publish at _smtp._tls.{domain}: `v=TLSRPTv1; rua=mailto:postmaster@{domain}`.",
)
BROKEN = Kind(
    "tls-rpt-broken",
    Severity.WARNING,
    "A record that cannot be read asks for nothing.",
    "Mend the record at _smtp._tls.{domain}: once, `v=TLSRPTv1; rua=mailto:…` or `https://…`.",
)
KINDS = (MISSING, BROKEN)


def judge(facts: Facts) -> Iterator[Finding]:
    for domain in facts.online.domains:
        if domain.trouble is None:
            yield from _of(domain)


def _of(domain: DomainFacts) -> Iterator[Finding]:
    records = [text for text in domain.tls_rpt if text.startswith("v=TLSRPTv1")]
    if not records:
        yield MISSING.found(f"there is no TLS-RPT record at _smtp._tls.{domain.name}", domain=domain.name)
    elif not read_rua(domain.tls_rpt):
        yield BROKEN.found(f"the TLS-RPT record of {domain.name} is {some(records, '')}", domain=domain.name)
