"""The supervisor of several workers: starts them, starts a dead one again, has them stop, and renews them in turn.

Rule 1: it does no relay work and keeps nothing that could be lost. It holds the ports, so that no connection is
refused while a worker is missing.
Rule 2: a worker that ends unasked is started again at once, then after 1, 2, 4 and up to 60 seconds.
Rule 3: at the first start every worker must come up, or none stays; later on the others go on without it.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from staffetta.cli.status import EX_IOERR, EX_OK
from staffetta.handing import READY, WELCOME, start_worker
from staffetta.operations.restarting import StandingFile
from staffetta.place import GRACE_SECONDS, Place
from staffetta.ports import Ports, use_of
from staffetta.renewal import Renewal, handled
from staffetta.settings.file import SettingsError, load
from staffetta.settings.lasting import without_restart
from staffetta.settings.model import Settings
from staffetta.supervisor import Supervisor

_BACK_OFF_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_STEADY_SECONDS = 60.0  # a worker that has lived so long begins anew with its back-off
_KILL_SECONDS = GRACE_SECONDS + 20.0  # what a worker may take to stop, its last commits included
_BEATS = 4  # a worker says so often in the watchdog's interval that it is alive

_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Worker:
    """ended: its exit status, or the signal that ended it, negative. line: our end of it."""

    number: int
    pid: int
    line: socket.socket
    ended: "asyncio.Future[int]"
    started_at: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)


class Workers:
    """See the head of this file. inherited: workers of the program before, by number, as process and line."""

    def __init__(
        self,
        settings: Settings,
        config: Path,
        count: int,
        ports: Ports,
        standing: StandingFile,
        inherited: Mapping[int, tuple[int, int]],
    ) -> None:
        self._settings = settings
        self._config = config
        self._count = count
        self._ports = ports
        self._standing = standing
        self._inherited = inherited
        self._run = f"{standing.standing.pid}.{standing.standing.starts}.{time.time():.0f}"
        self._systemd = Supervisor()
        self._workers: set[_Worker] = set()
        self._ending = asyncio.Event()
        self._is_up = False
        self._renewal = Renewal(settings, config, ports, standing)
        self._status = EX_OK

    async def run(self) -> int | None:
        """Run until told to stop. Return the exit status; None where the program is to be renewed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        loop.add_signal_handler(signal.SIGUSR2, self._asked_to_renew)
        handled()
        end_watch = self._systemd.watch(loop)
        keepers: list[asyncio.Task[None]] = []
        looking = asyncio.create_task(self._look_for_the_hung(), name="heartbeats")
        starting = asyncio.create_task(self._start_all(keepers), name="start")
        await self._ending.wait()
        for task in (*keepers, looking, starting):
            task.cancel()
        end_watch()
        if not self._renewal.is_granted:
            await self._stop()
            return self._status
        return None

    def left(self) -> dict[int, tuple[int, int]]:
        """Return the workers for the program that follows."""
        return {each.number: (each.pid, each.line.fileno()) for each in self._workers}

    # Start, and start again.

    async def _start_all(self, keepers: list["asyncio.Task[None]"]) -> None:
        old = {
            number: self._know(number, pid, socket.socket(fileno=line))
            for number, (pid, line) in self._inherited.items()
        }
        for worker in old.values():
            worker.line.set_inheritable(False)
            worker.is_ready.set()
        self._is_up = bool(old)
        self._reap()
        # Whose partitions others will hold must have let go of them first.
        await asyncio.gather(*(self._retire(worker) for number, worker in old.items() if number >= self._count))
        first = await self._replace(0, old.get(0))
        keepers.append(asyncio.create_task(self._keep(first), name="worker 0"))
        if self._is_up:
            others = [await self._replace(number, old.get(number)) for number in range(1, self._count)]
        else:
            others = await asyncio.gather(*(self._replace(number, None) for number in range(1, self._count)))
        keepers += [asyncio.create_task(self._keep(each), name=f"worker {each.number}") for each in others]
        self._is_up = True
        _welcome(first)
        self._standing.ready()
        self._systemd.ready(self._summary)

    async def _replace(self, number: int, old: _Worker | None) -> _Worker:
        """Return a worker that runs, in the place of one that is told to go."""
        if old is not None:
            await self._retire(old)
        tries = 0
        while True:
            try:
                worker = self._start(number)
            except OSError as error:  # no process, no descriptor: that may pass
                _log.error("worker not started", worker=number, error=error.strerror)
                await asyncio.sleep(_BACK_OFF_SECONDS[-1])
                continue
            ready = asyncio.create_task(worker.is_ready.wait())
            await asyncio.wait((ready, worker.ended), return_when=asyncio.FIRST_COMPLETED)
            if worker.is_ready.is_set():
                return worker
            ready.cancel()
            if not self._is_up:  # it has said why
                self._status = worker.ended.result() or EX_IOERR
                self._ending.set()
                await asyncio.Event().wait()  # until run() ends this
            await self._pause(worker, tries)
            tries += 1

    async def _keep(self, worker: _Worker) -> None:
        """Whenever it ends, have another in its place."""
        deaths = 0
        while True:
            await asyncio.shield(worker.ended)  # which others wait for too
            deaths = 0 if time.monotonic() - worker.started_at > _STEADY_SECONDS else deaths
            await self._pause(worker, deaths)
            deaths += 1
            worker = await self._replace(worker.number, None)
            _welcome(worker)

    async def _pause(self, dead: _Worker, before: int) -> None:
        seconds = _BACK_OFF_SECONDS[min(before, len(_BACK_OFF_SECONDS) - 1)]
        _log.error("worker ended", worker=dead.number, pid=dead.pid, status=dead.ended.result(), again_in=seconds)
        await asyncio.sleep(seconds)

    def _start(self, number: int) -> _Worker:
        beat = self._systemd.watchdog_seconds / _BEATS
        pid, line = start_worker(Place(number, self._count, self._run), self._ports, self._settings, beat)
        _log.info("worker started", worker=number, pid=pid)
        return self._know(number, pid, line)

    def _know(self, number: int, pid: int, line: socket.socket) -> _Worker:
        loop = asyncio.get_running_loop()
        worker = _Worker(number, pid, line, loop.create_future())
        line.setblocking(False)
        loop.add_reader(line, self._hear, worker)
        self._workers.add(worker)
        return worker

    def _hear(self, worker: _Worker) -> None:
        with suppress(OSError):
            said = worker.line.recv(4096)
            worker.heard_at = time.monotonic()
            if READY in said:
                worker.is_ready.set()
            if not said:
                asyncio.get_running_loop().remove_reader(worker.line)

    def _reap(self) -> None:
        """A child has ended, or several have."""
        for worker in list(self._workers):
            try:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = worker.pid, 0
            if pid:
                asyncio.get_running_loop().remove_reader(worker.line)
                worker.line.close()
                self._workers.discard(worker)
                worker.ended.set_result(os.waitstatus_to_exitcode(status))

    # Stop.

    def _told_to_stop(self) -> None:
        if self._ending.is_set():  # told again, all of it ends at once: the spool bears that
            self._signal(signal.SIGKILL)
        self._ending.set()

    async def _stop(self) -> None:
        self._systemd.stopping()
        self._ports.close()
        await asyncio.gather(*(self._retire(worker) for worker in list(self._workers)))

    async def _retire(self, worker: _Worker) -> None:
        """Have it finish what is under way and end."""
        self._send(worker, signal.SIGTERM)
        done, _ = await asyncio.wait((worker.ended,), timeout=_KILL_SECONDS)
        if not done:
            _log.error("worker does not stop, and is killed", worker=worker.number, pid=worker.pid)
            self._send(worker, signal.SIGKILL)
            await asyncio.shield(worker.ended)  # which others wait for too

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            self._send(worker, number)

    def _send(self, worker: _Worker, number: signal.Signals) -> None:
        if not worker.ended.done():  # its number may be another process's by now
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    # Reload, renew, watch.

    def _reload(self) -> None:
        try:
            self._settings, _ = without_restart(load(self._config), self._settings)
        except SettingsError as error:
            _log.error("settings not reloaded", error=str(error))
            return
        with self._systemd.reloading(self._summary):
            self._signal(signal.SIGHUP)

    def _asked_to_renew(self) -> None:
        if self._is_up:
            self._renewal.ask(self._ending.set)

    async def _look_for_the_hung(self) -> None:
        """A worker whose loop stands still is ended, as systemd would end one alone."""
        limit = self._systemd.watchdog_seconds
        while limit:
            await asyncio.sleep(limit / _BEATS)
            for worker in list(self._workers):
                if worker.is_ready.is_set() and time.monotonic() - worker.heard_at > limit:
                    _log.error("worker hangs, and is killed", worker=worker.number, pid=worker.pid)
                    self._send(worker, signal.SIGKILL)

    @property
    def _summary(self) -> str:
        listeners = self._settings.listeners
        where = self._ports.address(use_of(listeners[0].name)) if listeners else "no listener"
        return f"{where}, {self._count} workers, settings of {self._config}"


def retire(workers: Mapping[int, tuple[int, int]]) -> None:
    """Have workers that the program before has left finish and end, and wait for them. workers: as in Workers."""
    for pid, _ in workers.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid, line in workers.values():
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        os.close(line)


def _welcome(worker: _Worker) -> None:
    """Have the first say that the relay runs, and where."""
    if worker.number == 0:
        with suppress(OSError):
            worker.line.send(WELCOME)
