"""docs/testing.md: every command on the page is run, on the settings that it names; only the ports are others."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from staffetta.settings.file import load
from tests.live.relay import PATIENCE_SECONDS
from tests.live.test_quickstart import QUICKSTART, Relay, start

pytestmark = pytest.mark.live

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
REFUSED = ("simulate",)
"""What the page shows on purpose as refused: exit status 1."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    relay = start(tmp_path_factory.mktemp("page"))
    yield relay
    relay.stop()


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_works(relay: Relay, command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "staffetta"
    here = {"2525": str(relay.smtp_port), "examples/quickstart.toml": str(relay.config)}
    arguments = [here.get(word, word) for word in words]
    arguments = [str(relay.folder / word) if word.startswith("var/") else word for word in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "staffetta", *arguments], capture_output=True, text=True, timeout=3 * PATIENCE_SECONDS
    )
    assert done.returncode == (1 if words[0] in REFUSED else 0), done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_settings_of_the_page_are_right(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "settings.toml"
    path.write_text(QUICKSTART.read_text(encoding="utf-8") + "\n" + block, encoding="utf-8")
    (probe,) = load(path).probes
    assert probe.name == "canary"
