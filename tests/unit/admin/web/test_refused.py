"""Refused: a list with the explanation beside it, and the wizard filled in with what was seen."""

import re
import time

import pytest

from staffetta.mail.queue_id import make_number, to_text
from staffetta.trace.events import Refusal
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import refused


def refusal(peer: str, *, sender: str = "scan@contoso.com", reason: str = "relay denied", **evidence: str) -> Refusal:
    return Refusal(
        at=time.time(),
        session_id=to_text(make_number(int(time.time() * 1e6), 0, 0)),
        listener="relay",
        peer_address=peer,
        helo="device",
        tls=None,
        reverse_path=sender,
        forward_path="eve@outside.example",
        reply="550 5.7.64 TenantAttribution; Relay Access Denied",
        reason=reason,
        evidence={"peer": peer, "sender_domain": "contoso.com", "recipient_domain": "outside.example", **evidence},
    )


@pytest.fixture
def site(site: Console) -> Console:
    site.office.now = time.time
    refused(
        site.office.settings,
        refusal("192.0.2.77"),
        refusal("192.0.2.77", sender="fax@contoso.com"),
        refusal("198.51.100.9", reason="tls required", connector="Declared", organization="fabrikam"),
        refusal("2001:db8::7", certificate_names="mail.contoso.com, contoso.com"),
    )
    return site


def opened(browser: Browser, query: str) -> str:
    page = browser.get(f"/refused?{query}")
    link = re.findall(r'class="row-link" href="([^"]*)"', page)[0].replace("&amp;", "&")
    return browser.get(f"/refused{link}")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("PeerAddress=192.0.2.0/24", 2),
        ("Reason=TLS required", 1),
        ("SenderAddress=fax@*", 1),
        ("EndDate=2020-01-01", 0),
        ("q=2001:db8", 1),
    ],
)
def test_refusals_are_found(ada: Browser, query: str, found: int) -> None:
    assert ada.get(f"/refused?{query}").count('class="row-link"') == found
    assert ada.status == 200


def test_what_is_no_network_is_said_beside_its_field(ada: Browser) -> None:
    assert 'id="field-PeerAddress-error"' in ada.get("/refused?PeerAddress=printers")
    assert ada.status == 422


def test_a_refusal_tells_why_and_leads_to_the_wizard_with_what_was_seen(ada: Browser) -> None:
    page = opened(ada, "SenderAddress=fax@*")
    assert "no OnPremises connector lets this client relay" in page
    assert "New-InboundConnector -Name" in page
    wizard = re.findall(r'href="(/connectors/add\?[^"]*)"', page)[0].replace("&amp;", "&")
    assert "SenderIPAddresses=192.0.2.77" in wizard
    ada.get(wizard)
    assert ada.status == 303
    assert "192.0.2.77" in opened(ada, "SenderAddress=fax@*")


def test_a_client_with_a_certificate_is_proposed_by_its_name(ada: Browser) -> None:
    page = ada.get("/refused/proposals")
    assert "TlsSenderCertificateName=mail.contoso.com" in page
    assert page.count("/connectors/add?") == 2
    assert "198.51.100.9" not in page  # a connector is not what it lacked


def test_proposals_are_of_the_named_addresses_and_the_most_refused_is_first(ada: Browser, site: Console) -> None:
    rows = site.office("Get-ConnectorProposal", Minutes=30)
    assert [(row["PeerAddress"], row["Refusals"]) for row in rows] == [("192.0.2.77", 2), ("2001:db8::7", 1)]
    (row,) = site.office("Get-ConnectorProposal", PeerAddress="192.0.2.0/24")
    assert (row["Senders"], row["Recipients"]) == (["contoso.com"], ["outside.example"])
    assert "-SenderIPAddresses '192.0.2.77'" in row["Command"]


def test_who_may_make_no_connector_is_shown_no_way_to_the_wizard(site: Console) -> None:
    helper = site.signed_in("hal", "Help Desk")
    assert "/connectors/add" not in opened(helper, "SenderAddress=fax@*")
    assert "/connectors/add" not in helper.get("/refused/proposals")


def test_an_administrator_of_one_organisation_sees_its_own_refusals(site: Console) -> None:
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    page = fay.get("/refused")
    assert "198.51.100.9" in page and "192.0.2.77" not in page
    assert "192.0.2.77" not in fay.get("/refused/proposals")
