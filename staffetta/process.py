"""The relay as a process: event loop, signals, log, exit status."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from staffetta import logs
from staffetta.cli.status import EX_IOERR, EX_NOPERM, EX_OK, EX_TEMPFAIL
from staffetta.cli.welcome import print_welcome
from staffetta.directory.database import DirectoryUnavailable
from staffetta.handing import ALIVE, READY, WELCOME, Given
from staffetta.operations.restarting import StandingFile
from staffetta.operations.spools import spool_folder
from staffetta.ports import CannotListen, Ports, bind_low, uses
from staffetta.privileges import FilesRefused, become, check_files
from staffetta.queue.book import FILE_NAME, begin_anew
from staffetta.renewal import Renewal, Resumed, handled, renew
from staffetta.settings.file import load
from staffetta.settings.model import LogFormat, Settings
from staffetta.settings.shares import workers_of
from staffetta.spool.database import SpoolCannotOpen
from staffetta.spool.lock import SpoolLocked
from staffetta.supervisor import HandedDown, Supervisor
from staffetta.workers import Workers, retire

T = TypeVar("T")
_GARBAGE_OBJECTS = 20_000  # made and not yet gone, before a collection; the default is 700

_log = structlog.get_logger()


def serve(config: Path) -> int:
    """Run the relay of a settings file until SIGTERM or SIGINT; SIGHUP reads the file again, SIGUSR2 starts it anew.

    Returns the exit status. What another process has (spool, port) is 75: the same command works once that has
    stopped. A spool or directory that an administrator must look at is 74, and a file with wrong permissions 77.
    Raises SettingsError.
    """
    try:
        if (given := Given.take()) is not None:
            _prepare(given.settings, is_one_of_several=True)
            _in_a_fast_loop(_work(given, config))
            return EX_OK
        settings = load(config)
        _prepare(settings)
        handed_down = HandedDown()
        addresses = [address for _, address in uses(settings)]
        become(settings, config, addresses, partial(bind_low, handed_down=handed_down))
        check_files(settings)
        return _stand(settings, config, handed_down)
    except FilesRefused as error:
        sys.stderr.write(f"{error}\n")
        return EX_NOPERM
    except (DirectoryUnavailable, SpoolCannotOpen, CannotListen) as error:
        sys.stderr.write(f"{error}\n")
        return EX_TEMPFAIL if isinstance(error, SpoolLocked | CannotListen) else EX_IOERR


def _prepare(settings: Settings, *, is_one_of_several: bool = False) -> None:
    name = settings.log.postfix_name if settings.log.format is LogFormat.POSTFIX else None
    logs.configure(
        postfix=name, level=settings.log.level, hostname=settings.hostname, is_one_of_several=is_one_of_several
    )
    _raise_descriptor_limit()


def _stand(settings: Settings, config: Path, handed_down: HandedDown) -> int:
    """Take lock and ports, and run: alone, or as the supervisor of several."""
    resumed = Resumed.take()
    standing = resumed.standing(settings.data_dir)
    if resumed.is_first_start:
        begin_anew(spool_folder(settings) / FILE_NAME)
    ports = Ports(resumed.ports, handed_down)
    count = workers_of(settings)
    if count == 1:
        retire(resumed.workers)
        if _in_a_fast_loop(_alone(settings, config, ports, standing)):
            renew(ports, standing, {})
        return EX_OK
    ports.settle(settings)
    workers = Workers(settings, config, count, ports, standing, resumed.workers)
    status = asyncio.run(workers.run())
    if status is None:
        renew(ports, standing, workers.left())
        return EX_OK
    return status


async def _alone(settings: Settings, config: Path, ports: Ports, standing: StandingFile) -> bool:
    """Run the whole relay in this process. Return whether it is to be renewed, rather than to end."""
    loop = asyncio.get_running_loop()
    told_to_end, renewal = asyncio.Event(), Renewal(settings, config, ports, standing)
    supervisor = Supervisor()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end.set)
    from staffetta.app import Relay  # not loaded by a supervisor, which does without all the rooms

    relay = Relay(settings, config, ports=ports)
    await relay.start()
    _calm_garbage_collection()
    status = f"{relay.smtp_address or 'no listener'}, settings of {config}"

    def reload() -> None:
        with supervisor.reloading(status):
            relay.reload()

    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGUSR2, renewal.ask, told_to_end.set)
    handled()
    print_welcome(settings, config, relay.facts(), relay.smtp_address)
    end_watch = supervisor.watch(loop)
    supervisor.ready(status)
    standing.ready()
    await told_to_end.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # told again, it ends at once: the spool bears that
    if not renewal.is_granted:
        supervisor.stopping()
        ports.close()
    await relay.stop()
    end_watch()
    return renewal.is_granted


async def _work(given: Given, config: Path) -> None:
    """Run as one of several workers, until told to stop or until there is no supervisor any more."""
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
    ports = Ports(given.ports)
    from staffetta.app import Relay

    relay = Relay(given.settings, config, given.place, ports)
    await relay.start()
    ports.close()
    _calm_garbage_collection()
    loop.add_signal_handler(signal.SIGHUP, relay.reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))

    def hear() -> None:
        said = given.line.recv(4096)
        if WELCOME in said:
            print_welcome(given.settings, config, relay.facts(), relay.smtp_address)
        if not said:
            loop.remove_reader(given.line)
            _log.error("the supervisor has gone: draining")
            told_to_stop.set()

    def beat() -> None:
        with suppress(OSError):
            given.line.send(ALIVE)
        loop.call_later(given.beat_seconds, beat)

    loop.add_reader(given.line, hear)
    given.line.send(READY)
    if given.beat_seconds:
        beat()
    await told_to_stop.wait()
    await relay.stop()  # told again, as when a whole group is told, it goes on: the supervisor may end it at once


def _in_a_fast_loop(main: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # not made for every platform; the relay then runs, more slowly
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _calm_garbage_collection() -> None:
    """What runs now stays: look no more through it. Messages leave few cycles, so look seldom for those as well."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS, 20, 50)


def _raise_descriptor_limit() -> None:
    """Each session is a descriptor: take as many as the system grants."""
    _, granted = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, granted))
