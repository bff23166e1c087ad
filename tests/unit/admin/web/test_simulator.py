"""Simulator: facts in, the decision, why, and what would change it."""

from tests.unit.admin.web.browser import Browser, Console

STRANGER = {"IP": "192.0.2.9", "From": "printer@contoso.com", "To": "eve@outside.test"}
ASKED = "/simulator?IP=192.0.2.200&From=printer@contoso.com&To=eve@outside.test"


def test_a_refusal_says_why_and_which_command_would_let_it_in(ada: Browser) -> None:
    page = ada.send("/simulator", **STRANGER)
    assert ada.status == 200
    assert "</span> Not accepted</span>" in page
    assert 'href="/connectors?show=Declared"' in page
    assert "New-InboundConnector" in page.split("What would let it in")[1]


def test_a_link_with_facts_is_answered_and_says_the_road(ada: Browser) -> None:
    page = ada.get(ASKED.replace("eve@outside.test", "bob@contoso.com"))
    assert "</span> Accepted</span>" in page
    assert "inside\\inside" in page.split("The road that it would take")[1]
    assert "Test-Relay -IP 192.0.2.200" in page


def test_what_is_wrong_stands_beside_its_field(ada: Browser) -> None:
    page = ada.send("/simulator", **{**STRANGER, "IP": "nonsense"})
    assert ada.status == 422
    assert 'id="field-IP-error"' in page


def test_what_is_missing_is_asked_for(ada: Browser) -> None:
    ada.get("/simulator?IP=192.0.2.200")
    assert ada.status == 200
    page = ada.send("/simulator", **{**STRANGER, "To": ""})
    assert ada.status == 422
    assert 'value="192.0.2.9"' in page


def test_a_certificate_is_pasted_with_its_lines(ada: Browser) -> None:
    page = ada.send("/simulator", **STRANGER, Certificate="-----BEGIN CERTIFICATE-----\r\nAAAA\r\n")
    assert ada.status == 422
    assert 'id="field-Certificate-error"' in page
    assert "-----BEGIN CERTIFICATE-----\nAAAA" in page


def test_who_may_not_simulate_is_told_what_is_missing(site: Console) -> None:
    auditor = site.signed_in("com", "Compliance Management")
    assert "needs the role" in auditor.get("/simulator")
    assert auditor.status == 403
