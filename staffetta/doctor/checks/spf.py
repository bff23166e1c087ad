"""SPF of our domains: a record, a sound one, and one that names the address that our mail comes from (RFC 7208)."""

import ipaddress
from collections.abc import Iterator

from staffetta.doctor.certificate import some
from staffetta.doctor.facts import DomainFacts, Facts
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity
from staffetta.doctor.roads import shows_our_address
from staffetta.doctor.spf import LOOKUPS_MAX, VOID_MAX, Result, SpfRecord, lookups, problem_of, result, voids

MISSING = Kind(
    "spf-missing",
    Severity.WARNING,
    "Google, Microsoft and others refuse or file as spam what comes from a domain without it.",
    "Publish at {domain}: `v=spf1 {address} ~all`, with include: of every other host that sends for it.",
)
BROKEN = Kind(
    "spf-broken",
    Severity.ERROR,
    "A record that cannot be evaluated counts as none, or as a failure (permerror), for every message.",
    "Mend it: one record, known mechanisms, and no include of a domain that has none.",
)
LONG = Kind(
    "spf-too-many-lookups",
    Severity.ERROR,
    f"Receivers stop after {LOOKUPS_MAX} look-ups, and after {VOID_MAX} that find nothing, and count it as permerror.",
    "Take out services that no longer send for the domain, and write ip4: and ip6: in place of a and mx.",
)
REFUSES = Kind(
    "spf-refuses-us",
    Severity.ERROR,
    "The record says that mail from our address is forged, and receivers refuse it.",
    "Put {address} into the record of {domain}, before its `all`.",
)
NOT_COVERED = Kind(
    "spf-does-not-cover-us",
    Severity.WARNING,
    "Mail from our address is not vouched for, and is more often taken for spam.",
    "Put {address} into the record of {domain}, before its `all`.",
)
EVERYBODY = Kind(
    "spf-lets-everybody",
    Severity.WARNING,
    "The record vouches for every host of the Internet, so that whoever forges the domain gets a pass.",
    "End the record of {domain} with `~all` or `-all`.",
)
KINDS = (MISSING, BROKEN, LONG, REFUSES, NOT_COVERED, EVERYBODY)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    for domain in facts.online.domains:
        if domain.spf is not None:
            yield from _of(domain, domain.spf, facts)
    if shows_our_address(facts.settings) and not facts.online.own:
        yield NotChecked("whether it covers us, as our public address is not known")


def _of(domain: DomainFacts, record: SpfRecord, facts: Facts) -> Iterator[Finding]:
    ours = [own.address for own in facts.online.own]
    words = {"domain": domain.name, "address": " ".join(map(_term, ours)) or "ip4:ADDRESS"}
    if not record.text:
        yield MISSING.found(f"{domain.name} has no SPF record", **words)
        return
    if problem := problem_of(record):
        yield BROKEN.found(f"SPF of {domain.name}: {problem}")
        return
    if lookups(record) > LOOKUPS_MAX or voids(record) > VOID_MAX:
        yield LONG.found(f"SPF of {domain.name} takes {lookups(record)} look-ups; {voids(record)} of them find nothing")
        return
    if any(term.is_all and term.qualifier == "+" for term in record.terms):
        yield EVERYBODY.found(f"SPF of {domain.name} is {record.text!r}", **words)
    if not shows_our_address(facts.settings):
        return
    results = {address: result(record, ipaddress.ip_address(address)) for address in ours}
    for kind, bad in ((REFUSES, (Result.FAIL,)), (NOT_COVERED, (Result.SOFTFAIL, Result.NEUTRAL))):
        if those := [address for address, each in results.items() if each in bad]:
            seen = f"SPF of {domain.name} gives {results[those[0]]} for {some(those, '')}: {record.text}"
            yield kind.found(seen, domain=domain.name, address=" ".join(map(_term, those)))


def _term(address: str) -> str:
    return f"ip{ipaddress.ip_address(address).version}:{address}"
