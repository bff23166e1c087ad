"""Packed, installed and started as an administrator would: the wheel, `staffetta setup`, systemd's own judgement."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from staffetta.installing.plan import Machine, text_of
from tests.live.conftest import need
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
EXPOSURE_MAX = 2.5  # of systemd-analyze security: 10 is everything, below 3 it calls it OK


def run(*command: str | Path, folder: Path = ROOT) -> str:
    words = [str(each) for each in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist")
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, folder: Path) -> Path:
    """Folder of the programs, installed from the wheel; what we depend on is taken from here."""
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv/bin/python"
    run(sys.executable, "-m", "pip", f"--python={python}", "install", "--no-deps", "--no-index", wheel)
    site = next((folder / "venv/lib").glob("python*/site-packages"))
    ours = next(Path(sys.prefix, "lib").glob("python*/site-packages"))
    # A .pth of ours that names the sources would be followed; a folder of links is not looked through for those.
    links = folder / "dependencies"
    links.mkdir()
    for each in ours.iterdir():
        if "staffetta" not in each.name and each.suffix != ".pth":
            (links / each.name).symlink_to(each)
    (site / "dependencies.pth").write_text(f"{links}\n")
    return folder / "venv/bin"


def test_the_wheel_holds_everything_that_is_no_test(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = subprocess.run(["git", "ls-files", "staffetta"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(kept.split()) <= packed
    assert all(name.startswith("staffetta/") for name in packed)


def test_what_is_installed_from_the_wheel_carries_mail(installed: Path, folder: Path) -> None:
    where = run(installed / "python", "-c", "import staffetta; print(staffetta.__file__)", folder=folder)
    assert where.startswith(str(folder / "venv"))
    (folder / "relay").mkdir()
    with Sink(*EVERYTHING) as sink:
        relay = Relay(folder / "relay", sink.port, more='[console]\naddress = "127.0.0.1:0"\n')
        place = folder / "sendmail.toml"
        place.write_text(f'server = "127.0.0.1:{relay.port}"\ndomain = "contoso.test"\n')
        process = subprocess.Popen(
            [installed / "staffetta", "serve", "--config", relay.config], stdout=subprocess.PIPE, text=True, cwd=folder
        )
        try:
            assert process.stdout is not None
            assert "is running" in process.stdout.readline()
            subprocess.run(
                [installed / "sendmail", "-f", "ada@contoso.test", "bob@contoso.test"],
                input=b"Subject: s\n\nhello\n",
                env={**os.environ, "STAFFETTA_SENDMAIL": str(place)},
                cwd=folder,
                check=True,
                timeout=PATIENCE_SECONDS,
            )
            sink.wait_for(1)
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0
            if process.stdout is not None:
                process.stdout.close()


def test_a_bare_server_is_made_ready_and_twice_changes_nothing(folder: Path) -> None:
    need(None if shutil.which("systemd-sysusers") else "systemd is not installed")
    need(None if os.getuid() == 0 else "only root can set up a server")
    server = folder / "server"
    (server / "etc").mkdir(parents=True)
    program = Path(sys.executable).parent / "staffetta"
    command = (program, "setup", "--root", server, "--hostname", "relay.contoso.com", "--sendmail")
    assert "would" not in run(*command, "--dry-run")
    assert [*server.rglob("*")] == [server / "etc"]
    run(*command)
    assert "staffetta:" in (server / "etc/passwd").read_text()
    drop = (server / "var/spool/staffetta/drop").stat()
    assert drop.st_mode & 0o7777 == 0o3733
    assert drop.st_uid != 0
    assert (server / "var/lib/staffetta").stat().st_mode & 0o777 == 0o700
    settings = server / "etc/staffetta/staffetta.toml"
    assert settings.stat().st_mode & 0o777 == 0o640
    assert settings.stat().st_gid == drop.st_gid
    key = server / "etc/staffetta/secrets.key"
    assert (key.stat().st_mode & 0o777, key.stat().st_uid) == (0o600, drop.st_uid)
    before = key.read_bytes()
    assert (server / "usr/sbin/sendmail").is_symlink()
    settings.write_text("mine")
    run(*command)
    assert settings.read_text() == "mine"
    assert key.read_bytes() == before


def test_systemd_finds_nothing_wrong_with_the_units_and_little_exposed(folder: Path) -> None:
    need(None if shutil.which("systemd-analyze") else "systemd is not installed")
    machine = Machine(Path("/"), Path(sys.executable).parent, "relay.contoso.com", "contoso.com")
    units = folder / "units"
    units.mkdir()
    for name in ("staffetta.service", "staffetta.socket"):
        (units / name).write_text(text_of(name, machine))
    said = run("systemd-analyze", "verify", "--man=no", *units.iterdir())
    assert [line for line in said.splitlines() if "staffetta" in line] == []
    report = run("systemd-analyze", "security", "--offline=true", units / "staffetta.service")
    exposure = re.search(r"Overall exposure level.*: ([\d.]+)", report)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX, report
