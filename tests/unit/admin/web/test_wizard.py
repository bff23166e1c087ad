"""The wizard: clicked as Exchange's is, what was typed is kept, errors stand beside the field, the end makes it."""

import re
from typing import Any

import pytest

from tests.unit.admin.web.browser import Browser, Console

START = "/connectors/add"


class Wizard:
    """Somebody in front of it, who presses buttons."""

    def __init__(self, browser: Browser, start: str = START) -> None:
        self.browser = browser
        browser.get(start)
        assert browser.status == 303, browser.text
        self.at = browser.location
        browser.follow()

    @property
    def step(self) -> str:
        return self.at.rpartition("/")[2]

    def press(self, button: str = "next", **typed: Any) -> str:
        page = self.browser.post(self.at, {**self.browser.form(self.at), **typed, "do": button})
        if self.browser.status == 303:
            self.at = self.browser.location
            page = self.browser.follow()
        return page


def names(site: Console) -> list[str]:
    return [row["Name"] for row in site.office("Get-InboundConnector")]


def test_the_article_s_connector_by_address(ada: Browser, site: Console) -> None:
    wizard = Wizard(ada)
    assert wizard.step == "scenario"
    wizard.press(Need="", From="own", To="relay")
    wizard.press(Name="SMTP Relay", Comment="third floor")
    assert wizard.step == "identify"
    wizard.press(**{"Identify": "addresses", "SenderIPAddresses.new": "192.0.2.7"})  # without pressing +
    assert wizard.step == "rules"
    review = wizard.press()
    assert wizard.step == "review"
    assert "Clients are known by their address: 192.0.2.7" in review
    assert "Example: 192.0.2.7 sends from postmaster@contoso.com" in review
    assert "New-InboundConnector -Name &#39;SMTP Relay&#39;" in review
    assert names(site) == ["Declared"]
    made = wizard.press("create")
    assert ada.status == 200, made
    assert "The connector was created." in made
    (row,) = site.office("Get-InboundConnector", Identity="SMTP Relay")
    assert (row["SenderIPAddresses"], row["ConnectorType"], row["Enabled"]) == (["192.0.2.7"], "OnPremises", True)
    assert (row["ConnectorSource"], row["Comment"], row["CloudServicesMailEnabled"]) == (
        "AdminUI",
        "third floor",
        False,
    )


def test_the_article_s_connector_by_certificate(ada: Browser, site: Console) -> None:
    wizard = Wizard(ada)
    wizard.press(Need="server")
    assert 'name="CloudServicesMailEnabled" value="true" checked' in wizard.browser.text.replace(
        ' aria-describedby="field-CloudServicesMailEnabled-help"', ""
    )
    wizard.press(Name="By certificate")
    wizard.press(TlsSenderCertificateName="*.contoso.com")
    wizard.press()
    wizard.press("create")
    (row,) = site.office("Get-InboundConnector", Identity="By certificate")
    assert (row["TlsSenderCertificateName"], row["RequireTls"]) == ("*.contoso.com", True)
    assert row["CloudServicesMailEnabled"] is True


def test_values_are_added_told_of_and_removed(ada: Browser) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer")
    wizard.press(Name="Printers")
    page = wizard.press("add", **{"SenderIPAddresses.new": "10.0.0.5"})
    assert (wizard.step, ada.status) == ("identify", 200)
    assert "never seen from behind a router" in page
    assert 'name="SenderIPAddresses" value="10.0.0.5"' in page
    page = wizard.press("remove:10.0.0.5")
    assert 'value="10.0.0.5"' not in page


