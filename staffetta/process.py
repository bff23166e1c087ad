"""The relay as a process: event loop, signals, log, exit status."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from staffetta import logs
from staffetta.app import CannotListen, Relay, addresses_of, bind_low
from staffetta.cli.status import EX_IOERR, EX_NOPERM, EX_OK, EX_TEMPFAIL
from staffetta.cli.welcome import print_welcome
from staffetta.directory.database import DirectoryUnavailable
from staffetta.privileges import FilesRefused, become, check_files
from staffetta.settings.file import load
from staffetta.settings.model import LogFormat, Settings
from staffetta.spool.database import SpoolCannotOpen
from staffetta.spool.lock import SpoolLocked
from staffetta.supervisor import HandedDown, Supervisor

_GARBAGE_OBJECTS = 20_000  # made and not yet gone, before a collection; the default is 700


def serve(config: Path) -> int:
    """Run the relay of a settings file until SIGTERM or SIGINT; SIGHUP reads the file again.

    Returns the exit status. What another process has (spool, port) is 75: the same command works once that has
    stopped. A spool or directory that an administrator must look at is 74, and a file with wrong permissions 77.
    Raises SettingsError.
    """
    settings = load(config)
    name = settings.log.postfix_name if settings.log.format is LogFormat.POSTFIX else None
    logs.configure(postfix=name, level=settings.log.level, hostname=settings.hostname)
    _raise_descriptor_limit()
    handed_down = HandedDown()
    try:
        become(settings, config, addresses_of(settings), partial(bind_low, handed_down=handed_down))
        check_files(settings)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(settings, config, handed_down))
    except FilesRefused as error:
        sys.stderr.write(f"{error}\n")
        return EX_NOPERM
    except (DirectoryUnavailable, SpoolCannotOpen, CannotListen) as error:
        sys.stderr.write(f"{error}\n")
        return EX_TEMPFAIL if isinstance(error, SpoolLocked | CannotListen) else EX_IOERR
    return EX_OK


async def _run(settings: Settings, config: Path, handed_down: HandedDown) -> None:
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    supervisor = Supervisor()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    relay = Relay(settings, config, handed_down)
    await relay.start()
    _calm_garbage_collection()
    status = f"{relay.smtp_address or 'no listener'}, settings of {config}"

    def reload() -> None:
        with supervisor.reloading(status):
            relay.reload()

    loop.add_signal_handler(signal.SIGHUP, reload)
    print_welcome(settings, config, relay.facts(), relay.smtp_address)
    end_watch = supervisor.watch(loop)
    supervisor.ready(status)
    await told_to_stop.wait()
    supervisor.stopping()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # told again, it ends at once: the spool bears that
    await relay.stop()
    end_watch()


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
