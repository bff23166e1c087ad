"""What is shown below hops and findings, as tables: the same in the terminal and on the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffetta.analyzer.alignment import Alignment
from staffetta.analyzer.arc import ArcSet
from staffetta.analyzer.authentication import Result, Verdict
from staffetta.analyzer.exchange import Exchange
from staffetta.analyzer.recomputing import Computed
from staffetta.analyzer.report import Report
from staffetta.analyzer.reports import Entry


@dataclass(frozen=True, slots=True)
class Block:
    """A table. columns: its headings; empty for names and values, which need none. rows: as many cells each."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def blocks_of(report: Report) -> Iterator[Block]:
    """Yield the tables that say anything, in the order in which they are shown."""
    blocks = (
        Block(
            "What hosts say of SPF, DKIM and DMARC",
            ("Host", "Trusted", "Method", "Result", "Of", "Why"),
            tuple(_results(report.verdicts)),
        ),
        Block(
            "Alignment with From, for DMARC",
            ("Method", "Domain", "From", "Alignment", "Result", "Said by"),
            tuple(map(_alignment, report.alignments)),
        ),
        Block("ARC chain", ("Set", "Sealed by", "Chain", "Recorded", "Trouble"), tuple(map(_set, report.chain))),
        Block(
            "Signatures, computed again here",
            ("Field", "Set", "Domain", "Selector", "Algorithm", "Result", "Why"),
            tuple(map(_computed, report.recomputation.computed)),
        ),
        Block("Exchange", (), tuple(_exchange(report.exchange))),
        Block("Forefront report", (), tuple((each.label, _meant(each)) for each in report.forefront)),
        Block("Antispam report", (), tuple((each.label, _meant(each)) for each in report.antispam)),
        Block("Other headers", (), tuple((each.name, each.value) for each in report.others)),
    )
    return (_without_empty_columns(block) for block in blocks if block.rows)


def _without_empty_columns(block: Block) -> Block:
    if not block.columns:
        return block
    kept = [place for place in range(len(block.columns)) if any(row[place] for row in block.rows)]
    rows = tuple(tuple(row[place] for place in kept) for row in block.rows)
    return Block(block.heading, tuple(block.columns[place] for place in kept), rows)


def _results(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    for verdict in verdicts:
        for result in verdict.results if verdict.instance is None else ():
            yield (
                verdict.host or "not named",
                "yes" if verdict.is_trusted else "no",
                result.method,
                result.result,
                ", ".join(f"{name}={value}" for name, value in result.properties),
                result.comment,
            )


def _alignment(row: Alignment) -> tuple[str, ...]:
    said_by = row.host or ("not named" if row.result else "")
    if row.result and not row.is_trusted:
        said_by += ", not trusted"
    return row.method, row.domain, row.from_domain, row.in_words, row.result or "not told", said_by


def _set(each: ArcSet) -> tuple[str, ...]:
    recorded = ", ".join(map(_short, each.results))
    return (
        str(each.instance),
        each.sealed_by or "",
        f"cv={each.chain}" if each.chain else "",
        f"{each.host or 'not named'}: {recorded}" if recorded else "",
        each.problem or "",
    )


def _computed(each: Computed) -> tuple[str, ...]:
    algorithm = f"{each.algorithm}, {each.key_bits} bits" if each.key_bits else each.algorithm
    number = str(each.instance or "")
    return each.field, number, each.domain, each.selector, algorithm, each.result, each.why


def _short(result: Result) -> str:
    return f"{result.method}={result.result}"


def _exchange(exchange: Exchange) -> Iterator[tuple[str, str]]:
    connected = exchange.attributed_address and f"{exchange.attributed_name or ''} ({exchange.attributed_address})"
    said = (
        ("Tenant", exchange.tenant_id),
        ("Let in by a connector", connected and connected.strip()),
        ("Origin", exchange.origin and _meaning(exchange.origin, _ORIGINS)),
        ("Authenticated as", exchange.auth_as and _meaning(exchange.auth_as, _AUTHENTICATED_AS)),
        ("Judged by", exchange.auth_source),
        ("Mechanism", exchange.auth_mechanism),
        ("Direction", exchange.direction),
        ("Organisation that vouches", exchange.originator_domain),
        ("Network message id", exchange.network_message_id),
        ("Own servers' fields taken over by", exchange.promoted_by),
        ("Own servers' fields taken away by", exchange.filtered_by),
    )
    return ((name, value) for name, value in said if value)


_ORIGINS = {
    "hybridonprem": "from the organisation's own servers, by an OnPremises connector",
    "hosted": "from a mailbox in Exchange Online",
    "internet": "from outside",
}
_AUTHENTICATED_AS = {
    "anonymous": "nobody had logged in",
    "internal": "a sender of the organisation",
    "external": "a sender of another organisation",
    "partner": "a partner whose domain a connector secures",
}


def _meaning(value: str, meanings: dict[str, str]) -> str:
    meant = meanings.get(value.lower())
    return f"{value} ({meant})" if meant else value


def _meant(entry: Entry) -> str:
    return f"{entry.value} ({entry.meaning})" if entry.meaning else entry.value
