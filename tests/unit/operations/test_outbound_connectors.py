"""Outbound connectors, route rules and routes by their cmdlets (m365 names, defaults, order and errors)."""

from typing import Any

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.roles import Caller, Role
from staffetta.policy.decision import Attribution
from staffetta.policy.route import route
from staffetta.settings.roads import NextHop, Route
from staffetta.trace.next_hops import HopState, write_states
from tests.ports import free_port
from tests.unit.operations.office import NOW, Office

PARTNER = {"Name": "To Fabrikam", "RecipientDomains": "fabrikam.net", "UseMXRecord": False, "SmartHosts": "mail.test"}
FABRIKAM = Caller("fay", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="fabrikam")


def test_a_connector_is_shown_as_exchange_records_it(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER, TlsSettings="DomainValidation", TlsDomain="*.fabrikam.net")
    (shown,) = office("Get-OutboundConnector", Identity="to fabrikam")
    guid, *_ = (shown.pop(key) for key in ("Guid", "WhenCreatedUTC", "WhenChangedUTC"))
    assert len(guid) == 36
    assert list(shown.items()) == [
        ("Enabled", True),
        ("UseMXRecord", False),
        ("Comment", ""),
        ("ConnectorType", "Partner"),
        ("ConnectorSource", "Default"),
        ("RecipientDomains", ["fabrikam.net"]),
        ("SmartHosts", ["mail.test"]),
        ("TlsDomain", "*.fabrikam.net"),
        ("TlsSettings", "DomainValidation"),
        ("IsTransportRuleScoped", False),
        ("RouteAllMessagesViaOnPremises", False),
        ("CloudServicesMailEnabled", False),
        ("AllAcceptedDomains", False),
        ("SenderRewritingEnabled", False),
        ("TestMode", False),
        ("LinkForModifiedConnector", "00000000-0000-0000-0000-000000000000"),
        ("ValidationRecipients", []),
        ("IsValidated", False),
        ("LastValidationTimestamp", None),
        ("MtaStsMode", "Opportunistic"),
        ("SmtpDaneMode", "Opportunistic"),
        ("AdminDisplayName", ""),
        ("Name", "To Fabrikam"),
        ("Identity", "To Fabrikam"),
        ("IsValid", True),
        ("Organization", "default"),
        ("Route", None),
        ("IsDeclared", False),
    ]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no smart hosts": ({"UseMXRecord": False, "SmartHosts": None}, "on the same command line"),
    "smart hosts and MX": ({"UseMXRecord": True}, "UseMXRecord: it is true, so that SmartHosts would do nothing"),
    "a domain without validation": ({"TlsDomain": "a.test"}, "TlsDomain: it is for TlsSettings DomainValidation"),
    "validation without a domain": ({"TlsSettings": "DomainValidation"}, "TlsDomain: it is missing"),
    "partner for all accepted domains": ({"AllAcceptedDomains": True}, "it is for ConnectorType OnPremises"),
    "partner for everything": ({"RouteAllMessagesViaOnPremises": True}, "it is for ConnectorType OnPremises"),
    "a long name": ({"Name": "x" * 65}, "Name"),
    "the name of a route": ({"Name": "inside"}, "is the name of a route"),
    "an unknown route": ({"SmartHosts": None, "Route": "nowhere"}, "there is no route 'nowhere'"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_exchange_refuses_is_refused(office: Office, change: dict[str, Any], words: str) -> None:
    given = {key: value for key, value in (PARTNER | change).items() if value is not None}
    with pytest.raises(OperationError) as error:
        office("New-OutboundConnector", **given)
    assert words in str(error.value)
    assert office("Get-OutboundConnector") == []


def test_a_connector_in_test_mode_is_shown_when_asked_for(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER, TestMode=True)
    assert office("Get-OutboundConnector") == []
    assert len(office("Get-OutboundConnector", IncludeTestModeConnectors=True)) == 1
    assert len(office("Get-OutboundConnector", Identity="To Fabrikam")) == 1


def test_connectors_are_told_apart_by_whether_rules_alone_use_them(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    office("New-OutboundConnector", Name="By rule", IsTransportRuleScoped=True)
    assert [row["Name"] for row in office("Get-OutboundConnector", IsTransportRuleScoped=True)] == ["By rule"]
    assert [row["Name"] for row in office("Get-OutboundConnector", IsTransportRuleScoped=False)] == ["To Fabrikam"]


def test_a_validation_is_written_down_by_its_caller_and_ends_with_a_change_of_the_road(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    when = "2026-11-24T12:00:00Z"
    office("Set-OutboundConnector", Identity="To Fabrikam", IsValidated=True, LastValidationTimestamp=when)
    office("Set-OutboundConnector", Identity="To Fabrikam", Comment="still good")
    (shown,) = office("Get-OutboundConnector")
    assert (shown["IsValidated"], shown["LastValidationTimestamp"]) == (True, when)
    office("Set-OutboundConnector", Identity="To Fabrikam", SmartHosts={"Add": "other.test"})
    assert "validated again" in office.warnings[0]
    (shown,) = office("Get-OutboundConnector")
    assert (shown["IsValidated"], shown["SmartHosts"]) == (False, ["mail.test", "other.test"])


def test_back_to_mx_takes_the_smart_hosts_away(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    office("Set-OutboundConnector", Identity="To Fabrikam", UseMXRecord=True)
    assert "smart hosts are gone" in office.warnings[0]
    assert office("Get-OutboundConnector")[0]["SmartHosts"] == []


def test_an_organization_has_connectors_of_its_own(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    office("New-OutboundConnector", FABRIKAM, Name="Theirs", RecipientDomains="*")
    assert [row["Name"] for row in office("Get-OutboundConnector", FABRIKAM)] == ["Theirs"]
    assert [row["Name"] for row in office("Get-Route", FABRIKAM)] == ["Theirs"]
    with pytest.raises(NotFound):
        office("Set-OutboundConnector", FABRIKAM, Identity="To Fabrikam", Enabled=False)


def test_rules_are_shown_in_the_order_in_which_they_are_asked(office: Office) -> None:
    office("New-RouteRule", Name="second", Route="inside", RecipientDomains="a.test")
    office("New-RouteRule", Name="third", Route="inside")
    office("New-RouteRule", Name="first", Route="inside", Priority=1, Connectors="declared", OctetsMin=10)
    assert [row["Name"] for row in office("Get-RouteRule")] == ["first", "second", "third"]
    office("Set-RouteRule", Identity="third", Priority=0)
    assert [row["Name"] for row in office("Get-RouteRule", ResultSize=1)] == ["third"]
    office("Remove-RouteRule", Identity="third")
    assert len(office("Get-RouteRule")) == 2


def test_a_rule_keeps_its_connector_from_being_removed(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    office("New-RouteRule", Name="by it", Route="To Fabrikam")
    with pytest.raises(OperationError, match="there is no route or outbound connector 'To Fabrikam'"):
        office("Remove-OutboundConnector", Identity="To Fabrikam")
    office("Remove-RouteRule", Identity="by it")
    office("Remove-OutboundConnector", Identity="To Fabrikam")
    assert office("Get-OutboundConnector") == []


def test_rules_belong_to_the_whole_relay(office: Office) -> None:
    with pytest.raises(NotFound):
        office("New-RouteRule", FABRIKAM, Name="mine", Route="inside")


def test_a_route_is_shown_as_it_is_travelled(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER | {"SmartHosts": ["mail.test:2525", "[2001:db8::1]"]})
    office("New-OutboundConnector", Name="By route", RecipientDomains="*", Route="inside")
    inside, outbound = sorted(office("Get-Route"), key=lambda row: str(row["Name"]), reverse=True)
    assert (inside["Name"], inside["Connectors"], inside["NextHops"]) == ("inside", ["By route"], ["192.0.2.1:25"])
    assert outbound["NextHops"] == ["mail.test:2525", "[2001:db8::1]:25"]
    assert outbound["Connectors"] == ["To Fabrikam"]


def test_next_hops_are_shown_as_the_relay_knows_them(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER | {"SmartHosts": ["a.test", "b.test", "c.test"]})
    states = [
        HopState("To Fabrikam", "a.test:25", 0, NOW - 60, 0, ""),
        HopState("To Fabrikam", "b.test:25", 2, NOW - 60, NOW + 30, "refused"),
    ]
    write_states(office.settings.data_dir, states)
    rows = office("Get-NextHop", Route="to fabrikam")
    assert [(row["Host"], row["Status"], row["Failures"], row["LastError"]) for row in rows] == [
        ("a.test:25", "Up", 0, ""),
        ("b.test:25", "Resting", 2, "refused"),
        ("c.test:25", "Unknown", 0, ""),
    ]


def test_mail_takes_the_connector_at_once(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    settings = office.context().settings
    assert route(parse_mailbox("a@fabrikam.net"), Attribution(None), settings).connector == "To Fabrikam"


def test_a_connector_is_validated_and_nothing_is_written_down(office: Office) -> None:
    port = free_port()
    office("New-OutboundConnector", **PARTNER | {"SmartHosts": f"127.0.0.1:{port}"})
    parameters = {"Identity": "To Fabrikam", "Recipients": "somebody@fabrikam.net"}
    rows = office("Validate-OutboundConnector", **parameters)
    assert [list(row) for row in rows] == [["TaskName", "IsTaskSuccessful", "Detail", "Transcript"]] * 2
    assert [(row["TaskName"], row["IsTaskSuccessful"]) for row in rows] == [
        (f"Check connectivity with 127.0.0.1:{port}", False),
        ("Send test email", False),
    ]
    assert "Connection refused" in rows[0]["Detail"]
    assert len(office("Validate-OutboundConnector", **parameters, SkipTestMail=True)) == 1
    assert not office("Get-OutboundConnector")[0]["IsValidated"]


def test_a_test_mail_is_in_the_organization_s_own_name(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER)
    given = {"Identity": "To Fabrikam", "Recipients": "a@fabrikam.net", "From": "boss@fabrikam.com"}
    with pytest.raises(OperationError, match="is not an accepted domain of the connector's organization"):
        office("Validate-OutboundConnector", **given)


def test_the_simulator_shows_rule_connector_and_next_hops(office: Office) -> None:
    question = {"IP": "192.0.2.200", "From": "a@contoso.com", "To": "b@fabrikam.net"}
    office("New-OutboundConnector", **PARTNER)
    (shown,) = office("Test-Relay", **question)
    assert (shown["RouteRule"], shown["OutboundConnector"], shown["Route"]) == (None, "To Fabrikam", "To Fabrikam")
    assert (shown["NextHops"], shown["Destination"]) == (["mail.test:25"], "To Fabrikam")
    office("New-RouteRule", Name="large", Route="inside", OctetsMin=1000)
    (shown,) = office("Test-Relay", **question, Octets=1000)
    assert (shown["RouteRule"], shown["OutboundConnector"], shown["Route"]) == ("large", None, "inside")


def test_roads_of_another_organization_are_not_told(office: Office) -> None:
    office("New-OutboundConnector", **PARTNER | {"RecipientDomains": "contoso.com"})
    question = {"IP": "198.51.100.1", "From": "a@elsewhere.test", "To": "b@contoso.com"}
    (shown,) = office("Test-Relay", FABRIKAM, **question)
    assert (shown["OutboundConnector"], shown["Route"], shown["NextHops"]) == (None, None, [])


# What an organisation's own administrators may reach: decision 081.


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.7:2525", "[::1]", "169.254.169.254", "[::ffff:192.168.0.1]:25"])
def test_an_organization_s_connector_leads_to_no_address_of_the_inside(office: Office, host: str) -> None:
    mine = {"Name": "Mine", "RecipientDomains": "*", "UseMXRecord": False}
    with pytest.raises(OperationError, match="is no public address"):
        office("New-OutboundConnector", FABRIKAM, **mine, SmartHosts=host)
    office("New-OutboundConnector", FABRIKAM, **mine, SmartHosts="mail.fabrikam.com")
    with pytest.raises(OperationError, match="is no public address"):
        office("Set-OutboundConnector", FABRIKAM, Identity="Mine", SmartHosts=host)
    with pytest.raises(OperationError, match="is no public address"):
        office("New-OutboundConnector", **mine | {"Name": "Theirs", "Organization": "fabrikam"}, SmartHosts=host)
    office("New-OutboundConnector", **mine | {"Name": "Ours"}, SmartHosts=host)


def test_the_operator_lets_an_organization_lead_inside(office: Office) -> None:
    office("New-Organization", Name="tailspin", AllowPrivateNextHops=True)
    (shown,) = office("Get-Organization", Identity="tailspin")
    assert shown["AllowPrivateNextHops"] is True
    tailspin = Caller("tim", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="tailspin")
    office(
        "New-OutboundConnector", tailspin, Name="Mine", RecipientDomains="*", UseMXRecord=False, SmartHosts="10.0.0.7"
    )
    with pytest.raises(OperationError, match="is no public address"):
        office("Set-OrganizationConfig", Organization="tailspin", AllowPrivateNextHops=False)


def test_an_organization_names_the_routes_that_it_was_given_and_no_others(office: Office) -> None:
    office.settings = office.settings.model_copy(
        update={
            "routes": (*office.settings.routes, Route(name="operator", next_hops=(NextHop(host="10.0.0.1"),))),
            "organizations": (),
            "accepted_domains": office.settings.accepted_domains[:1],
        }
    )
    office("New-Organization", Name="tailspin", Routes="inside")
    tailspin = Caller("tim", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="tailspin")
    for cmdlet, given in (
        ("New-OutboundConnector", {"Name": "Mine", "RecipientDomains": "*"}),
        ("New-AcceptedDomain", {"Name": "tailspin.example"}),
    ):
        with pytest.raises(OperationError, match="'operator' is not one that the organization 'tailspin' was given"):
            office(cmdlet, tailspin, **given, Route="operator")
        office(cmdlet, tailspin, **given, Route="inside")
    with pytest.raises(OperationError, match="yours are: inside"):
        office("Set-OutboundConnector", tailspin, Identity="Mine", Route="operator")
    with pytest.raises(OperationError, match="was given"):
        office("Set-AcceptedDomain", tailspin, Identity="tailspin.example", Route="operator")
    office("Set-OutboundConnector", Identity="Mine", Route="operator")  # by the operator himself
    office("Set-OutboundConnector", tailspin, Identity="Mine", Comment="stays as it is")


def test_what_an_organization_may_reach_it_does_not_say_itself(office: Office) -> None:
    office("New-Organization", Name="tailspin")
    tailspin = Caller("tim", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="tailspin")
    for given in ({"AllowPrivateNextHops": True}, {"Routes": "*"}):
        with pytest.raises(OperationError, match="an administrator of the whole relay says"):
            office("Set-OrganizationConfig", tailspin, **given)
    office("Set-OrganizationConfig", tailspin, RejectDirectSend=True)
    office("Set-OrganizationConfig", Organization="tailspin", Routes="inside")
    (shown,) = office("Get-Organization", tailspin)
    assert (shown["AllowPrivateNextHops"], shown["Routes"], shown["RejectDirectSend"]) == (False, ["inside"], True)


def test_a_validation_of_an_organization_s_connector_reaches_nothing_inside(office: Office) -> None:
    office(
        "New-OutboundConnector", FABRIKAM, Name="Mine", RecipientDomains="*", UseMXRecord=False, SmartHosts="localhost"
    )
    rows = office("Validate-OutboundConnector", FABRIKAM, Identity="Mine", Recipients="a@b.test", SkipTestMail=True)
    (row,) = rows
    assert row["IsTaskSuccessful"] is False
    assert "4.4.4 localhost has no public address" in str(row["Detail"])
