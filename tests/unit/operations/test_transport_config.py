"""What holds for all mail, and connectors that are blocked."""

import pytest

from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.transport_config import seconds_in, time_span
from tests.unit.operations.office import Office

RELAY = {"Name": "SMTP Relay", "ConnectorType": "OnPremises", "SenderDomains": "*", "SenderIPAddresses": "192.0.2.7"}


def test_what_holds_for_all_mail_is_shown_under_exchange_s_names(office: Office) -> None:
    (shown,) = office("Get-TransportConfig")
    assert (shown["MessageExpiration"], shown["DelayNotificationTimeout"]) == ("2.00:00:00", "04:00:00")
    assert (shown["MaxReceiveSize"], shown["SmtpClientAuthenticationDisabled"]) == (157_286_400, True)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"MessageExpiration": "24:00:00"}, r"under \[queue\] expire_seconds = 86400; reload"),
        ({"MaxReceiveSize": 1000}, r"under \[limits\] message_octets_max = 1000"),
        ({"SmtpClientAuthenticationDisabled": False}, 'kind = "submission"'),
        ({"MessageExpiration": "a day"}, "write 2.00:00:00 or 12:00:00"),
    ],
)
def test_a_change_says_what_to_write_in_the_file(office: Office, parameters: dict[str, object], text: str) -> None:
    with pytest.raises(OperationError, match=text):
        office("Set-TransportConfig", **parameters)


def test_what_is_so_already_may_be_asked_for_again(office: Office) -> None:
    office("Set-TransportConfig", MessageExpiration="48:00:00", SmtpClientAuthenticationDisabled=True)


@pytest.mark.parametrize(("text", "seconds"), [("00:00:30", 30), ("24:00:00", 86_400), ("2.01:00:00", 176_400)])
def test_time_spans_are_read_as_net_prints_them(text: str, seconds: int) -> None:
    assert seconds_in(text, "X") == seconds
    assert seconds_in(time_span(seconds), "X") == seconds


def test_a_block_is_seen_and_taken_away(office: Office) -> None:
    office("New-InboundConnector", **RELAY)
    assert office("Get-BlockedConnector") == []
    with pytest.raises(NotFound):
        office("Get-BlockedConnector", ConnectorId="SMTP Relay")
    office("Set-InboundConnector", Identity="SMTP Relay", Blocked=True)
    (shown,) = office("Get-BlockedConnector")
    assert (shown["Name"], len(shown["ConnectorId"])) == ("SMTP Relay", 36)
    office("Remove-BlockedConnector", ConnectorId=shown["ConnectorId"], Reason="printer mended")
    assert office("Get-BlockedConnector") == []
    (connector,) = office("Get-InboundConnector", Identity="SMTP Relay")
    assert (connector["Blocked"], connector["Comment"]) == (False, "Unblocked: printer mended")