@pytest.mark.parametrize("button", ["add", "next"])
def test_a_wrong_value_stays_in_its_field_with_the_error_beside_it(ada: Browser, button: str) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer")
    wizard.press(Name="Printers")
    page = wizard.press(button, **{"SenderIPAddresses.new": "192.0.2.256"})
    assert ada.status == 422
    assert 'id="field-SenderIPAddresses-error"' in page
    assert ada.form(wizard.at)["SenderIPAddresses.new"] == "192.0.2.256"
    assert "SenderIPAddresses" not in ada.form(wizard.at)


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"Name": ""}, "Name", "Write a name"),
        ({"Name": "declared"}, "Name", "is there already"),
        ({"Name": "Printers"}, "SenderIPAddresses", "Add one address at least"),
        ({"Name": "Printers", "Identify": "certificate"}, "TlsSenderCertificateName", "Write the name in the"),
        (
            {"Name": "P", "Identify": "certificate", "TlsSenderCertificateName": "mail.*.contoso.com"},
            "TlsSenderCertificateName",
            "a wildcard stands alone in front",
        ),
        (
            {"Name": "P", "SenderIPAddresses.new": "192.0.2.7", "AssociatedAcceptedDomains": "tailspin.com"},
            "AssociatedAcceptedDomains",
            "is not an accepted domain",
        ),
        (
            {"Name": "P", "SenderIPAddresses.new": "192.0.2.7", "SenderRewriting": "force"},
            "SenderRewriting",
            "no RewrittenSender",
        ),
    ],
)
def test_errors_stand_beside_their_field(ada: Browser, typed: dict[str, str], field: str, words: str) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer")
    for _ in range(3):
        fields = ada.form(wizard.at)
        here = {name: value for name, value in typed.items() if name.partition(".")[0] in _FIELDS[wizard.step]}
        page = wizard.press(**{**fields, **here})
        if ada.status == 422:
            break
    assert ada.status == 422
    found = re.search(rf'id="field-{field}-error">.*?</p>', page, re.DOTALL)
    assert found is not None, page
    assert words in found[0]


_FIELDS = {
    "name": {"Name"},
    "identify": {"Identify", "TlsSenderCertificateName", "SenderIPAddresses"},
    "rules": {"AssociatedAcceptedDomains", "SenderRewriting"},
}


def test_back_and_the_steps_above_keep_all(ada: Browser) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer")
    wizard.press(Name="Printers")
    wizard.press("back", **{"SenderIPAddresses.new": "192.0.2.7"})
    assert (wizard.step, ada.form(wizard.at)["Name"]) == ("name", "Printers")
    wizard.press()
    assert ada.form(wizard.at)["SenderIPAddresses"] == "192.0.2.7"
    wizard.press()
    wizard.press("goto:name", AssociatedAcceptedDomains="contoso.com")
    wizard.press(Name="Printers 2")
    wizard.press()
    assert ada.form(wizard.at)["AssociatedAcceptedDomains"] == "contoso.com"


def test_the_need_fills_in_what_goes_with_it(ada: Browser) -> None:
    wizard = Wizard(ada)
    wizard.press(Need="partner")
    wizard.press(Name="Tailspin")
    assert wizard.step == "partner"
    assert ada.form(wizard.at)["RequireTls"] == "true"
    wizard.press(SenderDomains="tailspin.com")
    assert "It refuses mail from tailspin.com that comes without TLS" in ada.text


def test_an_outbound_connector_is_made_too(ada: Browser, site: Console) -> None:
    wizard = Wizard(ada, f"{START}?Need=microsoft")
    wizard.press(Name="To Exchange")
    wizard.press(RecipientDomains="*")
    wizard.press(**{"SmartHosts.new": "contoso-com.mail.protection.outlook.com"})
    assert wizard.step == "review", ada.text
    wizard.press("create")
    (row,) = site.office("Get-OutboundConnector", Identity="To Exchange")
    assert row["SmartHosts"] == ["contoso-com.mail.protection.outlook.com"]
    assert (row["TlsSettings"], row["TlsDomain"]) == ("DomainValidation", "mail.protection.outlook.com")


def test_from_a_place_to_itself_there_is_no_connector(ada: Browser) -> None:
    wizard = Wizard(ada)
    wizard.press(Need="", From="relay", To="relay")
    assert ada.status == 422
    assert "no connector is needed" in ada.text


def test_created_twice_is_created_once(ada: Browser, site: Console) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer&SenderIPAddresses=192.0.2.7")
    wizard.press(Name="Printers")
    wizard.press()
    wizard.press()
    review = wizard.at
    form = {**ada.form(review), "do": "create"}
    ada.post(review, form)
    first = ada.location
    ada.post(review, form)
    assert (ada.status, ada.location) == (303, first)
    ada.get(review)  # the browser's back button
    assert (ada.status, ada.location) == (303, first)
    assert names(site).count("Printers") == 1


def test_a_draft_is_its_visitor_s_and_one_that_is_forgotten_says_so(ada: Browser, site: Console) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer")
    other = site.signed_in("eve", "Organization Management")
    other.get(wizard.at)
    assert (other.status, other.location) == (303, START)
    assert "no longer kept" in other.get("/connectors")


def test_who_may_not_make_one_is_told(site: Console) -> None:
    viewer = site.signed_in("vic", "View-Only Organization Management")
    viewer.get(START)
    assert viewer.status == 403
    assert "Organization Management" in viewer.text


