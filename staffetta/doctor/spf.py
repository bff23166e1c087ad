"""SPF (RFC 7208): a domain's record as a tree of what it includes, judged for an address. Nothing is looked up here.

Rule 1: look-ups are counted as the worst address costs them, so that the count does not depend on who asks (§4.6.4).
Rule 2: what depends on more than the address (exists, ptr, macros) is not known: it may pass or not.
"""

from dataclasses import dataclass
from enum import StrEnum

from staffetta.policy.decision import IPAddress
from staffetta.settings.addresses import Network

LOOKUPS_MAX = 10
VOID_MAX = 2


class Result(StrEnum):
    """RFC 7208 §2.6; UNKNOWN where it cannot be told here."""

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    PERMERROR = "permerror"
    UNKNOWN = "unknown"


BY_QUALIFIER = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism. text: as it stands. networks: that it matches. within: the record that it includes.

    is_unknown: whether it matches cannot be told. is_lookup: it counts. is_void: it asks for what is not there.
    """

    text: str
    qualifier: str = "+"
    networks: tuple[Network, ...] = ()
    within: "SpfRecord | None" = None
    is_all: bool = False
    is_unknown: bool = False
    is_lookup: bool = False
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A domain's record. text: empty where there is none. redirect: whose record decides where nothing matches.

    problem: what is wrong with it, in words; then it counts for nothing.
    """

    domain: str
    text: str = ""
    terms: tuple[Term, ...] = ()
    redirect: "SpfRecord | None" = None
    problem: str | None = None


def lookups(record: SpfRecord) -> int:
    """Return how many look-ups the record costs, with all that it includes."""
    count = sum(term.is_lookup + (lookups(term.within) if term.within else 0) for term in record.terms)
    return count + (1 + lookups(record.redirect) if record.redirect else 0)


def voids(record: SpfRecord) -> int:
    """Return how many of them find nothing."""
    count = sum(term.is_void + (voids(term.within) if term.within else 0) for term in record.terms)
    return count + (voids(record.redirect) if record.redirect else 0)


def problem_of(record: SpfRecord) -> str | None:
    """Say what is wrong with a record, or with one that it includes; None: nothing."""
    if record.problem is not None:
        return f"{record.domain}: {record.problem}"
    within = [term.within for term in record.terms if term.within is not None]
    inner = (problem_of(each) for each in (*within, *([record.redirect] if record.redirect else ())))
    return next((problem for problem in inner if problem is not None), None)


def result(record: SpfRecord, address: IPAddress) -> Result:
    """Return what a receiver gets for a client of this address (RFC 7208 §4.6.2, §5.2, §6.1)."""
    if record.problem is not None:
        return Result.PERMERROR
    for term in record.terms:
        matches = _matches(term, address)
        if matches is Result.PASS:
            return BY_QUALIFIER[term.qualifier]
        if matches is not Result.NEUTRAL:
            return matches
    return result(record.redirect, address) if record.redirect is not None else Result.NEUTRAL


def _matches(term: Term, address: IPAddress) -> Result:
    """PASS: it does; NEUTRAL: it does not; else why the record comes to nothing."""
    if term.within is not None:
        inner = result(term.within, address)
        return inner if inner in (Result.PASS, Result.PERMERROR, Result.UNKNOWN) else Result.NEUTRAL
    if term.is_unknown:
        return Result.UNKNOWN
    return Result.PASS if term.is_all or any(address in network for network in term.networks) else Result.NEUTRAL
