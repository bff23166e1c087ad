"""The domain of From against those that SPF and DKIM speak of: what DMARC asks (RFC 7489 §3.1).

Rule 1: which domains belong to one organisation is known to the DNS and to lists, and not to a message. Names that one
another hold are taken for one organisation's; of names side by side it is said under which condition they are.
Rule 2: a result is not judged here: who says it, and whether he is trusted, stands beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from staffetta.analyzer.authentication import Result, Verdict
from staffetta.analyzer.fields import Section
from staffetta.analyzer.recomputing import Computed
from staffetta.analyzer.tags import tags_of
from staffetta.mail.address_list import read_address_list

_ROWS_MAX = 40
_LENGTH_MAX = 8192
COMPUTED_HERE = "computed again here"
_SIGNED_DOMAINS = ("header.d", "header.i")
_SPF_MAILBOXES = ("smtp.mailfrom", "envelope-from", "smtp.helo", "helo")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is said of a domain. result, host: None where nobody says."""

    method: str
    domain: str
    result: str | None = None
    host: str | None = None
    is_trusted: bool = False


class Agreement(StrEnum):
    """strict: the same domain. relaxed: one is below the other. perhaps: both are below a third. none: strangers."""

    STRICT = "strict"
    RELAXED = "relaxed"
    PERHAPS = "perhaps"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Alignment:
    """One domain that vouches, or might.

    method: spf or dkim. common: what both domains are below of, where agreement is `perhaps`. result: pass, fail, …,
    None where nobody says. host: who says it.
    """

    method: str
    domain: str
    from_domain: str
    agreement: Agreement
    common: str | None = None
    result: str | None = None
    host: str | None = None
    is_trusted: bool = False

    @property
    def in_words(self) -> str:
        """What DMARC would make of the two names."""
        words = {
            Agreement.STRICT: "aligned, the same domain",
            Agreement.RELAXED: "aligned where DMARC is relaxed",
            Agreement.PERHAPS: f"aligned where {self.common} belongs to one organisation",
            Agreement.NONE: "not aligned",
        }
        return words[self.agreement]

    @property
    def vouches(self) -> bool:
        """Whether it passes and is aligned, said by who is trusted."""
        return self.is_trusted and self.result == "pass" and self.agreement in (Agreement.STRICT, Agreement.RELAXED)


def from_domains(section: Section) -> tuple[str, ...]:
    """Return the domains in From, each once; more than one has to be wondered at (RFC 7489 §6.6.1)."""
    entries = [
        entry for field in section.every("from") for entry in read_address_list(field.written[:_LENGTH_MAX]).entries
    ]
    return tuple(dict.fromkeys(entry.mailbox.domain.lower() for entry in entries))


def alignments_of(
    section: Section, verdicts: Sequence[Verdict], computed: Sequence[Computed] = ()
) -> tuple[Alignment, ...]:
    """Return the table; empty where From names no domain.

    One row for a method and domain: as computed, or else by the most trusted, the newest first.
    """
    domains = from_domains(section)
    if not domains:
        return ()
    claims = list(_claims(section, verdicts))
    ranked = [*_computed(computed), *sorted(claims, key=lambda claim: not claim.is_trusted)]
    rows: dict[tuple[str, str], Alignment] = {}
    for claim in ranked:
        if (claim.method, claim.domain) in rows or len(rows) == _ROWS_MAX:
            continue
        agreement, common = agreement_of(claim.domain, domains[0])
        rows[claim.method, claim.domain] = Alignment(
            claim.method,
            claim.domain,
            domains[0],
            agreement,
            common,
            claim.result,
            claim.host,
            claim.is_trusted,
        )
    return tuple(sorted(rows.values(), key=lambda row: row.method, reverse=True))


def agreement_of(domain: str, from_domain: str) -> tuple[Agreement, str | None]:
    """Return how two domains agree, and what they are below of where that has to be known."""
    if domain == from_domain:
        return Agreement.STRICT, None
    if domain.endswith(f".{from_domain}") or from_domain.endswith(f".{domain}"):
        return Agreement.RELAXED, None
    common: list[str] = []
    for ours, theirs in zip(reversed(domain.split(".")), reversed(from_domain.split(".")), strict=False):
        if ours != theirs:
            break
        common.insert(0, ours)
    return (Agreement.PERHAPS, ".".join(common)) if len(common) > 1 else (Agreement.NONE, None)


def _computed(computed: Sequence[Computed]) -> Iterator[_Claim]:
    """The best of a domain's signatures first."""
    for each in sorted(computed, key=lambda each: each.result != "pass"):
        if each.instance is None and each.result in ("pass", "fail") and (domain := _domain(each.domain)):
            yield _Claim("dkim", domain, each.result, COMPUTED_HERE, True)


def _claims(section: Section, verdicts: Sequence[Verdict]) -> Iterator[_Claim]:
    """First what others found, then what the fields name by themselves."""
    for verdict in verdicts:
        if verdict.instance is not None:
            continue  # what was true before the message was forwarded
        for result in verdict.results:
            if result.method in ("spf", "dkim") and (domain := _domain_of(result)):
                yield _Claim(result.method, domain, result.result, verdict.host, verdict.is_trusted)
    for field in section.every("dkim-signature"):
        if domain := _domain(tags_of(field.written).get("d", "")):
            yield _Claim("dkim", domain)
    if domain := _domain((section.first("return-path") or "").strip("<> ")):
        yield _Claim("spf", domain)


def _domain_of(result: Result) -> str | None:
    properties = dict(reversed(result.properties))
    names = _SPF_MAILBOXES if result.method == "spf" else _SIGNED_DOMAINS
    return next((domain for name in names if (domain := _domain(properties.get(name, "")))), None)


def _domain(text: str) -> str | None:
    domain = text[:320].rpartition("@")[2].strip('<>" ').rstrip(".").lower()
    return domain if "." in domain else None
