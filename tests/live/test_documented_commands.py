"""The commands of the pages on first steps and devices are run; only the ports are others."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.relay import PATIENCE_SECONDS
from tests.live.test_quickstart import Relay, start

pytestmark = pytest.mark.live

DOCS = Path(__file__).parents[2] / "docs"


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it as a shell does, with the program of this environment first in the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
    )


def must_work(command: str, folder: Path) -> str:
    done = run(command, folder)
    assert done.returncode == 0, command + "\n" + done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    relay = start(tmp_path_factory.mktemp("quickstart"))
    yield relay
    relay.stop()


@pytest.mark.parametrize("name", ["devices.md", "it/primi-passi.md"])
def test_commands_on_the_quickstart_work(quickstart: Relay, name: str) -> None:
    found = commands(page(name))
    assert len(found) >= 5
    for command in found:
        assert must_work(command.replace("2525", str(quickstart.smtp_port)), quickstart.folder).strip(), command
