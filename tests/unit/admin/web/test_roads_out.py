"""Domains and roads out: records expected and found, the order of rules, validation, cards of accounts."""

import re

import pytest

from staffetta.settings.model import Dns, Listener, ListenerKind
from tests.dns_server import DnsServer
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.admin.web.test_wizard import START, Wizard
from tests.unit.operations.dns import serving
from tests.unit.operations.office import Office

ORDER = "/route-rules/order"


def rules(office: Office) -> list[str]:
    return [row["Name"] for row in office("Get-RouteRule")]


@pytest.fixture
def three(site: Console) -> None:
    for name in ("a", "b", "c"):
        site.office("New-RouteRule", Name=name, Route="inside")


def test_rules_are_moved_by_buttons(ada: Browser, site: Console, three: None) -> None:
    ada.get(ORDER)
    form = {**ada.form(ORDER), "id": ["a", "b", "c"]}
    ada.post(ORDER, {**form, "up": "c"})
    assert (ada.status, ada.location) == (303, ORDER)
    assert rules(site.office) == ["a", "c", "b"]
    ada.get(ORDER)
    ada.post(ORDER, {**ada.form(ORDER), "id": ["a", "c", "b"], "down": "a"})
    assert rules(site.office) == ["c", "a", "b"]


def test_rules_are_written_in_the_order_that_was_dropped(ada: Browser, site: Console, three: None) -> None:
    ada.get(ORDER)
    ada.post(ORDER, {**ada.form(ORDER), "id": ["b", "c", "a"]})
    assert rules(site.office) == ["b", "c", "a"]
    assert [row["Priority"] for row in site.office("Get-RouteRule")] == [9, 19, 29]


def test_a_domain_s_records_stand_beside_what_is_expected(ada: Browser, site: Console) -> None:
    zone = {
        ("contoso.com", "MX"): ["10 elsewhere.test."],
        ("contoso.com", "TXT"): ['"v=spf1 a:relay.example.org -all"'],
    }
    with serving(DnsServer(zone)) as dns:
        site.office.settings = site.office.settings.model_copy(update={"dns": Dns(servers=(dns.address,))})
        page = ada.get("/accepted-domains/dns?id=contoso.com")
    assert ada.status == 200, page
    assert "contoso.com. IN MX 0 contoso-com.mail.relay.example.org." in page
    assert "10 elsewhere.test" in page
    assert "Its mail goes elsewhere" in page
    assert "It names this relay." in page
    assert "do not find the relay by this name" in page


def test_lists_lead_there(ada: Browser, site: Console) -> None:
    assert "/accepted-domains/dns?id=contoso.com" in ada.get("/accepted-domains?show=contoso.com")
    assert ORDER in ada.get("/route-rules")
    assert "New-InboundConnector -Name" in ada.get("/outbound-connectors/exchange")


def test_a_recipient_is_wanted_and_an_error_stands_beside_it(ada: Browser, site: Console) -> None:
    site.office("New-OutboundConnector", Name="out", RecipientDomains="*", UseMXRecord=False, SmartHosts="192.0.2.1")
    path = "/outbound-connectors/do/Validate-OutboundConnector"
    assert path in ada.get("/outbound-connectors?show=out")
    ada.send(path, f"{path}?id=out", Recipients="")
    assert ada.status == 422
    assert 'id="field-Recipients-error"' in ada.text


def test_an_account_s_card_has_the_password_once(ada: Browser, site: Console) -> None:
    submit = Listener(name="submit", address="0.0.0.0:587", kind=ListenerKind.SUBMISSION)
    site.office.settings = site.office.settings.model_copy(update={"listeners": (submit,)})
    site.office("New-SmtpAccount", UserName="scanner@contoso.com")
    path = "/accounts/card"
    ada.send(path, f"{path}?id=scanner@contoso.com")
    assert ada.status == 303, ada.text
    shown = ada.follow()
    found = re.search(r"<dt>Password</dt><dd><code>(\S+)</code>", shown)
    assert found is not None, shown
    assert found[1] not in ada.get(f"{path}?id=scanner@contoso.com")
    assert "data:image/svg+xml" in ada.text


def test_the_review_towards_microsoft_shows_what_to_run_there(ada: Browser) -> None:
    wizard = Wizard(ada, f"{START}?Need=microsoft&RecipientDomains=*&Name=To+Exchange")
    wizard.press()
    wizard.press()
    review = wizard.press(**{"SmartHosts.new": "contoso-com.mail.protection.outlook.com"})
    assert wizard.step == "review", review
    assert "New-InboundConnector -Name &#39;From relay.example.org&#39; -ConnectorType OnPremises" in review
