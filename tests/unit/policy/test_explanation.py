"""What is said of a refusal: a sentence for each, and commands that do what they say."""

import pytest

from staffetta.policy.decision import Reason
from staffetta.policy.explanation import Explanation, explain
from staffetta.settings.objects import InboundConnector
from tests.unit.policy.test_relay import BOB, FOREIGN, OURS, OUTSIDE, TABLE
from tests.unit.policy.world import SESSIONS, decide, settings


def explained(session: str, sender: str, recipient: str, **changes: object) -> Explanation:
    decision, _ = decide(SESSIONS[session], sender, recipient, settings(**changes))
    assert not decision.is_accepted
    return explain(decision.reason, decision.evidence, sender=sender or "<>", recipient=recipient)


@pytest.mark.parametrize(
    ("session", "sender", "recipient", "command"),
    [
        (
            "stranger",
            OURS,
            OUTSIDE,
            "Set-InboundConnector -Identity 'office' -SenderIPAddresses @{Add='198.51.100.7'}",
        ),
        ("office", FOREIGN, OUTSIDE, "New-AcceptedDomain -Name 'foreign.test' -DomainType InternalRelay"),
        (
            "certificate of a foreign domain",
            "",
            OUTSIDE,
            "New-AcceptedDomain -Name 'provider.test' -DomainType InternalRelay",
        ),
        ("blocked host", OURS, OUTSIDE, "Remove-BlockedConnector -ConnectorId 'blocked'"),
        (
            "stranger",
            "",
            "nobody@contoso.test",
            "Set-AcceptedDomain -Identity 'contoso.test' -Recipients @{Add='nobody'}",
        ),
        (
            "stranger",
            "x@partner.test",
            BOB,
            "Set-InboundConnector -Identity 'gateway' -SenderIPAddresses @{Add='198.51.100.7'}",
        ),
        ("stranger", "x@secure.test", BOB, "Set-InboundConnector -Identity 'secure' -RequireTls $false"),
    ],
)
def test_the_first_command_is_the_nearest_change(session: str, sender: str, recipient: str, command: str) -> None:
    commands = [change.command for change in explained(session, sender, recipient).changes if change.command]
    assert commands[0] == command


def test_a_certificate_that_is_not_taken_may_be_mended_or_pinned() -> None:
    told = explained("self-signed certificate", OURS, OUTSIDE)
    assert told.connectors[0] == (
        "certificate",
        "its certificate is not taken: it is self-signed, and not one of authority 'ours'",
    )
    assert ("certificate's names", "mail.contoso.test") in told.seen
    pin = told.changes[1].command
    assert pin is not None
    assert pin.startswith("Set-InboundConnector -Identity 'certificate' -TlsSenderCertificateFingerprints @{Add='")


@pytest.mark.parametrize(
    ("connector", "command"),
    [
        ({"enabled": False}, "Set-InboundConnector -Identity 'it''s near' -Enabled $true"),
        (
            {"sender_domains": ("other.test",)},
            "Set-InboundConnector -Identity 'it''s near' -SenderDomains @{Add='contoso.test'}",
        ),
        (
            {"associated_accepted_domains": ("branch.test",)},
            "Set-InboundConnector -Identity 'it''s near' -AssociatedAcceptedDomains @{Add='contoso.test'}",
        ),
    ],
)
def test_a_connector_that_names_the_address_is_nearer_than_those_that_do_not(
    connector: dict[str, object], command: str
) -> None:
    near = InboundConnector(name="it's near", sender_ip_addresses=("198.51.100.7",), **connector)  # type: ignore[arg-type]
    far = InboundConnector(name="far", sender_ip_addresses=("192.0.2.0/24",))
    told = explained("stranger", OURS, OUTSIDE, inbound_connectors=(far, near))
    assert told.changes[0].command == command
    assert [name for name, _ in told.connectors] == ["it's near", "far"]


def test_without_a_road_out_the_road_is_what_is_missing() -> None:
    told = explained("office", OURS, OUTSIDE, default_route=None)
    assert told.summary == "The client may relay, but there is no road to the outside."


@pytest.mark.parametrize("row", [row for row in TABLE if not row[3].is_positive], ids=lambda row: f"{row[0]} {row[4]}")
def test_every_refusal_of_the_table_is_explained(row: tuple[str, str, str, object, Reason, object]) -> None:
    told = explained(row[0], row[1], row[2])
    assert told.summary
    assert told.summary != f"It was refused: {row[4]}."


def test_what_a_client_chose_ends_no_text() -> None:
    evidence = {"domain": "contoso.test"}
    told = explain(
        Reason.RECIPIENT_UNKNOWN, evidence, sender="<>", recipient="a'; Remove-Item \u2019x\x1b@contoso.test"
    )
    assert told.changes[0].command == (
        "Set-AcceptedDomain -Identity 'contoso.test' -Recipients @{Add='a''; Remove-Item \u2019\u2019x?'}"
    )


def test_a_reason_of_an_older_release_is_told_as_it_is() -> None:
    assert explain("no more", {"peer": "192.0.2.1"}, sender=None, recipient=None).summary == "It was refused: no more."
