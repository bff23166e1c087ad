"""The relay's operations as cmdlets, on a real directory."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from staffetta.shell.shell import BUILT_IN
from tests.unit.shell.screen import Screen, screen

RELAY = (
    "New-InboundConnector -Name Relay -ConnectorType OnPremises -SenderDomains * "
    "-SenderIPAddresses 192.0.2.1,192.0.2.2 | Out-Null"
)


def test_a_splatted_connector_is_made_and_shown_as_a_table(console: Screen) -> None:
    shown = console.run(
        """
        $splat = @{
            ## Define the name of the connector.
            Name = 'SMTP Relay'
            ConnectorType = 'OnPremises'
            SenderDomains = '*'
            SenderIPAddresses = '192.0.2.7'
            RestrictDomainsToIPAddresses = $true
        }
        ## Create the connector
        New-InboundConnector @splat
        """
    )
    lines = shown.splitlines()
    assert lines[1].split() == [
        "Name", "Enabled", "ConnectorType", "SenderIPAddresses", "TlsSenderCertificateName"
    ]  # fmt: skip
    assert lines[3].split() == ["SMTP", "Relay", "True", "OnPremises", "{192.0.2.7}"]


def test_format_list_shows_names_aligned_and_lists_in_braces(console: Screen) -> None:
    console.run(RELAY)
    shown = console.run("Get-InboundConnector Relay | Format-List Name,SenderIPAddresses,Comment")
    assert shown.splitlines() == [
        "",
        "Name              : Relay",
        "SenderIPAddresses : {192.0.2.1, 192.0.2.2}",
        "Comment           :",
    ]


def test_format_table_shows_what_is_named_under_the_property_s_own_spelling(console: Screen) -> None:
    assert console.run("Get-InboundConnector | ft name, enabled").splitlines() == [
        "",
        "Name     Enabled",
        "----     -------",
        "Declared    True",
    ]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("@{Add='192.0.2.3','192.0.2.4';Remove='192.0.2.1'}", "192.0.2.2 192.0.2.3 192.0.2.4"),
        ("@{ Remove = '192.0.2.1' }", "192.0.2.2"),
        ("'192.0.2.9'", "192.0.2.9"),
        ("192.0.2.8, 192.0.2.9", "192.0.2.8 192.0.2.9"),
    ],
)
def test_a_list_is_replaced_or_added_to(console: Screen, change: str, left: str) -> None:
    console.run(RELAY)
    console.run(f"Set-InboundConnector Relay -SenderIPAddresses {change}")
    assert console.run('"$((Get-InboundConnector Relay).SenderIPAddresses)"') == left


@pytest.mark.parametrize("off", ["-Enabled $false", "-Enabled:$false", "-Ena 0", "-enabled:0"])
def test_a_flag_is_given_in_any_of_powershell_s_ways(console: Screen, off: str) -> None:
    console.run(f"{RELAY}; Set-InboundConnector Relay {off}")
    assert console.run("(Get-InboundConnector Relay).Enabled") == "False"


def test_rows_go_through_the_pipe_by_identity(console: Screen) -> None:
    console.run(RELAY)
    console.run("Get-InboundConnector | Where-Object { $_.Name -like 'R*' } | Set-InboundConnector -Comment piped")
    assert console.run("Get-InboundConnector | ? Comment -EQ piped | select -ExpandProperty Name") == "Relay"


def test_what_if_changes_nothing(console: Screen) -> None:
    console.run(RELAY)
    shown = console.run("Get-InboundConnector Relay | Remove-InboundConnector -WhatIf")
    assert shown == 'What if: Performing the operation "Remove-InboundConnector" on target "Relay".'
    assert console.run("(Get-InboundConnector Relay).Name") == "Relay"


def test_removing_asks_and_nobody_to_ask_is_an_error(console: Screen) -> None:
    console.run(RELAY)
    assert "add -Confirm:$false" in console.fail("Remove-InboundConnector Relay")
    console.run("Remove-InboundConnector Relay -Confirm:$false")
    assert "couldn't be found" in console.fail("Get-InboundConnector Relay")


@pytest.mark.parametrize(("answers", "is_left"), [(["n"], True), (["y"], False), ([""], False)])
def test_removing_does_what_is_answered(tmp_path: Path, answers: Sequence[str], is_left: bool) -> None:
    with screen(tmp_path, answers=answers) as console:
        console.run(f"{RELAY}; Remove-InboundConnector Relay")
        assert console.run("Get-InboundConnector | % Name").endswith("Relay") is is_left


def test_what_is_asked_for_is_what_is_answered(tmp_path: Path) -> None:
    with screen(tmp_path, answers=["ada", "geheim", "x"]) as console:
        assert console.run("$c = Get-Credential; $c.GetNetworkCredential().Password").endswith("geheim")
        assert console.run("Read-Host 'Which'") == "Which: \nx"


def test_nobody_to_ask_is_an_error(console: Screen) -> None:
    assert "Nobody is there to be asked: Which" in console.fail("Read-Host 'Which'")


def test_an_error_names_cmdlet_and_place(console: Screen) -> None:
    said, where, line = console.fail("'x'\n  Get-InboundConnector nope").splitlines()
    assert said.startswith("Get-InboundConnector: The operation couldn't be performed because object 'nope' couldn't")
    assert (where, line) == ("At line:2 char:3", "+ Get-InboundConnector nope")


def test_an_identity_of_null_is_an_error_and_not_everything(console: Screen) -> None:
    assert "because it is null" in console.fail("Get-InboundConnector -Identity $null")


def test_catch_tells_exchange_s_kind_of_error(console: Screen) -> None:
    shown = console.run("try { Get-InboundConnector nope } catch { $_.FullyQualifiedErrorId }")
    assert shown == "ManagementObjectNotFoundException,Get-InboundConnector"


def test_warnings_are_shown_unless_silenced(console: Screen) -> None:
    console.run("New-InboundConnector P -SenderDomains fabrikam.com | Out-Null")
    assert console.complaints and console.complaints[0].startswith("WARNING: ")
    console.run("New-InboundConnector Q -SenderDomains fabrikam.com -WarningAction SilentlyContinue | Out-Null")
    assert console.complaints == []


def test_connecting_is_polite_and_does_nothing(console: Screen) -> None:
    assert console.run("Connect-ExchangeOnline -UserPrincipalName ada@contoso.com -ShowBanner:$false") == ""
    assert console.run("Disconnect-ExchangeOnline -Confirm:$false") == ""


@pytest.mark.parametrize(
    "when",
    ["'11/24/2026'", "2026-11-24", "'11/24/2026 12:00 AM'", "'2026-11-24T01:00:00+01:00'", "([datetime]'2026-11-24')"],
)
def test_a_time_may_be_written_as_in_powershell_and_is_utc_without_a_zone(console: Screen, when: str) -> None:
    assert console.run(f"Search-AdminAuditLog -StartDate {when} -EndDate 11/25/2026") == ""


def test_what_is_no_time_is_told(console: Screen) -> None:
    told = console.fail("Search-AdminAuditLog -StartDate yesterday")
    assert "Cannot process argument transformation on parameter 'StartDate'." in told
    assert "write 2026-11-24" in told


def test_help_tells_of_every_cmdlet(console: Screen) -> None:
    for name in console.run("Get-Command | % Name").splitlines():
        assert f"NAME\n    {name}\n" in console.run(f"Get-Help {name}")


def test_get_command_finds_by_wildcard_verb_and_noun(console: Screen) -> None:
    assert console.run("Get-Command Set-Inbound* | % Name") == "Set-InboundConnector"
    assert console.run("Get-Command -Verb New -Noun InboundConnector | % Name") == "New-InboundConnector"


def test_the_page_on_the_shell_names_every_cmdlet_of_its_own() -> None:
    page = (Path(__file__).parents[3] / "docs" / "shell.md").read_text(encoding="utf-8")
    assert [command.name for command in BUILT_IN if command.name not in page] == []
