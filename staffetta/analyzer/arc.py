"""The chain of ARC as found: what each who handled the message on says of it (RFC 8617 §4).

Rule: nothing is computed here; what is told is the shape of the chain and what its seals claim.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffetta.analyzer.authentication import Result, Verdict
from staffetta.analyzer.fields import Section
from staffetta.analyzer.tags import instance_of, tags_of

INSTANCE_MAX = 50  # RFC 8617 §4.2.1
_FIELDS_MAX = 3 * (INSTANCE_MAX + 1)
_SEAL, _SIGNATURE, _RESULTS = "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"
_NAMES = {name.lower(): name for name in (_SEAL, _SIGNATURE, _RESULTS)}


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields of one instance. sealed_by: d of the seal. chain: its cv. results: what the host found then.

    problem: what keeps the set from being whole, for people; None where it is whole.
    """

    instance: int
    sealed_by: str | None
    chain: str | None
    host: str | None
    results: tuple[Result, ...]
    problem: str | None = None


def chain_of(section: Section, verdicts: Sequence[Verdict]) -> tuple[ArcSet, ...]:
    """Return the sets, the first instance first; empty where the message has none."""
    found = [field for field in section.fields if field.name.lower() in _NAMES][:_FIELDS_MAX]
    counts: Counter[tuple[int, str]] = Counter()
    seals: dict[int, dict[str, str]] = {}
    for field in found:
        tags = tags_of(field.written)
        if (number := instance_of(tags)) is None:
            continue
        counts[number, _NAMES[field.name.lower()]] += 1
        if field.name.lower() == _SEAL.lower():
            seals.setdefault(number, tags)
    said = {verdict.instance: verdict for verdict in reversed(verdicts) if verdict.field.lower() == _RESULTS.lower()}
    numbers = sorted({number for number, _ in counts})
    sets: list[ArcSet] = []
    for number in numbers[: INSTANCE_MAX + 1]:
        seal, verdict = seals.get(number, {}), said.get(number)
        problem = "; ".join(_problems(number, len(sets) + 1, counts, seal.get("cv", "").lower())) or None
        sets.append(
            ArcSet(
                number,
                seal.get("d"),
                seal.get("cv", "").lower() or None,
                verdict.host if verdict else None,
                verdict.results if verdict else (),
                problem,
            )
        )
    return tuple(sets)


def _problems(number: int, wanted: int, counts: Counter[tuple[int, str]], chain: str) -> Iterator[str]:
    """What RFC 8617 §5.2 would fail the chain for, as far as it shows without computing."""
    if number != wanted:
        yield f"it stands where instance {wanted} should"
    for name in _NAMES.values():
        if counts[number, name] != 1:
            yield f"{name} is {'missing' if not counts[number, name] else 'there more than once'}"
    if chain and chain != "fail" and (chain == "none") != (number == 1):
        yield f"its seal says cv={chain}"
