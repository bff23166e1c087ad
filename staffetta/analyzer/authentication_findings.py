"""What the results of SPF, DKIM, DMARC and ARC mean, in sentences."""

from collections.abc import Iterator, Sequence

from staffetta.analyzer.alignment import Agreement, Alignment
from staffetta.analyzer.arc import INSTANCE_MAX, ArcSet
from staffetta.analyzer.authentication import Result, Verdict
from staffetta.analyzer.finding import Finding, Severity
from staffetta.analyzer.recomputing import Computed, Recomputation

_BAD = ("fail", "softfail", "permerror", "temperror", "hardfail")
_FINDINGS_MAX = 60  # a reader stops long before
# Microsoft Learn, "Anti-spam message headers": compauth, by the first digits of its reason.
_COMPOSITE_REASONS = (
    ("000", "DMARC failed, and its policy asks to quarantine or reject"),
    ("001", "nothing authenticates the sender, who publishes no records or weak ones"),
    ("002", "the organisation forbids this pair of sender and domain"),
    ("010", "DMARC failed, and the sending domain is one of the organisation's own"),
    ("1", "authenticated by DMARC, or by SPF or DKIM in agreement"),
    ("2", "authenticated weakly, by what is known of the sender"),
    ("3", "not checked"),
    ("4", "not checked"),
    ("6", "not authenticated, and the sending domain is one of the organisation's own"),
    ("7", "authenticated by what is known of the sender"),
    ("9", "not checked"),
)


def of_verdicts(verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    """Yield what each host says; what ARC recorded is told by the chain."""
    told = 0
    for verdict in verdicts:
        for result in verdict.results if verdict.instance is None else ():
            if result.result not in (*_BAD, "pass") or told == _FINDINGS_MAX:
                continue
            told += 1
            said = f"{verdict.host or 'A host that is not named'} says {result.method.upper()} {result.result}"
            said += f" ({why})" if (why := _why(result)) else ""
            if not verdict.is_trusted:
                text = f"{said}; nothing shows that this host can be trusted."
                yield Finding(Severity.INFO, text, verdict.field, "RFC 8601 §7.1")
            else:
                severity = Severity.GOOD if result.result == "pass" else Severity.ERROR
                yield Finding(severity, f"{said}.", verdict.field, "RFC 8601 §2.7")


def of_recomputation(recomputation: Recomputation, signed_by: str | None) -> Iterator[Finding]:
    """Yield what signatures are worth now. signed_by: the name of a field with a signature; None where none is."""
    for each in recomputation.computed:
        yield Finding(_weight(each), _worth(each), each.field, each.reference)
    chain, seals = recomputation.chain, sum(1 for each in recomputation.computed if each.field == "ARC-Seal")
    if chain == "pass":
        text = f"The ARC chain of {seals} set{'' if seals == 1 else 's'} holds, computed again here."
        yield Finding(Severity.GOOD, text, "ARC-Seal", "RFC 8617 §5.2")
    elif chain == "fail":
        text = "The ARC chain does not hold, computed again here."
        yield Finding(Severity.ERROR, text, "ARC-Seal", "RFC 8617 §5.2")
    if signed_by and recomputation.left_out:
        text = f"Signatures were not recomputed: {recomputation.left_out}."
        if recomputation.computed:
            text = f"Not all signatures were recomputed: {recomputation.left_out}."
        yield Finding(Severity.INFO, text, signed_by, "RFC 6376 §6.1")


def _worth(each: Computed) -> str:
    which = f"of set {each.instance} " if each.instance else ""
    key = f"{each.algorithm}, {each.key_bits} bits" if each.key_bits else each.algorithm
    said = f"{each.field} {which}by {each.domain} (selector {each.selector}), computed again here: {each.result}"
    return f"{said} ({key}){': ' if each.why else ''}{each.why}."


def _weight(each: Computed) -> Severity:
    if each.result == "pass":
        return Severity.GOOD
    return Severity.WARNING if each.result == "temperror" else Severity.ERROR


def of_alignment(from_domains: Sequence[str], alignments: Sequence[Alignment]) -> Iterator[Finding]:
    """Yield whether a domain that passed is that of From."""
    if len(from_domains) > 1:
        text = (
            f"From names {len(from_domains)} domains, {', '.join(from_domains[:5])}; DMARC does not say which counts."
        )
        yield Finding(Severity.WARNING, text, "From", "RFC 7489 §6.6.1")
    judged = [row for row in alignments if row.is_trusted]
    if not judged:
        return
    if vouching := next((row for row in judged if row.vouches), None):
        text = f"{vouching.method.upper()} passes for {vouching.domain}, {_agreement(vouching)}: what DMARC asks."
        yield Finding(Severity.GOOD, text, "From", "RFC 7489 §3.1")
    elif not any(_may_vouch(row) for row in alignments):
        text = f"No domain that passes SPF or DKIM is aligned with From ({judged[0].from_domain}): DMARC fails."
        yield Finding(Severity.WARNING, text, "From", "RFC 7489 §3.1")


def _may_vouch(row: Alignment) -> bool:
    """Whether it would count, if somebody trusted said that it passes, or if two domains are one organisation's."""
    return row.agreement is not Agreement.NONE and (not row.is_trusted or row.result == "pass")


def _agreement(row: Alignment) -> str:
    if row.agreement is Agreement.STRICT:
        return "the domain of From"
    return f"aligned with that of From ({row.from_domain}) where DMARC is relaxed"


def of_chain(chain: Sequence[ArcSet]) -> Iterator[Finding]:
    """Yield what is wrong with the chain of ARC, and what it says where nothing is."""
    if not chain:
        return
    broken = next((each for each in chain if each.chain == "fail"), None)
    if broken:
        who = broken.sealed_by or "a host that is not named"
        text = f"The ARC chain is broken: {who}, who sealed set {broken.instance}, found the sets before it wrong."
        yield Finding(Severity.ERROR, text, "ARC-Seal", "RFC 8617 §4.4")
    for each in chain[:INSTANCE_MAX]:
        if each.problem:
            text = f"ARC set {each.instance} is not as it must be: {each.problem}."
            yield Finding(Severity.ERROR, text, "ARC-Seal", "RFC 8617 §5.2")
    if len(chain) > INSTANCE_MAX:
        text = f"There are more than {INSTANCE_MAX} ARC sets."
        yield Finding(Severity.ERROR, text, "ARC-Seal", "RFC 8617 §4.2.1")
    if not broken and not any(each.problem for each in chain):
        sealers = ", ".join(dict.fromkeys(each.sealed_by or "?" for each in chain[:10]))
        many = f"{len(chain)} ARC sets, sealed by {sealers}, are" if len(chain) > 1 else f"One ARC set of {sealers} is"
        text = f"{many} there; each seal says that those before it are whole."
        yield Finding(Severity.INFO, text, "ARC-Seal", "RFC 8617 §5.2")


def _why(result: Result) -> str:
    """In the words of the host; Microsoft's composite authentication gives a number instead."""
    reason = dict(result.properties).get("reason", "")
    if result.method == "compauth":
        meant = next((words for start, words in _COMPOSITE_REASONS if reason.startswith(start)), "")
        return f"reason {reason}: {meant}" if meant else ""
    return result.comment
