"""What the headers mean, in words."""

import pytest

from staffetta.analyzer.authentication import Result, is_named, verdicts_of
from staffetta.analyzer.exchange import exchange_of
from staffetta.analyzer.fields import FIELDS_MAX, LINES_MAX, read
from staffetta.analyzer.finding import Severity
from staffetta.analyzer.hops import HOPS_MAX
from staffetta.analyzer.page import page
from staffetta.analyzer.report import analyze
from staffetta.analyzer.reports import decode_report

FRONT_DOOR = (
    "Received: from relay.contoso.com (203.0.113.7) by DM6.mail.protection.outlook.com (10.13.173.67)"
    " with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_X) id 15.20 via Frontend Transport;"
    " Fri, 3 Sep 2021 02:42:11 +0000\n"
)
RELAY = (
    "Received: from app (10.1.2.3) by relay.contoso.com (10.1.2.4) with ESMTP id 1; Fri, 3 Sep 2021 00:32:11 +0000\n"
)
LAST = "Received: from out.example (40.107.1.2) by mx.fabrikam.com with ESMTPS id 2; Fri, 3 Sep 2021 02:42:15 +0000\n"
BY_CONNECTOR = (
    "X-MS-Exchange-CrossTenant-FromEntityHeader: HybridOnPrem\n"
    "X-MS-Exchange-CrossTenant-AuthAs: Anonymous\n"
    "X-EOPTenantAttributedMessage: 11111111-2222-3333-4444-555555555555:0\n"
    "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp:"
    " TenantId=11111111-2222-3333-4444-555555555555;Ip=[203.0.113.7];Helo=[relay.contoso.com]\n"
)
RESULTS = (
    "Authentication-Results: mx.fabrikam.com 1; spf=fail (sender IP is 203.0.113.7) smtp.mailfrom=contoso.com;"
    " dkim=pass header.d=contoso.com\n"
)


def sentences(text: str, *trusted: str) -> dict[str, Severity]:
    return {finding.text: finding.severity for finding in analyze(text, trusted_hosts=trusted).findings}


def test_a_long_wait_is_told_with_its_hop() -> None:
    found = sentences(LAST + FRONT_DOOR + RELAY)
    told = "Hop 2 waited 2 h 10 min before DM6.mail.protection.outlook.com had the message."
    assert found[told] is Severity.WARNING


def test_mail_that_a_connector_let_in_was_relayed_as_intended() -> None:
    found = sentences(LAST + FRONT_DOOR + RELAY + BY_CONNECTOR)
    assert any("relayed as intended" in text and severity is Severity.GOOD for text, severity in found.items())
    assert "A connector of the organisation let in relay.contoso.com (203.0.113.7)." in found


def test_mail_from_the_internet_did_not_pass_through_the_connector() -> None:
    found = sentences(FRONT_DOOR + RELAY + "X-MS-Exchange-CrossTenant-FromEntityHeader: Internet\n")
    assert any(text.startswith("This message did not pass through the connector") for text in found)
    assert not any("as intended" in text for text in found)


def test_without_exchange_fields_nothing_is_said_of_connectors() -> None:
    assert not any("connector" in text for text in sentences(FRONT_DOOR + RELAY))


def test_a_wrong_clock_is_told() -> None:
    found = sentences(LAST + FRONT_DOOR.replace("02:42:11", "03:42:11") + RELAY)
    assert any("clock of hop 2" in text and "59 min 56 s ahead" in text for text in found)


def test_results_count_from_trusted_hosts_alone() -> None:
    assert (
        sentences(RESULTS + RELAY, "mx.fabrikam.com")["mx.fabrikam.com says SPF fail (sender IP is 203.0.113.7)."]
        is Severity.ERROR
    )
    doubted = [text for text, severity in sentences(RESULTS + RELAY).items() if "SPF" in text]
    assert doubted == [
        "mx.fabrikam.com says SPF fail (sender IP is 203.0.113.7); nothing shows that this host can be trusted."
    ]


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        ("mx.contoso.com", True),
        ("MX.Contoso.com.", True),
        ("a.fabrikam.com", True),
        ("fabrikam.com", False),
        ("evilfabrikam.com", False),
        ("mx.contoso.com.evil.example", False),
        (None, False),
    ],
)
def test_who_is_trusted(host: str | None, is_trusted: bool) -> None:
    assert is_named(host, ("mx.contoso.com", "*.fabrikam.com")) is is_trusted


def test_results_of_exchange_without_a_host_are_read_and_never_trusted() -> None:
    section = read(
        "Authentication-Results: spf=pass (sender IP is 203.0.113.7) smtp.mailfrom=d.example; dkim=none (message not "
        "signed) header.d=none;dmarc=pass action=none header.from=d.example;compauth=pass reason=100\n"
    )
    (verdict,) = verdicts_of(section, ("*.outlook.com",))
    assert (verdict.host, verdict.is_trusted) == (None, False)
    assert [(each.method, each.result) for each in verdict.results] == [
        ("spf", "pass"),
        ("dkim", "none"),
        ("dmarc", "pass"),
        ("compauth", "pass"),
    ]
    assert verdict.results[0] == Result("spf", "pass", (("smtp.mailfrom", "d.example"),), "sender IP is 203.0.113.7")


