"""A restart without a pause: the same process, with the program and the settings of now.

Rule 1: what can fail is tried before anything stops: the settings, new ports, and the new program itself.
Rule 2: the process stays, and with it what systemd knows of it; so do its sockets, its workers and its lock.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from staffetta.operations.restarting import StandingFile
from staffetta.ports import CannotListen, Handed, Ports
from staffetta.settings.file import SettingsError, load
from staffetta.settings.model import Settings

_VARIABLE = "STAFFETTA_RESUME"
_CHECK_SECONDS = 60.0
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)


_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the program before has left. workers: by number, process and descriptor of its line. lock: -1 for none."""

    ports: Handed = field(default_factory=dict)
    workers: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    lock: int = -1
    starts: int = 0

    @classmethod
    def take(cls, environment: MutableMapping[str, str] = os.environ) -> "Resumed":
        """Return what there is, once; nothing where this is a first start."""
        text = environment.pop(_VARIABLE, "")
        if not text:
            return cls()
        left = json.loads(text)
        return cls(
            {use: (address, number) for use, (address, number) in left["ports"].items()},
            {int(number): (pid, line) for number, (pid, line) in left["workers"].items()},
            left["lock"],
            left["starts"],
        )

    @property
    def is_first_start(self) -> bool:
        """Whether no program was there before."""
        return self.lock < 0

    def standing(self, data_dir: Path) -> StandingFile:
        """Return the lock. Raises SpoolLocked."""
        return StandingFile.take(data_dir) if self.is_first_start else StandingFile.inherited(self.lock, self.starts)


class Renewal:
    """Asked for by a signal; granted when nothing that can be tried beforehand stands against it."""

    def __init__(self, settings: Settings, config: Path, ports: Ports, standing: StandingFile) -> None:
        self._data_dir = settings.data_dir
        self._config = config
        self._ports = ports
        self._standing = standing
        self._asking: asyncio.Task[None] | None = None
        self.is_granted = False

    def ask(self, then: Callable[[], None]) -> None:
        """Try what can be tried, and call `then` where it is granted. Asked again meanwhile, nothing more happens."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(then), name="restart")

    async def _ask(self, then: Callable[[], None]) -> None:
        trouble = await trouble_with(self._config, self._ports, self._data_dir)
        if trouble is None:
            _log.info("restarting")
            self.is_granted = True
            then()
            return
        _log.error("not restarted", error=trouble)
        self._standing.refuse(trouble)
        self._asking = None


async def trouble_with(config: Path, ports: Ports, data_dir: Path) -> str | None:
    """Say why the relay could not start anew, or None; then new ports are bound already."""
    words = [*_program(), "check", "--config", str(config)]
    child = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(child.communicate(), _CHECK_SECONDS)
    except TimeoutError:
        child.kill()
        return f"`staffetta check` did not end within {_CHECK_SECONDS:.0f} s"
    if child.returncode:
        return said.decode(errors="replace").strip()
    try:
        settings = load(config)
        if settings.data_dir != data_dir:
            return f"data_dir was {data_dir}; another takes a stop and a start"
        ports.add(settings)
    except (SettingsError, CannotListen) as error:
        return str(error)
    return None


def renew(ports: Ports, standing: StandingFile, workers: Mapping[int, tuple[int, int]]) -> None:
    """Become the program of now, and never return. workers: as in Resumed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # until that program can handle them: handled()
    left = Resumed(ports.handed(), workers, standing.descriptor, standing.standing.starts + 1)
    ports.inherit()
    for descriptor in (standing.descriptor, *(line for _, line in workers.values())):
        os.set_inheritable(descriptor, True)
    os.environ[_VARIABLE] = json.dumps(asdict(left))
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)


def handled() -> None:
    """From now on signals have somebody who handles them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def _program() -> list[str]:
    """How this program was called, without its own arguments."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]]
