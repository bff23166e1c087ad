"""Whatever is pasted, the analyzer neither fails nor takes long.

How long it takes is counted in calls, which are the same on every machine; regular expressions, whose steps nobody
counts, are held against a bound that a square could not keep and a slow machine can. Milliseconds: bench/analyzer.py.
"""

import contextlib
import random
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staffetta.analyzer.fields import NotHeaders
from staffetta.analyzer.mha import analyze_as_mha
from staffetta.analyzer.page import page
from staffetta.analyzer.report import analyze

SIZE = 200 * 1024
CPU_SECONDS_MAX = 5.0  # less than a tenth is taken; a square of the size would take minutes
COUNTED_SIZE = 8 * 1024
MADE = 10_000
BATCH = 1000
PIECES = [
    *["Received: ", "from ", "by ", "with ", "id ", "for ", "via ", "tls ", "; ", "Fri, 3 Sep 2021 00:42:11 +0000"],
    *["(", ")", '"', "\\", "\0", "\n", "\n ", "\r", "\n\n", "> ", ":", ";", "=?utf-8?q?=C3?=", "=?", "?=", "=?x?b?!?="],
    *["1.2.3.4", "::1", "[", "]", "version=TLS1_2", "cipher=", "i=99999999999;", "spf=fail", "h=", "SCL:5;", "BCL:²;"],
    *[
        "Authentication-Results: ",
        "DKIM-Signature: ",
        "ARC-Seal: ",
        "X-Forefront-Antispam-Report: ",
        "Date: ",
        "é",
        "\u2028",
    ],
    *[
        "X-Microsoft-Antispam: ",
        "Received-SPF: ",
        "9999",
        "Mon",
        "12:12:60",
        "+9959",
        "(Postfix, from userid ",
        "(qmail ",
    ],
]


def everything(text: str) -> None:
    analyze_as_mha(text)
    try:
        report = analyze(text, trusted_hosts=("*.example",))
    except NotHeaders:
        return
    page(report)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=60).map("".join))
def test_no_input_is_an_error(text: str) -> None:
    everything(text)


@pytest.mark.parametrize("batch", range(MADE // BATCH))
def test_ten_thousand_made_inputs_are_no_error(batch: int) -> None:
    rng = random.Random(batch)
    for _ in range(BATCH):
        everything(made(rng))


def made(rng: random.Random) -> str:
    """Pieces in any order, some of them many times, some cut; now and then any character."""
    parts = [rng.choice(("", "Received: ", "Subject: x\n", "Authentication-Results: ", "From: a@b.example\n"))]
    for _ in range(rng.randrange(60)):
        piece = rng.choice(PIECES)
        match rng.randrange(8):
            case 0:
                piece *= rng.randrange(30)
            case 1:
                piece = piece[: rng.randrange(len(piece) + 1)]
            case 2:
                piece = chr(rng.choice((rng.randrange(128), rng.randrange(0xD800))))
        parts.append(piece)
    return "".join(parts)


REPEATED = [
    *PIECES,
    "a:b\n",
    "Received:x\n",
    "Received: from a (1.2.3.4) by b with SMTP id 1; Fri, 3 Sep 2021 00:42:11 +0000\n",
    "Received: from (((\n",
    "()",
    "=?utf-8?q?=?utf-8?q?",
    "=?a",
    "x",
    " ",
    "\n\n\n",
    "a:\n\n",
    "> > >",
    "Received: x\n\n",
    "DKIM-Signature: h=a:\nb:c\n",
    "1:2:",
    "Authentication-Results: a; b=c (d) e.f=g\n",
    "Authentication-Results: a; dkim=pass header.d=b.c\n",
    "ARC-Seal: i=1; cv=pass\n",
    "From: a@b.example\n",
    "a@b.example, ",
    "a.b.c.d.e.",
]
BEGINNINGS = ["", "Received: from x ", "Subject: ", "Authentication-Results: a; ", "From: "]


def repeated(beginning: str, piece: str, size: int) -> str:
    return (beginning + piece * (size // len(piece) + 1))[:size]


@pytest.mark.parametrize("piece", REPEATED)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_calls_at_most_double_when_the_input_doubles(beginning: str, piece: str) -> None:
    once = calls_of(repeated(beginning, piece, COUNTED_SIZE))
    twice = calls_of(repeated(beginning, piece, 2 * COUNTED_SIZE))
    assert twice <= 2.2 * once + 500


def calls_of(text: str) -> int:
    """Functions called, of Python and of C, in one analysis."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        with contextlib.suppress(NotHeaders):
            analyze(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", REPEATED)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_no_input_keeps_the_analyzer(beginning: str, piece: str) -> None:
    with stopped_after(CPU_SECONDS_MAX), contextlib.suppress(NotHeaders):
        analyze(repeated(beginning, piece, SIZE))


@contextlib.contextmanager
def stopped_after(cpu_seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not done after {cpu_seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
