"""DMARC of our domains: a record, a sound one, and one that asks for something (RFC 7489)."""

from collections.abc import Iterator

from staffetta.doctor.facts import DomainFacts, Facts
from staffetta.doctor.finding import Finding, Kind, Severity

_POLICIES = ("none", "quarantine", "reject")

MISSING = Kind(
    "dmarc-missing",
    Severity.WARNING,
    "Whoever forges the domain is not stopped, and large receivers ask senders of much mail for a record.",
    "Publish at _dmarc.{domain}: `v=DMARC1; p=none; rua=mailto:postmaster@{domain}`, and read the reports.",
)
BROKEN = Kind(
    "dmarc-broken",
    Severity.WARNING,
    "A record that cannot be read counts as none.",
    "Mend the record at _dmarc.{domain}: one text, `v=DMARC1; p=none`, `quarantine` or `reject`.",
)
WATCHES = Kind(
    "dmarc-only-watches",
    Severity.NOTICE,
    "p=none asks receivers to do nothing about forged mail.",
    "When the reports show that all your mail passes, write p=quarantine, later p=reject.",
)
KINDS = (MISSING, BROKEN, WATCHES)


def judge(facts: Facts) -> Iterator[Finding]:
    for domain in facts.online.domains:
        if domain.trouble is None:
            yield from _of(domain)


def _of(domain: DomainFacts) -> Iterator[Finding]:
    if not domain.dmarc:
        yield MISSING.found(f"there is no DMARC record for {domain.name}", domain=domain.name)
        return
    at = domain.dmarc_at
    tags = {
        key.strip().lower(): value.strip().lower()
        for key, _, value in (tag.partition("=") for tag in domain.dmarc[0].split(";"))
    }
    if len(domain.dmarc) > 1:
        yield BROKEN.found(f"there are {len(domain.dmarc)} DMARC records at _dmarc.{at}", domain=at)
    elif tags.get("p") not in _POLICIES:
        yield BROKEN.found(f"the DMARC record at _dmarc.{at} has no policy that is known: {domain.dmarc[0]}", domain=at)
    elif tags["p"] == "none":
        yield WATCHES.found(f"the DMARC record at _dmarc.{at} is {domain.dmarc[0]!r}")
