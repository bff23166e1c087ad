"""The manual and the completions name everything that can be typed, and the programs that read them find no fault."""

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from staffetta.cli.main import commands, run
from staffetta.cli.manual import file_page, program_page, shared_files
from staffetta.settings.documents import declared_keys

TODAY = date(2026, 11, 24)
APP = commands(lambda _: 0)
PAGES = {"staffetta.1": program_page(APP, TODAY), "staffetta.toml.5": file_page(TODAY)}


def need(program: str) -> None:
    if shutil.which(program) is None:
        if os.environ.get("STAFFETTA_REQUIRE_PEERS") == "1":
            pytest.fail(f"{program} is missing: apt install {program}")
        pytest.skip(f"{program} is missing")


def plain(page: str) -> str:
    return page.replace("\\fB", "").replace("\\fR", "").replace("\\-", "-")


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_no_fault(tmp_path: Path, name: str) -> None:
    need("mandoc")
    (tmp_path / name).write_text(PAGES[name], encoding="utf-8")
    done = subprocess.run(["mandoc", "-Tlint", name], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", PAGES)
def test_man_shows_the_page_without_a_warning(tmp_path: Path, name: str) -> None:
    need("man")
    (tmp_path / name).write_text(PAGES[name], encoding="utf-8")
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANROFFSEQ": ""}
    command = ["man", "--warnings", "-E", "UTF-8", "-l", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "DESCRIPTION" in done.stdout


def test_every_command_and_option_stands_in_the_manual() -> None:
    page = plain(PAGES["staffetta.1"])
    for name in ("serve", "simulate", "import postfix", "queue suspend", "ca issue", "config apply", "manual"):
        assert f"staffetta {name} " in page
    for option in ("--accepted-domains", "--cert-name", "--dry-run", "STAFFETTA_CONFIG"):
        assert option in page


def test_every_setting_stands_in_the_manual() -> None:
    page = plain(PAGES["staffetta.toml.5"])
    missing = [key for key, _ in declared_keys() if f"\n{key.rpartition('.')[2]} (" not in page]
    assert missing == []


def test_a_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["manual", "staffetta.toml"], serve=lambda _: 99) == 0
    assert capsys.readouterr().out.startswith('.TH "STAFFETTA.TOML" "5"')


@pytest.mark.parametrize(
    ("shell", "path"),
    [
        (("bash", "-n"), "bash-completion/completions/staffetta"),
        (("zsh", "-n"), "zsh/site-functions/_staffetta"),
        (("fish", "--no-execute"), "fish/vendor_completions.d/staffetta.fish"),
    ],
)
def test_shells_read_their_completions(tmp_path: Path, shell: tuple[str, ...], path: str) -> None:
    need(shell[0])
    (tmp_path / "completion").write_text(shared_files(TODAY)[path], encoding="utf-8")
    done = subprocess.run([*shell, "completion"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(("typed", "offered"), [("sim", "simulate"), ("queue sus", "suspend"), ("import ", "exchange")])
def test_bash_completes_commands(tmp_path: Path, typed: str, offered: str) -> None:
    need("bash")
    (tmp_path / "completion").write_text(shared_files(TODAY)["bash-completion/completions/staffetta"], encoding="utf-8")
    words = typed if not typed.endswith(" ") else typed + '""'
    script = (
        f"source ./completion; COMP_WORDS=(staffetta {words}); "
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _staffetta; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert offered in done.stdout.split()
