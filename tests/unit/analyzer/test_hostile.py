"""Whatever is pasted, the analyzer neither fails nor takes long."""

import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staffetta.analyzer.fields import NotHeaders
from staffetta.analyzer.mha import analyze_as_mha
from staffetta.analyzer.page import page
from staffetta.analyzer.report import analyze

SIZE = 100 * 1024
SECONDS_MAX = 0.05
PATIENCE = 6  # the machine has other work; a square would take a hundred times as long
ATTEMPTS = 3
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


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=60).map("".join))
def test_no_input_is_an_error(text: str) -> None:
    everything(text)


@pytest.mark.parametrize(
    "piece",
    [
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
        "a.b.c.d.e.",
    ],
)
@pytest.mark.parametrize("beginning", ["", "Received: from x ", "Subject: ", "Authentication-Results: a; "])
def test_time_grows_with_the_length_alone(beginning: str, piece: str) -> None:
    text = (beginning + piece * (SIZE // len(piece)))[:SIZE]
    # The best of a few: a collection of what thousands of other tests left is no work of the analyzer's.
    assert any(seconds_of(text) < SECONDS_MAX * PATIENCE for _ in range(ATTEMPTS))


def seconds_of(text: str) -> float:
    """CPU time of one analysis."""
    start = time.process_time()
    with contextlib.suppress(NotHeaders):
        analyze(text)
    return time.process_time() - start
