"""The analysis of one message: everything that is shown, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.analyzer.alignment import Alignment, alignments_of, from_domains
from staffetta.analyzer.arc import ArcSet, chain_of
from staffetta.analyzer.authentication import Verdict, verdicts_of
from staffetta.analyzer.exchange import Exchange, exchange_of
from staffetta.analyzer.exchange_findings import parties_of
from staffetta.analyzer.fields import SIGNATURES, Field, read
from staffetta.analyzer.finding import Finding
from staffetta.analyzer.findings import Seen, findings_of
from staffetta.analyzer.hops import HOPS_MAX, Hop, hops_of, total_seconds
from staffetta.analyzer.received import read_received
from staffetta.analyzer.recomputing import Recomputation
from staffetta.analyzer.reports import ANTISPAM, FOREFRONT, Entry, report_of
from staffetta.analyzer.summary import Summary, summary_of

_SUMMARY = ("subject", "message-id", "archived-at", "date", "from", "reply-to", "to", "cc", "received")

NOT_RECOMPUTED = Recomputation(left_out="the headers alone were looked at")


@dataclass(frozen=True, slots=True)
class Report:
    """hops: the earliest first. total_seconds: from the first believed clock to the last.

    verdicts: the newest first. alignments: what DMARC looks at. chain: of ARC, the first instance first.
    recomputation: what signatures are worth, computed from the source.
    forefront, antispam: Microsoft's reports, empty where there is none.
    others: all fields but the summary's and Received, as they stand. is_cut: there was more than is read.
    lines_before: of text, before the section; left out.
    """

    summary: Summary
    hops: tuple[Hop, ...]
    total_seconds: float | None
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    alignments: tuple[Alignment, ...]
    chain: tuple[ArcSet, ...]
    recomputation: Recomputation
    forefront: tuple[Entry, ...]
    antispam: tuple[Entry, ...]
    exchange: Exchange
    others: tuple[Field, ...]
    is_cut: bool = False
    lines_before: int = 0


def analyze(text: str, trusted_hosts: Sequence[str] = (), recomputation: Recomputation = NOT_RECOMPUTED) -> Report:
    """Return what the headers in a text tell. Raises NotHeaders, and nothing else, whatever the text is.

    trusted_hosts: whose Authentication-Results count, as `verdicts_of` takes them. recomputation: of the same message,
    by `recompute`.
    """
    section = read(text)
    written = [field.written for field in section.every("received")]
    hops = hops_of([read_received(value) for value in written[:HOPS_MAX]])
    verdicts = verdicts_of(section, trusted_hosts)
    forefront, antispam = report_of(section, FOREFRONT), report_of(section, ANTISPAM)
    summary = summary_of(section)
    exchange, authors, chain = exchange_of(section), from_domains(section), chain_of(section, verdicts)
    alignments = alignments_of(section, verdicts, recomputation.computed)
    seen = Seen(
        hops=hops,
        verdicts=verdicts,
        chain=chain,
        from_domains=authors,
        alignments=alignments,
        forefront=forefront,
        antispam=antispam,
        exchange=exchange,
        recomputation=recomputation,
        signed_by=next((field.name for field in section.fields if field.name.lower() in SIGNATURES), None),
        parties=parties_of(section, authors, hops),
        created_at=summary.created_at,
        lines_before=section.lines_before,
        is_section_cut=section.is_cut,
        are_hops_cut=len(written) > HOPS_MAX,
    )
    return Report(
        summary=summary,
        hops=hops,
        total_seconds=total_seconds(hops),
        findings=findings_of(seen),
        verdicts=verdicts,
        alignments=alignments,
        chain=chain,
        recomputation=recomputation,
        forefront=forefront,
        antispam=antispam,
        exchange=exchange,
        others=_others(section.fields),
        is_cut=section.is_cut or len(written) > HOPS_MAX,
        lines_before=section.lines_before,
    )


def _others(fields: Sequence[Field]) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.name.lower() not in _SUMMARY)
