"""SPF, DKIM, DMARC and ARC as found: results, their alignment with From, and the shape of the chain."""

import pytest

from staffetta.analyzer.alignment import Agreement, agreement_of
from staffetta.analyzer.authentication import verdicts_of
from staffetta.analyzer.fields import read
from staffetta.analyzer.finding import Severity
from staffetta.analyzer.report import analyze

FROM = "From: Ann <ann@contoso.com>\n"


@pytest.mark.parametrize(
    ("domain", "from_domain", "agreement"),
    [
        ("contoso.com", "contoso.com", Agreement.STRICT),
        ("mail.contoso.com", "contoso.com", Agreement.RELAXED),
        ("contoso.com", "news.contoso.com", Agreement.RELAXED),
        ("bounce.contoso.com", "news.contoso.com", Agreement.PERHAPS),
        ("contoso.co.uk", "fabrikam.co.uk", Agreement.PERHAPS),
        ("contoso.com", "fabrikam.com", Agreement.NONE),
        ("evilcontoso.com", "contoso.com", Agreement.NONE),
    ],
)
def test_how_domains_agree(domain: str, from_domain: str, agreement: Agreement) -> None:
    assert agreement_of(domain, from_domain)[0] is agreement


def test_names_side_by_side_are_aligned_under_a_condition() -> None:
    text = f"{FROM}Return-Path: <a@bounce.news.contoso.com>\n".replace("ann@", "ann@mail.news.")
    (row,) = analyze(text).alignments
    assert row.in_words == "aligned where news.contoso.com belongs to one organisation"


RESULTS = (
    "Authentication-Results: mx.fabrikam.com; spf=pass smtp.mailfrom=bounce@mailer.example;"
    " dkim=pass (2048-bit key; unprotected) header.d=news.contoso.com header.i=@news.contoso.com;"
    " dkim=fail header.d=other.example\n"
)


def test_alignment_is_a_row_for_each_domain_that_vouches_or_might() -> None:
    signature = "DKIM-Signature: v=1; a=rsa-sha256; d=third.example; s=x; h=from; bh=; b=\n"
    report = analyze(RESULTS + FROM + signature, trusted_hosts=("mx.fabrikam.com",))
    assert [(row.method, row.domain, row.agreement.value, row.result, row.is_trusted) for row in report.alignments] == [
        ("spf", "mailer.example", "none", "pass", True),
        ("dkim", "news.contoso.com", "relaxed", "pass", True),
        ("dkim", "other.example", "none", "fail", True),
        ("dkim", "third.example", "none", None, False),
    ]
    (found,) = [finding for finding in report.findings if finding.reference == "RFC 7489 §3.1"]
    assert (found.severity, found.field) == (Severity.GOOD, "From")
    assert found.text.startswith("DKIM passes for news.contoso.com")


def test_a_pass_for_a_strange_domain_is_none_for_dmarc() -> None:
    text = RESULTS.replace("news.contoso.com", "mailer.example") + FROM
    found = [each for each in analyze(text, trusted_hosts=("mx.fabrikam.com",)).findings if "DMARC fails" in each.text]
    assert [each.severity for each in found] == [Severity.WARNING]


@pytest.mark.parametrize(
    "undecided",
    [
        "DKIM-Signature: v=1; a=rsa-sha256; d=contoso.com; s=x; h=from; bh=; b=\n",
        "Authentication-Results: other.example; dkim=pass header.d=contoso.com\n",
    ],
)
def test_dmarc_does_not_fail_while_a_domain_that_is_aligned_is_undecided(undecided: str) -> None:
    text = RESULTS.replace("news.contoso.com", "mailer.example") + undecided + FROM
    assert not any("DMARC fails" in each.text for each in analyze(text, trusted_hosts=("mx.fabrikam.com",)).findings)


def test_nothing_is_said_of_dmarc_on_the_word_of_a_stranger() -> None:
    assert not any(finding.reference == "RFC 7489 §3.1" for finding in analyze(RESULTS + FROM).findings)


def test_a_from_with_two_domains_is_told() -> None:
    report = analyze("From: a@contoso.com, b@fabrikam.com\n")
    assert any(
        finding.text.startswith("From names 2 domains, contoso.com, fabrikam.com") for finding in report.findings
    )


def test_a_semicolon_in_a_comment_ends_no_result() -> None:
    (verdict,) = verdicts_of(read(RESULTS))
    assert verdict.results[1].properties == (("header.d", "news.contoso.com"), ("header.i", "@news.contoso.com"))
    assert verdict.results[1].comment == "2048-bit key; unprotected"


def test_received_spf_keeps_the_hyphens_of_its_values() -> None:
    (verdict,) = verdicts_of(
        read(
            "Received-SPF: Pass (mx.contoso.com: domain of x designates) receiver=mx-1.contoso.com;"
            ' client-ip=192.0.2.1; envelope-from="a@mail-out.example"; helo=my-host.example;\n'
        ),
        ("mx-1.contoso.com",),
    )
    assert (verdict.host, verdict.is_trusted) == ("mx-1.contoso.com", True)
    assert dict(verdict.results[0].properties)["envelope-from"] == "a@mail-out.example"


def arc(instance: int, chain: str) -> str:
    return (
        f"ARC-Seal: i={instance}; a=rsa-sha256; d=m{instance}.example; s=x; cv={chain}; b=abc\n"
        f"ARC-Message-Signature: i={instance}; a=rsa-sha256; d=m{instance}.example; s=x; h=from; bh=a; b=b\n"
        f"ARC-Authentication-Results: i={instance}; mx{instance}.example 1; spf=pass smtp.mailfrom=d.example;"
        " arc=none\n"
    )


def test_the_chain_is_shown_as_found_the_first_set_first() -> None:
    chain = analyze(arc(2, "pass") + arc(1, "none") + FROM, trusted_hosts=("*.example",)).chain
    assert [(each.instance, each.sealed_by, each.chain, each.host, each.problem) for each in chain] == [
        (1, "m1.example", "none", "mx1.example", None),
        (2, "m2.example", "pass", "mx2.example", None),
    ]
    assert [result.result for result in chain[0].results] == ["pass", "none"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (arc(2, "pass"), "it stands where instance 1 should"),
        (arc(1, "none").partition("\n")[2], "ARC-Seal is missing"),
        (arc(1, "none") * 2, "ARC-Seal is there more than once"),
        (arc(1, "pass"), "its seal says cv=pass"),
        (arc(2, "none") + arc(1, "none"), "its seal says cv=none"),
        (arc(2, "fail") + arc(1, "none"), "m2.example, who sealed set 2, found the sets before it wrong"),
    ],
)
def test_what_is_wrong_with_a_chain_is_told(text: str, told: str) -> None:
    found = [finding for finding in analyze(text + FROM).findings if told in finding.text]
    assert [(each.severity, each.field) for each in found] == [(Severity.ERROR, "ARC-Seal")]


def test_what_arc_recorded_is_trusted_by_nobody() -> None:
    (verdict,) = verdicts_of(read(arc(1, "none")), ("mx1.example",))
    assert (verdict.instance, verdict.is_trusted) == (1, False)