def test_a_value_is_looked_at_while_it_is_typed(ada: Browser) -> None:
    piece = ada.get("/connectors/check?name=SenderIPAddresses&value=192.0.2.200")
    assert ada.status == 200
    assert "Connector &#39;Declared&#39; has the same" in piece
    assert "<html" not in piece
    assert ada.get("/connectors/check?name=Comment&value=x").strip() == ""


def test_markup_in_what_was_typed_is_shown_as_text(ada: Browser) -> None:
    wizard = Wizard(ada, f"{START}?Need=printer&SenderIPAddresses=192.0.2.7")
    wizard.press(Name="<script>alert(1)</script>")
    wizard.press()
    wizard.press()
    assert "<script>alert" not in ada.text
    assert "<script>alert" not in wizard.press("create")


def test_the_card_and_the_test_of_a_connector(ada: Browser) -> None:
    page = ada.get("/connectors/created?id=declared&test=1&SenderIPAddress=192.0.2.200")
    assert ada.status == 200, page
    assert "This connector" in page
    ada.get("/connectors/created?id=declared&test=1&SenderIPAddress=nowhere")
    assert ada.status == 422
    assert 'id="field-SenderIPAddress-error"' in ada.text
    ada.get("/connectors/created?id=nobody")
    assert ada.status == 404


# Changing what is there.


def test_an_edit_begins_at_its_step_and_changes_what_was_changed_alone(ada: Browser, site: Console) -> None:
    site.office("New-InboundConnector", **PRINTERS)
    wizard = Wizard(ada, "/connectors/edit?id=Printers&step=identify")
    assert wizard.step == "identify"
    assert "192.0.2.7" in ada.text
    wizard.press("save", **{"SenderIPAddresses.new": "192.0.2.8"})
    assert "It was saved." in ada.text
    (row,) = site.office("Get-InboundConnector", Identity="Printers")
    assert row["SenderIPAddresses"] == ["192.0.2.7", "192.0.2.8"]
    assert {name: row[name] for name in KEPT} == KEPT
    (entry, *_) = site.office("Search-AdminAuditLog", ObjectIds="Printers", Cmdlets="Set-InboundConnector")
    assert {name for name in entry["After"] if entry["After"][name] != entry["Before"][name]} <= {
        "sender_ip_addresses",
        "SenderIPAddresses",
    }


PRINTERS = {
    "Name": "Printers",
    "ConnectorType": "OnPremises",
    "SenderDomains": ["contoso.com"],
    "SenderIPAddresses": ["192.0.2.7"],
    "Comment": "third floor\nnext to the stairs",
    "TreatMessagesAsInternal": True,
    "MessagesPerMinute": "30",
}
KEPT = {
    "Comment": "third floor\nnext to the stairs",
    "TreatMessagesAsInternal": True,
    "MessagesPerMinute": 30,
    "SenderDomains": ["smtp:contoso.com;1"],
    "Enabled": True,
}


@pytest.mark.parametrize(
    ("step", "typed", "expected"),
    [
        ("name", {"Name": "Copiers", "Comment": ""}, {"Name": "Copiers", "Comment": ""}),
        ("rules", {"MessagesPerMinute": ""}, {"MessagesPerMinute": None}),
        ("rules", {"MessagesPerMinute": "60", "RequireTls": "true"}, {"MessagesPerMinute": 60, "RequireTls": True}),
        (
            "identify",
            {"Identify": "certificate", "TlsSenderCertificateName": "a.contoso.com, b.contoso.com"},
            {
                "TlsSenderCertificateName": ["a.contoso.com", "b.contoso.com"],
                "SenderIPAddresses": [],
                "RequireTls": True,
            },
        ),
    ],
)
def test_a_step_of_an_edit_is_saved(
    ada: Browser, site: Console, step: str, typed: dict[str, str], expected: dict[str, object]
) -> None:
    site.office("New-InboundConnector", **PRINTERS)
    wizard = Wizard(ada, f"/connectors/edit?id=Printers&step={step}")
    wizard.press("save", **typed)
    assert "It was saved." in ada.text
    (row,) = site.office("Get-InboundConnector", Identity=str(expected.get("Name", "Printers")))
    assert {name: row[name] for name in expected} == expected


def test_an_edit_without_a_change_changes_nothing(ada: Browser, site: Console) -> None:
    site.office("New-InboundConnector", **PRINTERS)
    before = site.office("Get-InboundConnector", Identity="Printers")
    for step in ("name", "identify", "rules"):
        Wizard(ada, f"/connectors/edit?id=Printers&step={step}").press("goto:review")
        assert "New-InboundConnector" not in ada.text
        wizard = Wizard(ada, f"/connectors/edit?id=Printers&step={step}")
        wizard.press("save")
    (after,) = site.office("Get-InboundConnector", Identity="Printers")
    assert {**after, "WhenChangedUTC": ""} == {**before[0], "WhenChangedUTC": ""}


