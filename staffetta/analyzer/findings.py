"""What the fields mean, in sentences. Each names the field that it rests on, and the RFC or document that says so.

Rule 1: a finding says what is seen, not what may be guessed. Fields can be forged by whoever held the message before
the hop that one trusts; a finding on a field that no trusted host wrote says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from staffetta.analyzer.alignment import Alignment
from staffetta.analyzer.arc import ArcSet
from staffetta.analyzer.authentication import Verdict
from staffetta.analyzer.authentication_findings import (
    of_alignment,
    of_chain,
    of_recomputation,
    of_verdicts,
)
from staffetta.analyzer.exchange import Exchange
from staffetta.analyzer.exchange_findings import Parties, of_exchange
from staffetta.analyzer.fields import FIELDS_MAX
from staffetta.analyzer.finding import Finding, Severity
from staffetta.analyzer.hops import HOPS_MAX, Hop
from staffetta.analyzer.recomputing import Recomputation
from staffetta.analyzer.reports import ANTISPAM, FOREFRONT, Entry
from staffetta.analyzer.words import duration

LONG_WAIT_SECONDS = 300
DATE_AHEAD_SECONDS_MIN = 300
_LEARN_ANTISPAM = "Microsoft Learn: Anti-spam message headers"
_BULK_FROM = 4
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.GOOD, Severity.INFO)
_SECTION = "header section"


@dataclass(frozen=True, slots=True)
class Seen:
    """All that findings are drawn from. from_domains: of the From field. signed_by: the name of a field that signs.
    created_at: by Date, UTC. lines_before: with text, before the section.
    """

    hops: Sequence[Hop]
    verdicts: Sequence[Verdict]
    chain: Sequence[ArcSet]
    from_domains: Sequence[str]
    alignments: Sequence[Alignment]
    forefront: Sequence[Entry]
    antispam: Sequence[Entry]
    exchange: Exchange
    parties: Parties
    recomputation: Recomputation
    signed_by: str | None
    created_at: datetime | None = None
    lines_before: int = 0
    is_section_cut: bool = False
    are_hops_cut: bool = False


def findings_of(seen: Seen) -> tuple[Finding, ...]:
    """Return the findings, the gravest first.

    Among those of one weight: what was not read, the road, then Exchange, then authentication, then the filters.
    """
    found = (
        *_of_limits(seen),
        *_of_hops(seen),
        *of_exchange(seen.exchange, seen.hops, seen.parties),
        *of_verdicts(seen.verdicts),
        *of_alignment(seen.from_domains, seen.alignments),
        *of_chain(seen.chain),
        *of_recomputation(seen.recomputation, seen.signed_by),
        *_of_filters(seen),
    )
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def _of_limits(seen: Seen) -> Iterator[Finding]:
    if seen.lines_before:
        lines = "1 line" if seen.lines_before == 1 else f"{seen.lines_before} lines"
        yield Finding(Severity.INFO, f"The headers stand below {lines} of other text.", _SECTION, "RFC 5322 §2.2")
    if seen.is_section_cut:
        text = f"The header section is longer than what is read, {FIELDS_MAX} fields at most: the rest is missing here."
        yield Finding(Severity.WARNING, text, _SECTION, "RFC 5322 §2.2")
    if seen.are_hops_cut:
        text = f"There are more than {HOPS_MAX} Received fields; the newest {HOPS_MAX} are shown. It is a loop."
        yield _finding(Severity.WARNING, text, "RFC 5321 §6.3")


def _of_hops(seen: Seen) -> Iterator[Finding]:
    if not seen.hops:
        yield _finding(Severity.INFO, "There is no Received field, so nothing tells of the road.", "RFC 5321 §4.4")
    for hop in seen.hops:
        if hop.delay_seconds is not None and hop.delay_seconds >= LONG_WAIT_SECONDS:
            host = hop.received.by_name or "the next host"
            text = f"Hop {hop.number} waited {duration(hop.delay_seconds)} before {host} had the message."
            yield _finding(Severity.WARNING, text, "RFC 5321 §4.4")
        if hop.has_wrong_clock and hop.clock_offset_seconds is not None:
            way = "ahead of" if hop.clock_offset_seconds > 0 else "behind"
            text = (
                f"The clock of hop {hop.number} ({hop.received.by_name or 'unnamed'}) is at least "
                f"{duration(abs(hop.clock_offset_seconds))} {way} its neighbours; its delay is not counted."
            )
            yield _finding(Severity.WARNING, text, "RFC 5321 §4.4")
        if hop.received.is_zone_assumed:
            text = f"Hop {hop.number} names no time zone that is known; UTC is assumed."
            yield _finding(Severity.INFO, text, "RFC 5322 §3.3")
        if hop.received.at is None:
            yield _finding(Severity.INFO, f"Hop {hop.number} tells no time that can be read.", "RFC 5321 §4.4")
    yield from _of_date(seen)
    clear = [str(hop.number) for hop in seen.hops if hop.received.from_address and hop.received.tls is None]
    if clear:
        many = "Hops" if len(clear) > 1 else "Hop"
        text = f"{many} {', '.join(clear[:20])} tell{'' if len(clear) > 1 else 's'} nothing of TLS."
        yield _finding(Severity.INFO, text, "RFC 3848 §1")


def _of_date(seen: Seen) -> Iterator[Finding]:
    """A message that was written after it was received."""
    first = next((hop for hop in seen.hops if hop.received.at and hop.clock_offset_seconds is None), None)
    if first is None or first.received.at is None or seen.created_at is None:
        return
    ahead = (seen.created_at - first.received.at).total_seconds()
    if ahead >= DATE_AHEAD_SECONDS_MIN:
        text = (
            f"Date is {duration(ahead)} after hop {first.number} had the message: the sender's clock or zone is wrong."
        )
        yield Finding(Severity.INFO, text, "Date", "RFC 5322 §3.6.1")


def _of_filters(seen: Seen) -> Iterator[Finding]:
    report = {entry.key: entry for entry in seen.forefront}
    for key in ("SFV", "IPV"):
        entry = report.get(key)
        if entry and entry.meaning and entry.value.upper() not in ("NSPM", "NLI"):
            severity = Severity.ERROR if entry.meaning.startswith("spam") else Severity.INFO
            text = f"The filter's verdict ({key}:{entry.value}) is: {entry.meaning}."
            yield Finding(severity, text, FOREFRONT, _LEARN_ANTISPAM)
    level = next((entry.value for entry in seen.antispam if entry.key == "BCL"), "")
    if level.isascii() and level.isdigit() and len(level) == 1 and int(level) >= _BULK_FROM:
        text = f"It counts as bulk mail (BCL {level})."
        yield Finding(Severity.INFO, text, ANTISPAM, _LEARN_ANTISPAM)


def _finding(severity: Severity, text: str, reference: str) -> Finding:
    return Finding(severity, text, "Received", reference)
