"""Operations as commands: `staffetta connector …` and its like, and `staffetta run`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from staffetta.cli import objects
from staffetta.cli.main import run
from staffetta.cli.run import parameters_in
from staffetta.operations.registry import BadParameter, find, operations

SETTINGS = """
hostname = "relay.example"
data_dir = "data"

[[routes]]
name = "inside"
transport = "maildir"
path = "mail"
"""
RELAY = ("SMTP Relay", "--sender-domains", "*", "--connector-type", "OnPremises", "--sender-ip-addresses")

Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    config = tmp_path / "relay.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("STAFFETTA_CONFIG", str(config))

    def serve(_config: Path) -> int:
        raise AssertionError("serve was called")

    return lambda *arguments: run(arguments, serve=serve)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_connector_is_added_changed_seen_and_removed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("connector", "add", *RELAY, "192.0.2.7, 192.0.2.8") == 0
    assert command("connector", "set", "SMTP Relay", "--add-sender-ip-addresses", "192.0.2.9", "--no-enabled") == 0
    assert command("connector", "set", "smtp relay", "--remove-sender-ip-addresses", "192.0.2.7") == 0
    capsys.readouterr()
    assert command("connector", "show", "SMTP Relay", "--json") == 0
    (shown,) = printed(capsys)
    assert (shown["Enabled"], shown["SenderIPAddresses"]) == (False, ["192.0.2.8", "192.0.2.9"])
    assert command("connector", "list") == 0
    assert "192.0.2.8, 192.0.2.9" in capsys.readouterr().out
    assert command("connector", "remove", "SMTP Relay") == 0
    assert command("connector", "list") == 0
    assert capsys.readouterr().out == "There is nothing.\n"


def test_what_if_changes_nothing(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("connector", "add", *RELAY, "192.0.2.7", "--what-if") == 0
    assert capsys.readouterr().err.startswith('What if: Performing the operation "New-InboundConnector"')
    assert command("connector", "show", "SMTP Relay") == 66


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("connector", "show", "x"), 66),
        (("connector", "add", *RELAY, "192.0.2.300"), 64),
        (("connector", "add", "x"), 64),
        (("connector", "add", *RELAY, "192.0.2.7", "--colour", "red"), 64),
        (("run", "Get-Nothing"), 66),
        (("run", "Get-InboundConnector", "-Nothing", "1"), 64),
    ],
)
def test_scripts_can_tell_what_went_wrong(command: Command, arguments: tuple[str, ...], status: int) -> None:
    assert command(*arguments) == status


def test_a_domain_is_shown_with_the_record_to_publish(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("domain", "add", "contoso.com") == 0
    assert "MXRecord        : contoso.com. IN MX 0 contoso-com.mail.relay.example.\n" in capsys.readouterr().out


def test_a_device_gets_a_password(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("account", "add", "scanner@contoso.com") == 0
    capsys.readouterr()
    assert command("account", "add-password", "scanner@contoso.com", "--length", "16", "--json") == 0
    (made,) = printed(capsys)
    assert len(made["Password"]) == 16


def test_administrators_roles_and_tokens(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("administrator", "add", "ada") == 0
    assert command("rolegroup", "add-member", "Organization Management", "--member", "ada") == 0
    assert command("token", "add", "monitoring", "--roles", "Help Desk,Compliance Management") == 0
    capsys.readouterr()
    assert command("rolegroup", "members", "Organization Management", "--json") == 0
    assert [row["Name"] for row in printed(capsys)] == ["ada"]
    assert command("audit", "list", "--json") == 0
    assert [row["CmdletName"] for row in printed(capsys)] == [
        "New-ApiToken",
        "Add-RoleGroupMember",
        "New-Administrator",
    ]


def test_run_knows_every_cmdlet(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", "new-acceptedDomain", "contoso.com", "-DomainType", "InternalRelay") == 0
    capsys.readouterr()
    assert command("run", "--json", "Get-AcceptedDomain") == 0
    assert printed(capsys)[0]["DomainType"] == "InternalRelay"
    assert command("operations", "--json") == 0
    assert [row["Name"] for row in printed(capsys)] == [each.name for each in operations()]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("x",), {"Identity": "x"}),
        (("-identity", "x"), {"Identity": "x"}),
        (("--Identity:x",), {"Identity": "x"}),
        (("x", "-SenderIPAddresses", "a, b"), {"Identity": "x", "SenderIPAddresses": ["a", "b"]}),
        (("x", "-Comment", "a, b"), {"Identity": "x", "Comment": "a, b"}),
        (
            ("x", "-EFUsers.Add", "a,b", "-EFUsers.add", "c", "-EFUsers.Remove", "d"),
            {"Identity": "x", "EFUsers": {"Add": ["a", "b", "c"], "Remove": ["d"]}},
        ),
        (("x", "-Nothing", "1"), {"Identity": "x", "Nothing": "1"}),
    ],
)
def test_cmdlet_parameters_are_read_from_words(arguments: tuple[str, ...], given: dict[str, object]) -> None:
    assert parameters_in(find("Set-InboundConnector"), arguments) == given


@pytest.mark.parametrize(
    "arguments", [("x", "y"), ("x", "-Comment", "a", "-Comment", "b"), ("-EFUsers", "a", "-EFUsers.Add", "b")]
)
def test_words_that_contradict_each_other_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(BadParameter):
        parameters_in(find("Set-InboundConnector"), arguments)


def test_every_operation_can_be_a_command() -> None:
    for operation in operations():
        assert objects.command_of(operation).__doc__ == operation.summary
