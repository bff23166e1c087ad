"""How long the header analyzer takes for 100 KiB, at worst, and for signatures that are made to cost.

.venv/bin/python -m bench.analyzer [KiB]

Inputs are those of the test that counts calls: one piece, repeated; the slowest are shown. CPU time, the best of three.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from functools import partial

from staffetta.analyzer.fields import NotHeaders
from staffetta.analyzer.recomputing import recompute
from staffetta.analyzer.report import analyze
from staffetta.analyzer.source import BODY_OCTETS_MAX, Source, source_of
from tests.unit.analyzer.test_hostile import BEGINNINGS, REPEATED, repeated
from tests.unit.analyzer.test_recomputing import published, sealed, signed

_SHOWN = 10
_ATTEMPTS = 3


def main(kibibytes: int) -> None:
    """Print both tables."""
    found = []
    for beginning in BEGINNINGS:
        for piece in REPEATED:
            text = repeated(beginning, piece, kibibytes * 1024)
            found.append((milliseconds(partial(analyzed, text)), beginning + piece))
    found.sort(reverse=True)
    print(f"Headers, {kibibytes} KiB, the slowest {_SHOWN} of {len(found)} inputs:")
    for spent, text in found[:_SHOWN]:
        print(f"  {spent * 100 / kibibytes:8.1f} ms per 100 KiB  {text[:60]!r}")
    print("Signatures:")
    for name, source in costly().items():
        print(f"  {milliseconds(partial(recompute, source, published())):8.1f} ms  {name}")


def analyzed(text: str) -> None:
    with contextlib.suppress(NotHeaders):
        analyze(text)


def costly() -> dict[str, Source]:
    """Messages whose signatures take long to compute, by what is made to cost."""
    signature, _, message = signed(canonicalize=(b"relaxed", b"relaxed")).partition(b"From: ")
    many = signature * 10 + b"From: " + message
    chain = message
    for number in range(1, 51):
        chain = sealed(chain if number > 1 else b"From: " + message, f"m{number}.example")
    filling = BODY_OCTETS_MAX - 4096
    return {
        "one signature, a small message": source_of(signature + b"From: " + message),
        "ten signatures, a small message": source_of(many),
        "fifty sets of ARC, a small message": source_of(chain),
        "one signature, 32 MiB of spaces": source_of(signature + b"From: " + message + b" " * filling),
        "ten signatures, 32 MiB of lines": source_of(many + b"a line of the body\r\n" * (filling // 20)),
        "ten signatures, 250 KiB of fields": source_of(b"X-A: b\r\n c" * (250 * 1024 // 10) + b"\r\n" + many),
    }


def milliseconds(work: Callable[[], object]) -> float:
    """CPU time of the fastest run."""
    spent = []
    for _ in range(_ATTEMPTS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1000 * min(spent)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
