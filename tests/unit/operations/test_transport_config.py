"""What holds for all mail, and connectors that are blocked."""

import pytest

from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.transport_config import seconds_in, time_span
from staffetta.policy.authentication import log_in
from staffetta.settings.objects import Account
from tests.unit.operations.office import Office

RELAY = {"Name": "SMTP Relay", "ConnectorType": "OnPremises", "SenderDomains": "*", "SenderIPAddresses": "192.0.2.7"}


def test_what_holds_for_all_mail_is_shown_under_exchange_s_names(office: Office) -> None:
    (shown,) = office("Get-TransportConfig")
    assert (shown["MessageExpiration"], shown["DelayNotificationTimeout"]) == ("2.00:00:00", "04:00:00")
    assert (shown["MaxReceiveSize"], shown["SmtpClientAuthenticationDisabled"]) == (157_286_400, False)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"MessageExpiration": "24:00:00"}, r"under \[queue\] expire_seconds = 86400; reload"),
        ({"MaxReceiveSize": 1000}, r"under \[limits\] message_octets_max = 1000"),
        ({"MessageExpiration": "a day"}, "write 2.00:00:00 or 12:00:00"),
    ],
)
def test_a_change_says_what_to_write_in_the_file(office: Office, parameters: dict[str, object], text: str) -> None:
    with pytest.raises(OperationError, match=text):
        office("Set-TransportConfig", **parameters)


def test_what_is_so_already_may_be_asked_for_again(office: Office) -> None:
    office("Set-TransportConfig", MessageExpiration="48:00:00", SmtpClientAuthenticationDisabled=False)


def may_log_in(office: Office, organization: str) -> bool:
    account = Account(user_name="scanner@contoso.com", organization=organization)
    return log_in(account, office.directory.merged(office.settings)).is_accepted


def test_logging_in_is_switched_per_organisation_and_audited(office: Office) -> None:
    office("Set-TransportConfig", SmtpClientAuthenticationDisabled=True)
    assert (may_log_in(office, "default"), may_log_in(office, "fabrikam")) == (False, True)
    assert office("Get-TransportConfig")[0]["SmtpClientAuthenticationDisabled"] is True
    (row,) = office("Search-AdminAuditLog")
    assert row["CmdletName"] == "Set-TransportConfig"
    office("Set-TransportConfig", SmtpClientAuthenticationDisabled=False)
    assert may_log_in(office, "default")


def test_nothing_is_switched_where_another_parameter_is_refused(office: Office) -> None:
    with pytest.raises(OperationError):
        office("Set-TransportConfig", SmtpClientAuthenticationDisabled=True, MaxReceiveSize=1000)
    assert may_log_in(office, "default")


def test_the_file_s_switch_holds_whatever_else_is_set_for_the_default_organisation(office: Office) -> None:
    office.settings = office.settings.model_copy(update={"smtp_client_authentication_disabled": True})
    office("Set-OrganizationConfig", RejectDirectSend=True)
    assert not may_log_in(office, "default")
    with pytest.raises(OperationError, match="smtp_client_authentication_disabled = false"):
        office("Set-TransportConfig", SmtpClientAuthenticationDisabled=False)


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
