"""Refusals by what is known of them, and the connectors that they ask for; never more of them than are read at once."""

import time

import pytest

from staffetta.operations import refused as module
from staffetta.operations.roles import Caller, Role
from staffetta.trace.events import Refusal
from tests.unit.operations.mail import refused
from tests.unit.operations.office import Office

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")


def refusal(place: int, peer: str, sender: str | None = "ada@contoso.com", reason: str = "relay denied") -> Refusal:
    return Refusal(
        at=time.time() - 10 + place,
        session_id=f"S{place}",
        listener="relay",
        peer_address=peer,
        helo="device",
        tls=None,
        reverse_path=sender,
        forward_path=f"r{place}@example.net",
        reply="550 5.7.54 Unable to relay",
        reason=reason,
        evidence={"organization": "fabrikam"} if place == 3 else {"certificate_names": "a.test, b.test"},
    )


@pytest.fixture
def asked(office: Office) -> Office:
    """Five refusals, a second apart."""
    office.now = time.time
    refused(
        office.settings,
        refusal(0, "192.0.2.1"),
        refusal(1, "192.0.2.2", sender=None),
        refusal(2, "198.51.100.1", reason="sender denied"),
        refusal(3, "2001:db8::1"),
        refusal(4, "192.0.2.1", sender="fay@fabrikam.com"),
    )
    return office


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ["S4", "S3", "S2", "S1", "S0"]),
        ({"Reason": "Relay Denied"}, ["S4", "S3", "S1", "S0"]),
        ({"PeerAddress": "192.0.2.0/24"}, ["S4", "S1", "S0"]),
        ({"PeerAddress": "2001:db8::1"}, ["S3"]),
        ({"SenderAddress": "*@contoso.com", "Reason": "relay denied"}, ["S3", "S0"]),
        ({"SenderAddress": "nobody@*"}, []),
        ({"RecipientAddress": "R2@*"}, ["S2"]),
        ({"Identity": "S1"}, ["S1"]),
        ({"ResultSize": 2}, ["S4", "S3"]),
    ],
)
def test_refusals_are_found(asked: Office, parameters: dict[str, object], found: list[str]) -> None:
    assert [row["Identity"] for row in asked("Get-Refusal", **parameters)] == found


def test_the_end_of_a_time_is_the_last_instant_of_it(asked: Office) -> None:
    at = asked("Get-Refusal", Identity="S2")[0]["At"]
    assert [row["Identity"] for row in asked("Get-Refusal", EndDate=at)] == ["S2", "S1", "S0"]


def test_an_organization_sees_what_was_told_to_be_its_own(asked: Office) -> None:
    assert [row["Identity"] for row in asked("Get-Refusal", FABRIKAM)] == ["S3"]
    assert [row["PeerAddress"] for row in asked("Get-ConnectorProposal", FABRIKAM)] == ["2001:db8::1"]


def test_who_tried_most_is_proposed_first_and_what_was_seen_of_him(asked: Office) -> None:
    first, second, third = asked("Get-ConnectorProposal")
    assert (first["PeerAddress"], first["Refusals"], first["CertificateName"]) == ("192.0.2.1", 2, "a.test")
    assert set(first["Senders"]) == {"contoso.com", "fabrikam.com"}
    assert first["FirstTime"] < first["LastTime"]
    assert {second["PeerAddress"], third["PeerAddress"]} == {"192.0.2.2", "2001:db8::1"}
    assert len(asked("Get-ConnectorProposal", ResultSize=1)) == 1
    assert asked.warnings == ("There are 3 clients; the 1 refused most are shown.",)


@pytest.mark.parametrize(
    ("cmdlet", "parameters", "found"),
    [
        ("Get-Refusal", {"PeerAddress": "192.0.2.2"}, 0),
        ("Get-Refusal", {}, 2),
        ("Get-ConnectorProposal", {}, 2),
    ],
)
def test_the_newest_are_read_and_that_is_said(
    asked: Office, monkeypatch: pytest.MonkeyPatch, cmdlet: str, parameters: dict[str, object], found: int
) -> None:
    monkeypatch.setattr(module, "_READ_MAX", 2)
    assert len(asked(cmdlet, **parameters)) == found
    assert asked.warnings == (module._NOT_ALL,)
