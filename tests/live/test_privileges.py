"""Started as root, the relay takes its ports, becomes another user for good, and keeps its files to itself."""

import os
import pwd
import random
import shutil
import smtplib
import socket
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import staffetta
from staffetta.cli.status import EX_CONFIG, EX_NOPERM
from tests.live.conftest import need
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

NOBODY = pwd.getpwnam("nobody")
ROOT = Path(__file__).parents[2]
OWN_PYTHON = sys.executable
SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(*EVERYTHING) as sink:
        yield sink


@pytest.fixture(autouse=True)
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that nobody can read too: where the tests' Python is root's alone, the system's runs them."""
    need(None if os.getuid() == 0 else "only root can become another user")
    if is_closed(staffetta.__file__):
        pytest.skip("nobody may not enter the folder of these sources")
    if not is_closed(os.__file__):
        return
    told = subprocess.run([SYSTEM_PYTHON, "--version"], capture_output=True, text=True).stdout if SYSTEM_PYTHON else ""
    if not told.startswith("Python {}.{}.".format(*sys.version_info)):
        pytest.skip("there is no Python of this version that nobody may read")
    monkeypatch.setattr(sys, "executable", SYSTEM_PYTHON)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{sysconfig.get_path('purelib')}")


def is_closed(file: str) -> bool:
    """Whether others may not come to it."""
    return not all(path.stat().st_mode & stat.S_IXOTH for path in Path(file).resolve().parents)


def low_port() -> int:
    """Return a port that only root may take, and nobody has."""
    while True:
        port = random.SystemRandom().randint(600, 1023)
        with socket.socket() as taken:
            if taken.connect_ex(("127.0.0.1", port)) != 0:
                return port


def declared(relay: Relay, line: str) -> Relay:
    """Put a line of settings in front of all tables."""
    relay.config.write_text(f"{line}\n{relay.config.read_text()}")
    return relay


def refused(relay: Relay) -> tuple[int, str]:
    """Return the exit status of a relay that does not start, and what it said."""
    try:
        return relay.launch().wait(PATIENCE_SECONDS), relay.log
    finally:
        relay.kill()


def test_root_is_given_up_before_anything_is_opened(folder: Path, sink: Sink) -> None:
    (folder / "home").mkdir(mode=0o755)
    relay = declared(Relay(folder / "home", sink.port, port=low_port()), 'run_as = "nobody"')
    os.chown(folder / "home/key.pem", NOBODY.pw_uid, NOBODY.pw_gid)
    with relay:
        assert relay.process is not None
        lines = Path(f"/proc/{relay.process.pid}/status").read_text().splitlines()
        status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        assert status["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert status["Gid"] == [str(NOBODY.pw_gid)] * 4
        assert "0" not in status["Groups"]
        assert {int(status[f"Cap{kind}"][0], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
        assert status["NoNewPrivs"] == ["1"]
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=PATIENCE_SECONDS) as client:
            client.sendmail("ada@contoso.test", ["bob@contoso.test"], b"Subject: s\r\n\r\nhello\r\n")
    made = [folder / "home/data", *(folder / "home/data").rglob("*")]
    assert len(made) > 5
    assert {(path.name, path.stat().st_uid) for path in made if path.stat().st_uid != NOBODY.pw_uid} == set()
    assert {(path.name, oct(path.stat().st_mode)) for path in made if path.stat().st_mode & 0o077} == set()


def test_root_is_refused_where_others_can_connect_unless_it_is_told(tmp_path: Path) -> None:
    relay = Relay(tmp_path, 25)
    relay.config.write_text(relay.config.read_text().replace("127.0.0.1:", "0.0.0.0:", 1))
    status, said = refused(relay)
    assert status == EX_CONFIG
    assert f"run_as: root started the relay, and 0.0.0.0:{relay.port} is open to others" in said
    assert 'run_as = "staffetta", or, to stay root all the same, run_as = "root"' in said
    with declared(relay, 'run_as = "root"'):
        pass


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nobody-at-all", "relay.toml:1: run_as: there is no user 'nobody-at-all' here; make it (useradd --system"),
        ("0", "relay.toml:1: run_as: there is no user '0' here"),
    ],
)
def test_a_user_that_is_not_there_is_told(tmp_path: Path, name: str, expected: str) -> None:
    status, said = refused(declared(Relay(tmp_path, 25), f'run_as = "{name}"'))
    assert status == EX_CONFIG
    assert expected in said


def test_a_key_that_others_can_read_ends_the_start(folder: Path) -> None:
    (folder / "open").mkdir(mode=0o755)
    relay = Relay(folder / "open", 25)
    (folder / "open/key.pem").chmod(0o644)
    status, said = refused(relay)
    assert status == EX_NOPERM
    assert f"{folder}/open/key.pem (the private key of listener relay) has the mode 0644." in said
    assert f"chmod 0640 {folder}/open/key.pem" in said
    (folder / "open").chmod(0o700)  # now nobody comes to it, whatever its own mode says
    with relay:
        pass


def test_the_key_of_secrets_is_for_the_relay_alone(folder: Path) -> None:
    (folder / "sealed").mkdir(mode=0o755)
    relay = Relay(folder / "sealed", 25)
    (folder / "sealed/secrets.key").write_text("x")
    (folder / "sealed/secrets.key").chmod(0o644)
    status, said = refused(relay)
    assert status == EX_NOPERM
    assert f"{folder}/sealed/secrets.key (the key of secrets) has the mode 0644." in said


def test_a_file_of_root_is_told_to_who_the_relay_becomes(folder: Path) -> None:
    (folder / "foreign").mkdir(mode=0o755)
    status, said = refused(declared(Relay(folder / "foreign", 25), 'run_as = "nobody"'))
    assert status == EX_NOPERM
    assert "key.pem (the private key of listener relay) belongs to root, and nobody, who runs the relay," in said
    assert f"chown nobody {folder}/foreign/key.pem" in said


def test_a_data_folder_that_root_has_used_is_told(folder: Path) -> None:
    (folder / "used/data").mkdir(mode=0o700, parents=True)
    (folder / "used").chmod(0o755)
    relay = declared(Relay(folder / "used", 25), 'run_as = "nobody"')
    os.chown(folder / "used/key.pem", NOBODY.pw_uid, NOBODY.pw_gid)
    status, said = refused(relay)
    assert status == EX_NOPERM
    assert f"chown -R nobody {folder}/used/data" in said


@pytest.mark.skipif(not is_closed(os.__file__), reason="all may read this Python")
def test_a_program_that_the_user_cannot_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of it is loaded later, and by a restart: better not to begin."""
    monkeypatch.setattr(sys, "executable", OWN_PYTHON)
    monkeypatch.delenv("PYTHONPATH")
    (folder / "closed").mkdir(mode=0o755)
    status, said = refused(declared(Relay(folder / "closed", 25), 'run_as = "nobody"'))
    assert status == EX_CONFIG
    assert "run_as: 'nobody' cannot read" in said