def test_reports_of_the_filters_are_decoded() -> None:
    entries = decode_report("CIP:2001:db8::1;CTRY:US;scl:5;SRV:;IPV:NLI;SFV:SPM;X:(null);ODD:1;SFS:(1)(2);DIR:INB;")
    assert [(each.key, each.value, each.meaning) for each in entries] == [
        ("CIP", "2001:db8::1", ""),
        ("CTRY", "US", ""),
        ("SCL", "5", "spam"),
        ("IPV", "NLI", "the address is on no list"),
        ("SFV", "SPM", "spam"),
        ("ODD", "1", ""),
        ("SFS", "(1)(2)", ""),
        ("DIR", "INB", "incoming"),
    ]


def test_exchange_fields_tell_whose_the_message_was_taken_for() -> None:
    exchange = exchange_of(read(BY_CONNECTOR))
    assert exchange.tenant_id == "11111111-2222-3333-4444-555555555555"
    assert (exchange.attributed_address, exchange.attributed_name) == ("203.0.113.7", "relay.contoso.com")
    assert (exchange.auth_as, exchange.came_by_connector) == ("Anonymous", True)


def test_the_page_escapes_what_the_message_says_and_loads_nothing() -> None:
    evil = "<script>alert(1)</script>"
    text = f"Subject: {evil}\nX-Other: {evil}\nReceived: from {evil} by {evil} ({evil}) with {evil}; {evil}\n"
    text += f"Authentication-Results: {evil} 1; spf=fail ({evil})\nX-Forefront-Antispam-Report: {evil}:{evil};\n"
    html = page(analyze(text))
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "&lt;script&gt;" in html


DIRECT = (
    "From: Boss <boss@contoso.com>\nTo: clerk@contoso.com\n"
    "X-MS-Exchange-Organization-AuthAs: Anonymous\nX-MS-Exchange-CrossTenant-FromEntityHeader: Internet\n"
)


def marks_of_direct_send(text: str) -> list[str]:
    return [finding.field for finding in analyze(text).findings if "Direct Send" in finding.text]


def test_direct_send_is_told_by_its_marks() -> None:
    assert marks_of_direct_send(FRONT_DOOR + RELAY + DIRECT) == ["X-MS-Exchange-Organization-AuthAs"]


@pytest.mark.parametrize(
    ("marked", "instead"),
    [("boss@contoso.com", "boss@fabrikam.com"), ("Anonymous", "Internal"), ("Internet", "HybridOnPrem")],
)
def test_without_one_of_its_marks_it_is_no_direct_send(marked: str, instead: str) -> None:
    assert marks_of_direct_send(FRONT_DOOR + RELAY + DIRECT.replace(marked, instead)) == []


def test_fields_of_own_servers_that_were_taken_away_are_told() -> None:
    found = sentences(RELAY + "X-CrossPremisesHeadersFiltered: DM6.prod.outlook.com\n")
    assert any(text.startswith("DM6.prod.outlook.com took away the fields") for text in found)


def test_a_reason_of_composite_authentication_is_put_into_words() -> None:
    found = sentences("Authentication-Results: spf=pass; compauth=fail reason=601\n" + RELAY)
    assert any("COMPAUTH fail (reason 601: not authenticated, and the sending domain" in text for text in found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("X-A: b\n" * (FIELDS_MAX + 1), "fields at most"),
        ("Received: by a\n" * (HOPS_MAX + 1), "It is a loop"),
        ("Received: by a\n" + " folded\n" * LINES_MAX, "fields at most"),
        ("Received: by a\n\n" + "body\n" * LINES_MAX, None),
    ],
)
def test_what_was_not_read_is_told(text: str, told: str | None) -> None:
    report = analyze(text)
    assert report.is_cut is (told is not None)
    assert told is None or any(told in finding.text for finding in report.findings)


def test_every_finding_names_a_field_and_a_document() -> None:
    text = LAST + FRONT_DOOR + RELAY + BY_CONNECTOR + RESULTS + DIRECT + "X-Forefront-Antispam-Report: SFV:SPM;IPV:CAL;"
    for finding in analyze(text, trusted_hosts=("mx.fabrikam.com",)).findings:
        assert finding.field and (finding.reference.startswith(("RFC ", "Microsoft Learn: ")))


def test_a_date_after_the_first_hop_is_told() -> None:
    found = sentences(RELAY + "Date: Fri, 3 Sep 2021 08:32:11 +0000\n")
    assert "Date is 8 h after hop 1 had the message: the sender's clock or zone is wrong." in found
    assert not any(text.startswith("Date is") for text in sentences(RELAY + "Date: Fri, 3 Sep 2021 00:32:12 +0000\n"))


def test_headers_below_other_text_are_told() -> None:
    assert "The headers stand below 1 line of other text." in sentences("Why is it late?\n\n" + RELAY)
