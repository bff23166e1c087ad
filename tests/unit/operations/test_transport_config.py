"""What holds for all mail, and connectors that are blocked."""

import pytest

from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.roles import Caller, Role
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
    ("parameter", "value", "table", "key", "number"),
    [
        ("MessageExpiration", "24:00:00", "queue", "expire_seconds", 86_400),
        ("DelayNotificationTimeout", "02:00:00", "queue", "delay_notice_seconds", 7200),
        ("MaxReceiveSize", 1000, "limits", "message_octets_max", 1000),
        ("MaxRecipientEnvelopeLimit", 20, "limits", "recipients_max", 20),
    ],
)
def test_each_value_works_once_it_is_set_where_the_file_does_not_say_it(
    office: Office, parameter: str, value: object, table: str, key: str, number: int
) -> None:
    office("Set-TransportConfig", **{parameter: value})
    assert getattr(getattr(office.directory.merged(office.settings), table), key) == number
    assert office("Get-TransportConfig")[0][parameter] == (value if table == "limits" else time_span(number))
    (row,) = office("Search-AdminAuditLog")
    assert (row["CmdletName"], row["ObjectModified"]) == ("Set-TransportConfig", "Transport Settings")
    said = type(getattr(office.settings, table)).model_validate({key: number + 1})
    office.settings = office.settings.model_copy(update={table: said})
    assert getattr(getattr(office.directory.merged(office.settings), table), key) == number + 1
    with pytest.raises(OperationError, match=rf"Under \[{table}\] write {key} = {number}, or remove the key"):
        office("Set-TransportConfig", **{parameter: value})


def test_several_values_are_kept_together_and_one_that_is_changed_leaves_the_others(office: Office) -> None:
    office("Set-TransportConfig", MessageExpiration="24:00:00", MaxReceiveSize=1000)
    office("Set-TransportConfig", MaxReceiveSize=2000)
    settings = office.directory.merged(office.settings)
    assert (settings.queue.expire_seconds, settings.limits.message_octets_max) == (86_400, 2000)
    assert settings.limits.recipients_max == office.settings.limits.recipients_max


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"MessageExpiration": "a day"}, "write 2.00:00:00 or 12:00:00"),
        ({"MaxReceiveSize": 0}, "parameter 'MaxReceiveSize'. Input should be greater than or equal to 1"),
        ({"MaxRecipientEnvelopeLimit": 1_000_000}, "parameter 'MaxRecipientEnvelopeLimit'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_nothing_is_kept(
    office: Office, parameters: dict[str, object], text: str
) -> None:
    with pytest.raises(OperationError, match=text):
        office("Set-TransportConfig", **parameters)
    assert office.directory.merged(office.settings).limits == office.settings.limits


def test_an_administrator_of_one_organisation_changes_nothing_of_the_whole_relay(office: Office) -> None:
    caller = Caller("fay", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="fabrikam")
    with pytest.raises(OperationError, match="ask an administrator of it"):
        office.result("Set-TransportConfig", caller, MaxReceiveSize=1000)


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
        office("Set-TransportConfig", SmtpClientAuthenticationDisabled=True, MaxReceiveSize=0)
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
