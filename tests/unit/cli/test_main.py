import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from staffetta.cli.main import run

SETTINGS = """
hostname = "relay.example"
data_dir = "data"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def must_not_serve(_config: Path) -> int:
    raise AssertionError("serve was called")


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments], serve=must_not_serve)


def test_an_interrupt_is_the_caller_s_so_that_a_command_within_the_demo_ends_the_demo(config: Path) -> None:
    def serve(path: Path) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["serve", "--config", str(config)], serve=serve)


def test_serve_gives_the_settings_file_to_the_relay_and_returns_its_status(config: Path) -> None:
    served: list[Path] = []

    def serve(path: Path) -> int:
        served.append(path)
        return 75

    assert run(["serve", "--config", str(config)], serve=serve) == 75
    assert served == [config]


def test_config_may_come_from_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAFFETTA_CONFIG", str(config))
    assert command("check") == 0


def test_check_says_ok(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("check", "--config", config) == 0
    assert capsys.readouterr().out == f"{config}: ok\n"


def test_check_names_file_line_and_key(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(SETTINGS + "colour = 1\n", encoding="utf-8")
    assert command("check", "--config", config) == 78
    assert capsys.readouterr().err.startswith(f"{config}:4: colour: ")


def test_missing_settings_file_is_a_settings_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("check", "--config", tmp_path / "none.toml") == 78
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--nonsense"], ["trace"], ["nonsense"], ["queue", "nonsense"]])
def test_wrong_usage_exits_with_64(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAFFETTA_CONFIG", raising=False)
    assert command(*arguments) == 64


def test_trace_that_finds_nothing_is_an_empty_array(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("trace", "--message-id", "<none@example>", "--json", "--config", config) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_trace_that_finds_nothing_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("trace", "--config", config) == 0
    assert capsys.readouterr().out == "No message matches.\n"


@pytest.mark.parametrize(
    "words",
    [("trace", "--queue-id", "00VRVARJ00000"), ("refusals", "--session", "S1"), ("queue", "show", "00VRVARJ00000")],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_id_of_ours_that_is_not_there_exits_with_66(
    config: Path, words: tuple[str, ...], form: tuple[str, ...]
) -> None:
    assert command(*words, *form, "--config", config) == 66


@pytest.mark.parametrize("words", [("trace", "--recipient", "a@b.test"), ("refusals",), ("queue", "list")])
def test_a_search_that_finds_nothing_is_no_failure(config: Path, words: tuple[str, ...]) -> None:
    assert command(*words, "--config", config) == 0


def test_reader_that_has_seen_enough_is_no_error(config: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [sys.executable, "-m", "staffetta", "check", "--config", str(config)]
    process = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, "")


def test_queue_action_without_ids_asks_for_them(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("queue", "delete", "--config", config) == 64
    assert "--all" in capsys.readouterr().err


def test_queue_action_on_something_else_than_a_queue_id_is_wrong_usage(config: Path) -> None:
    assert command("queue", "hold", "nonsense", "--config", config) == 64


@pytest.mark.parametrize("words", [("trace",), ("queue", "list")])
@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_below_one_is_refused(config: Path, words: tuple[str, ...], limit: str) -> None:
    assert command(*words, "--config", config, "--limit", limit) == 64


def test_trace_takes_what_is_typed_into_the_search_box(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("trace", "from:ada@contoso.com", "subject:Monthly report", "after:2h", "--config", config) == 0
    assert capsys.readouterr().out == "No message matches.\n"
    assert command("trace", "status:lost", "--config", config) == 64
    assert "'lost' is no status" in capsys.readouterr().err
