"""At a terminal: what is completed, what is kept, and lines that go on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from staffetta.shell.completion import complete
from staffetta.shell.interactive import converse, history_file
from tests.unit.shell.screen import Screen


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        yield keyboard


COMPLETED = [
    ("New-Inb", "New-Inb", ["New-InboundConnector"]),
    ("get-date | sel", "sel", ["Select-Object"]),
    ("New-InboundConnector -ConnectorT", "-ConnectorT", ["-ConnectorType"]),
    ("New-InboundConnector -ConnectorType ", "", ["OnPremises", "Partner"]),
    ("New-InboundConnector -ConnectorType p", "p", ["Partner"]),
    ("Send-MailMessage -DNO x -DeliveryNotificationOption OnSuccess,OnF", "OnF", []),
    ("Send-MailMessage -DeliveryNotificationOption OnF", "OnF", ["OnFailure"]),
    ("$x = Get-InboundC", "Get-InboundC", ["Get-InboundConnector", "Get-InboundConnectorUsage"]),
    ("Write-Host $spl", "$spl", ["$splat"]),
    ("Get-Nothing -x", "-x", []),
    ("Get-Date -Year ", "", []),
]


@pytest.mark.parametrize(("typed", "word", "names"), COMPLETED)
def test_what_is_typed_is_completed(console: Screen, typed: str, word: str, names: list[str]) -> None:
    assert complete(typed, console.shell.session.commands, ["splat"]) == (word, names)


def test_lines_are_run_until_exit(console: Screen, keyboard: PipeInput) -> None:
    keyboard.send_text("'a' + 'b'\r'after'; exit 3\r")
    assert converse(console.shell, None) == 3
    assert console.lines == ["ab", "after"]


def test_an_open_brace_goes_on_on_the_next_line(console: Screen, keyboard: PipeInput) -> None:
    keyboard.send_text("$x = @{\r a = 1\r}\r$x.a\rexit\r")
    assert converse(console.shell, None) == 0
    assert console.lines == ["1"]


def test_an_error_does_not_end_the_conversation(console: Screen, keyboard: PipeInput) -> None:
    keyboard.send_text("Get-Nothing\r'still here'\r\x04")
    assert converse(console.shell, None) == 0
    assert console.lines == ["still here"]


def test_history_is_kept_but_for_what_seems_to_hold_a_password(
    console: Screen, keyboard: PipeInput, tmp_path: Path
) -> None:
    history = history_file({"XDG_STATE_HOME": str(tmp_path)}.get)
    assert history is not None and history.stat().st_mode & 0o777 == 0o600
    keyboard.send_text("'kept'\r$password = 'geheim'\rexit\r")
    converse(console.shell, history)
    kept = history.read_text()
    assert "'kept'" in kept and "geheim" not in kept


def test_without_a_place_for_it_history_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert history_file({"XDG_STATE_HOME": str(tmp_path / "file")}.get) is None
