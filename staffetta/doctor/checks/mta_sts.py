"""MTA-STS of our domains: the record, the policy that it promises, and whether that names the exchangers (RFC 8461)."""

from collections.abc import Iterator

from staffetta.delivery.mtasts import Mode, StsPolicy, read_record
from staffetta.doctor.certificate import some
from staffetta.doctor.facts import DomainFacts, Facts
from staffetta.doctor.finding import Finding, Kind, Severity

MISSING = Kind(
    "mta-sts-missing",
    Severity.NOTICE,
    "Without a policy senders go on without TLS, or with any certificate, so that who stands between can read mail.",
    "Publish a policy at https://mta-sts.{domain}/.well-known/mta-sts.txt, then `v=STSv1; id=1` at _mta-sts.{domain}.",
)
BROKEN = Kind(
    "mta-sts-broken",
    Severity.WARNING,
    "A policy that cannot be had or read protects nobody.",
    "Mend that; the record is `v=STSv1; id=…` with letters and digits, once, and the policy as RFC 8461 §3.2 has it.",
)
FOREIGN = Kind(
    "mta-sts-does-not-name-the-mx",
    Severity.ERROR,
    "Senders that honour the policy refuse to hand over to such an exchanger: their mail does not arrive.",
    "Write `mx: {host}` into the policy, and change the id in the record.",
)
KINDS = (MISSING, BROKEN, FOREIGN)


def judge(facts: Facts) -> Iterator[Finding]:
    for domain in facts.online.domains:
        if domain.trouble is None:
            yield from _of(domain)


def _of(domain: DomainFacts) -> Iterator[Finding]:
    records = [text for text in domain.mta_sts if text.startswith("v=STSv1")]
    if not records:
        yield MISSING.found(f"there is no MTA-STS record at _mta-sts.{domain.name}", domain=domain.name)
    elif read_record(domain.mta_sts) is None:
        yield BROKEN.found(f"the MTA-STS record of {domain.name} cannot be read: {some(records, '')}")
    elif domain.policy_trouble is not None:
        yield BROKEN.found(f"the MTA-STS policy of {domain.name} cannot be had: {domain.policy_trouble}")
    elif domain.policy is not None:
        yield from _policy(domain, domain.policy)


def _policy(domain: DomainFacts, policy: StsPolicy) -> Iterator[Finding]:
    left_out = [each.name for each in domain.exchangers if each.name and not policy.names(each.name)]
    if policy.mode is Mode.ENFORCE and left_out:
        seen = f"the MTA-STS policy of {domain.name} does not name its exchanger {some(left_out, '')}"
        yield FOREIGN.found(seen, host=left_out[0])