def test_who_saves_after_somebody_else_is_told(ada: Browser, site: Console) -> None:
    site.office("New-InboundConnector", **PRINTERS)
    wizard = Wizard(ada, "/connectors/edit?id=Printers&step=rules")
    site.office("Set-InboundConnector", Identity="Printers", Comment="meanwhile")
    wizard.press("save", MessagesPerMinute="60")
    assert ada.status == 409
    assert "Somebody else changed it meanwhile" in ada.text
    (row,) = site.office("Get-InboundConnector", Identity="Printers")
    assert (row["MessagesPerMinute"], row["Comment"]) == (30, "meanwhile")


def test_a_wrong_value_stands_beside_its_field_in_an_edit_too(ada: Browser, site: Console) -> None:
    site.office("New-InboundConnector", **PRINTERS)
    wizard = Wizard(ada, "/connectors/edit?id=Printers&step=rules")
    wizard.press("save", MessagesPerMinute="many")
    assert ada.status == 422
    assert 'id="field-MessagesPerMinute-error"' in ada.text


def test_what_stands_in_the_settings_file_is_not_edited_here(ada: Browser) -> None:
    ada.get("/connectors/edit?id=Declared")
    assert ada.location == "/connectors?show=Declared"
    assert "It stands in the settings file" in ada.follow()


def test_an_outbound_connector_is_edited_by_its_steps(ada: Browser, site: Console) -> None:
    site.office(
        "New-OutboundConnector",
        Name="Out",
        RecipientDomains=["partner.test"],
        UseMXRecord=False,
        SmartHosts=["192.0.2.25"],
        SmtpDaneMode="None",
    )
    wizard = Wizard(ada, "/outbound-connectors/edit?id=Out&step=routing")
    wizard.press("save", Routing="mx", TlsSettings="EncryptionOnly")
    assert "It was saved." in ada.text
    (row,) = site.office("Get-OutboundConnector", Identity="Out")
    assert (row["UseMXRecord"], row["SmartHosts"], row["TlsSettings"]) == (True, [], "EncryptionOnly")
    assert (row["SmtpDaneMode"], row["RecipientDomains"]) == ("None", ["partner.test"])
    Wizard(ada, "/outbound-connectors/edit?id=Out&step=use").press("save", Use="rules")
    (row,) = site.office("Get-OutboundConnector", Identity="Out")
    assert (row["IsTransportRuleScoped"], row["RecipientDomains"]) == (True, [])


def test_a_connector_takes_a_route_of_the_settings_file(ada: Browser, site: Console) -> None:
    wizard = Wizard(ada, "/connectors/add?Need=mailbox&Name=Mailbox")
    wizard.press()
    wizard.press()
    assert wizard.step == "routing"
    assert "exchange-submission" in ada.text
    wizard.press()
    assert 'id="field-Route-error"' in ada.text
    wizard.press(Route=site.office.settings.routes[0].name)
    wizard.press("create")
    (row,) = site.office("Get-OutboundConnector", Identity="Mailbox")
    assert row["Route"] == site.office.settings.routes[0].name


def test_outbound_connectors_are_listed_in_words_and_switched(ada: Browser, site: Console) -> None:
    site.office("New-OutboundConnector", Name="Out", RecipientDomains=["partner.test"], Comment="to <b>them</b>")
    page = ada.get("/outbound-connectors?show=Out")
    for words in ("Mail exchangers", "TLS if offered", "Not validated", "to &lt;b&gt;them&lt;/b&gt;"):
        assert words in page
    assert "/outbound-connectors/edit?id=Out&amp;step=routing" in page
    ada.get("/outbound-connectors/switch?id=Out&to=off")
    ada.post("/outbound-connectors/switch", ada.form("/outbound-connectors/switch"))
    (row,) = site.office("Get-OutboundConnector", Identity="Out")
    assert row["Enabled"] is False


@pytest.mark.parametrize(("need", "path"), [("printer", "/connectors"), ("smarthost", "/outbound-connectors")])
def test_the_menu_shows_where_the_connector_will_stand(ada: Browser, need: str, path: str) -> None:
    Wizard(ada, f"/connectors/add?Need={need}")
    assert f'<a href="{path}" aria-current="page"' in ada.text
    assert ada.text.count('aria-current="page"') == 1
