"""`staffetta queue`: nothing that is chosen by what it is like is done without a yes."""

import io
import json
import sys
from pathlib import Path

import pytest

from staffetta.cli.main import run
from staffetta.settings.file import load
from tests.unit.operations.mail import kept

SETTINGS = """
hostname = "relay.example"
data_dir = "data"

[[routes]]
name = "outside"
next_hops = [{ host = "192.0.2.1" }]

[[routes]]
name = "spare"
next_hops = [{ host = "192.0.2.2" }]
"""


class Typed(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


@pytest.fixture
def queue_id(config: Path) -> str:
    return kept(load(config), "bob@contoso.com", "eve@outside.example")


def command(config: Path, *words: str) -> int:
    def serve(_: Path) -> int:
        raise AssertionError("serve was called")

    return run(["queue", *words, "--config", str(config)], serve=serve)


def states(config: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert command(config, "list", "--json") == 0
    return {row["recipient"]: row["state"] for row in json.loads(capsys.readouterr().out)}


def test_what_is_named_is_done_at_once(config: Path, queue_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(config, "hold", queue_id) == 0
    assert capsys.readouterr().out == "2 recipients suspended\n"
    assert set(states(config, capsys).values()) == {"held"}
    assert command(config, "release", queue_id, "--recipient", "bob@*", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["Changed"] == 1


@pytest.mark.parametrize(("answer", "status", "is_done"), [("y\n", 0, True), ("\n", 64, False), (None, 64, False)])
def test_what_is_chosen_is_shown_first_and_done_after_a_yes(
    config: Path,
    queue_id: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    status: int,
    is_done: bool,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO() if answer is None else Typed(answer))
    assert command(config, "delete", "--domain", "outside.example") == status
    shown = capsys.readouterr().out
    assert "It is about 1 recipient of 1 messages." in shown
    assert f"{queue_id} from <ada@contoso.com> to <eve@outside.example>, ready" in shown
    assert ("eve@outside.example" not in states(config, capsys)) is is_done


def test_a_preview_does_nothing_even_with_a_yes(
    config: Path, queue_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(config, "redirect", queue_id, "--to-route", "spare", "--preview", "--yes") == 0
    assert "They would wait for the route spare" in capsys.readouterr().out
    assert command(config, "redirect", "--all", "--to-route", "spare", "--yes") == 0
    assert capsys.readouterr().out == "2 recipients sent another way\n"


def test_a_queue_is_stopped_and_goes_on(config: Path, queue_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(config, "suspend", "outside") == 0
    assert command(config, "places", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["Status"] == "Suspended"
    assert command(config, "resume", "outside") == 0
    assert command(config, "find", "--filter", "Status -eq 'Ready'", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["Identity"] == queue_id


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("delete",), 64),
        (("hold", "nonsense"), 64),
        (("hold", "0000000000000"), 66),
        (("suspend", "nowhere"), 66),
        (("find", "--filter", "Colour -eq 'red'"), 64),
        (("hold", "--recipient", "nobody@*", "--yes"), 0),
    ],
)
def test_what_cannot_be_done_says_so_by_its_status(
    config: Path, queue_id: str, words: tuple[str, ...], status: int
) -> None:
    assert command(config, *words) == status
