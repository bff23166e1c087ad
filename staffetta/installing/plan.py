"""What makes a bare server ready, as steps that can be read before they are taken.

Rule 1: what an administrator may have written is never written over: settings and links that are there stay.
Rule 2: taken twice, it changes nothing the second time.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from cryptography.fernet import Fernet

UNITS = "etc/systemd/system"
SHARE = "usr/local/share"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_LINKS = {"sendmail": "usr/sbin/sendmail", "mailq": "usr/bin/mailq", "newaliases": "usr/bin/newaliases"}


class CannotSetUp(Exception):
    """A step failed. The text says which, and why."""


@dataclass(frozen=True, slots=True)
class Machine:
    """root: `/`, or the folder of a system that does not run. programs: folder of ours, as seen from that system."""

    root: Path
    programs: Path
    hostname: str
    domain: str

    @property
    def is_this(self) -> bool:
        """Whether it is the system that runs."""
        return self.root == Path("/")


@dataclass(frozen=True, slots=True)
class Step:
    """words: what it does. take: does it; raises OSError, CannotSetUp."""

    words: str
    take: Callable[[], None]


def steps(machine: Machine, *, with_sendmail: bool, shared: Mapping[str, str] = _NOTHING) -> Iterator[Step]:
    """Yield what is to be done, in order. with_sendmail: our programs become this machine's sendmail.

    shared: texts of files below share/, by path: the manual, and completions of shells.
    """
    yield _file(machine, "sysusers.conf", "usr/lib/sysusers.d/staffetta.conf")
    yield _command(machine, "the user staffetta", "systemd-sysusers", "staffetta.conf")
    yield _file(machine, "tmpfiles.conf", "usr/lib/tmpfiles.d/staffetta.conf")
    yield _command(machine, "the folders, with their rights", "systemd-tmpfiles", "--create", "staffetta.conf")
    if step := _settings(machine, "staffetta.toml", 0o640, of_group=True):
        yield step
    if step := _settings(machine, "sendmail.toml", 0o644):
        yield step
    if step := _secrets_key(machine):
        yield step
    for unit in ("staffetta.service", "staffetta.socket"):
        yield _file(machine, unit, f"{UNITS}/{unit}")
    for place, text in shared.items():
        yield _written(machine.root / SHARE / place, text)
    if with_sendmail:
        for name, place in _LINKS.items():
            if step := _link(machine, name, machine.root / place):
                yield step
    if machine.is_this:
        yield Step("systemctl daemon-reload", lambda: _run("systemctl", "daemon-reload"))


def text_of(name: str, machine: Machine) -> str:
    """Return one of the files that come with us, made for a machine."""
    text = (files("staffetta.installing") / "files" / name).read_text(encoding="utf-8")
    for word, value in (
        ("program", str(machine.programs / "staffetta")),
        ("hostname", machine.hostname),
        ("domain", machine.domain),
    ):
        text = text.replace(f"{{{word}}}", value)
    return text


def _file(machine: Machine, name: str, place: str) -> Step:
    return _written(machine.root / place, text_of(name, machine))


def _written(path: Path, text: str) -> Step:
    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)

    return Step(f"write {path}", write)


def _settings(machine: Machine, name: str, mode: int, *, of_group: bool = False) -> Step | None:
    """None where there are settings already. of_group: the relay's group may read them, and others not."""
    folder = machine.root / "etc/staffetta"
    path = folder / name
    if path.exists():
        return None

    def write() -> None:
        path.touch(mode=0o600)
        path.write_text(text_of(name, machine), encoding="utf-8")
        if of_group:
            os.chown(path, -1, (folder / "tls").stat().st_gid)
        path.chmod(mode)

    return Step(f"write {path}, to begin with", write)


def _secrets_key(machine: Machine) -> Step | None:
    """What seals secrets in the directory, where the relay looks for it. Another one would open nothing: it stays."""
    path = machine.root / "etc/staffetta/secrets.key"
    if path.exists():
        return None

    def write() -> None:
        owner = (machine.root / "var/lib/staffetta").stat()
        path.touch(mode=0o600)
        path.write_bytes(Fernet.generate_key() + b"\n")
        os.chown(path, owner.st_uid, owner.st_gid)

    return Step(f"write {path}, the key of secrets; keep a copy of it, away from backups", write)


def _link(machine: Machine, name: str, path: Path) -> Step | None:
    program = machine.programs / name
    if path.is_symlink() and path.readlink() == program:
        return None

    def link() -> None:
        if path.exists() or path.is_symlink():
            raise CannotSetUp(
                f"{path} is there, of another mail program; remove that (apt remove postfix), or link by hand: "
                f"dpkg-divert --local --rename {path} && ln -s {program} {path}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(program)

    return Step(f"link {path} to {program}", link)


def _command(machine: Machine, makes: str, *command: str) -> Step:
    where = () if machine.is_this else (f"--root={machine.root}",)
    whole = (command[0], *where, *command[1:])
    return Step(f"{' '.join(whole)}: {makes}", lambda: _run(*whole))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise CannotSetUp(f"{command[0]} is not there; this is for systems with systemd") from None
    if done.returncode != 0:
        raise CannotSetUp(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
