"""Refused: a list with the explanation beside it, and the wizard filled in with what was seen."""

import re
import time

import pytest

from staffetta.admin.web.pages.remedies import BY_REASON, remedies
from staffetta.mail.queue_id import make_number, to_text
from staffetta.operations.registry import find
from staffetta.policy.decision import Reason
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


ACCEPTING = {Reason.CONNECTOR, Reason.SUBMISSION, Reason.DIRECT_SEND, Reason.ACCEPTED}
SEEN = {
    "peer": "192.0.2.77",
    "connector": "Printers",
    "account": "scanner@contoso.com",
    "user_name": "scanner@contoso.com",
    "sender_domain": "outside.example",
    "recipient_domain": "far.example",
    "certificate_names": "mail.contoso.com",
    "sender_domain_accepted": False,
}
OFFERED = {
    "relay denied": ["/connectors/add", "New-AcceptedDomain", "New-AcceptedDomain"],
    "direct send rejected": ["/connectors/add", "Set-OrganizationConfig"],
    "sender domain not accepted": ["New-AcceptedDomain", "Set-InboundConnector"],
    "certificate domain not accepted": ["New-AcceptedDomain", "New-AcceptedDomain"],
    "connector blocked": ["Remove-BlockedConnector"],
    "recipient unknown": ["Set-AcceptedDomain"],
    "partner restricted": ["Set-InboundConnector"],
    "not authenticated": ["New-SmtpAccount"],
    "send as denied": ["Set-SmtpAccount"],
    "tls required": ["Set-InboundConnector"],
    "authentication failed": ["New-SmtpAccountPassword"],
    "authentication disabled": ["Set-SmtpAccount", "Set-TransportConfig"],
    "authentication unavailable": ["/doctor"],
    "too many guesses": ["New-SmtpAccountPassword"],
    "too many recipients": ["limits.recipients_max"],
    "too many connections": ["limits.connections_per_address_max"],
    "too fast": ["/connectors/add", "limits.messages_per_minute_max"],
    "memory short": ["/doctor", "limits.octets_held_max"],
    "message too large": ["limits.message_octets_max"],
    "header too large": ["limits.header_octets_max"],
    "line too long": ["/connectors"],
    "early talk": ["/connectors"],
    "loop": ["/roads"],
    "spool trouble": ["/doctor"],
    "ambiguous address": [],
    "bare line end": [],
    "nul octet": [],
    "shutting down": [],
    "protocol": [],
}


def explained(reason: str, **facts: object) -> dict[str, object]:
    return {"Reason": reason, "Facts": {**SEEN, **facts}, "Sender": "a@outside.example", "Recipient": "b@far.example"}


@pytest.mark.parametrize("reason", [each for each in Reason if each not in ACCEPTING])
def test_every_reason_offers_what_helps_and_nothing_else(reason: Reason) -> None:
    found = remedies(explained(reason), "192.0.2.77", set())
    assert len(found) == len(OFFERED[reason])
    assert all(part in each.address for each, part in zip(found, OFFERED[reason], strict=True))
    assert all(find(each.cmdlet) for each in found)


def test_no_reason_is_left_without_an_answer() -> None:
    assert BY_REASON.keys() == {each.value for each in Reason} - {each.value for each in ACCEPTING}


def test_where_one_may_relay_or_no_road_can_be_a_connector_is_not_offered() -> None:
    (road,) = remedies(explained("relay denied", may_relay=True), "192.0.2.77", set())
    assert road.address == "/roads"
    assert remedies(explained("relay denied", recipient_address_literal=True), "192.0.2.77", set()) == []


def test_what_stands_in_the_settings_file_is_changed_by_no_page(ada: Browser) -> None:
    assert remedies(explained("tls required"), "192.0.2.77", {"Printers"}) == []
    assert "Set-InboundConnector?id=" not in opened(ada, "Reason=tls required")


def test_a_matched_connector_leads_to_the_sender_s_domain_and_to_no_new_connector(ada: Browser, site: Console) -> None:
    why = {"reason": "sender domain not accepted", "connector": "Printers", "sender_domain": "tailspin.example"}
    refused(site.office.settings, refusal("192.0.2.78", sender="scan@tailspin.example", **why))
    page = opened(ada, "PeerAddress=192.0.2.78")
    assert "/accepted-domains/do/New-AcceptedDomain?Name=tailspin.example" in page
    assert "/connectors/add" not in page
    ada.get("/accepted-domains/do/New-AcceptedDomain?Name=tailspin.example&DomainType=InternalRelay")
    assert ada.form("/accepted-domains/do/New-AcceptedDomain")["Name"] == "tailspin.example"
