"""`staffetta demo`: the story of a relay on loopback, from the device to the hops of what arrived."""

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

from cyclopts import Parameter

from staffetta.cli.status import EX_OK, EX_TEMPFAIL, EX_USAGE
from staffetta.cli.welcome import typed
from staffetta.demo.set_up import CannotPlay, Files
from staffetta.demo.stage import Relays
from staffetta.demo.story import Story


def demo(
    *,
    once: Annotated[bool, Parameter(negative="", help="End with the story instead of leaving everything up.")] = False,
    folder: Annotated[Path, Parameter(help="Where its files go; a former demo there is deleted.")] = Path("var/demo"),
) -> int:
    """Play the story of a relay on this machine: device, local relay, connectors, mailbox, outside, notifications."""
    relays = Relays()
    story = Story(Files(folder), _tell, _run, typed())
    for number in (signal.SIGTERM, signal.SIGHUP):  # a terminal that is closed ends the demo too
        signal.signal(number, _interrupt)
    try:
        story.play(relays)
        if not once:
            story.tell_what_next()
            threading.Event().wait()
    except CannotPlay as error:
        print(error, file=sys.stderr)
        return EX_TEMPFAIL
    except KeyboardInterrupt:
        print(flush=True)  # below the ^C
    finally:
        _stop(relays)
    return EX_OK


def _stop(relays: Relays) -> None:
    """The relays finish what they have under way; whoever does not want to wait for that interrupts again."""
    if not relays.running:
        return
    try:
        with suppress(OSError):  # the terminal may be gone
            print("Stopping the relays; what has happened stays in their folder.", flush=True)
        relays.stop()
    except KeyboardInterrupt:
        relays.kill()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _tell(line: str) -> None:
    print(line, flush=True)


def _run(arguments: Sequence[str]) -> int:
    from staffetta.cli.main import run  # which loads this module where it is needed

    return run(arguments, serve=lambda config: EX_USAGE)  # relays run in processes of their own
