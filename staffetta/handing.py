"""What a worker is given by its supervisor when it is started, and the line between the two.

Rule 1: a worker begins with the settings that the others have, whatever has become of the file meanwhile.
Rule 2: the end of the line is the end of the other; a worker without supervisor drains.
"""

import json
import os
import pickle
import signal
import socket
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from staffetta.place import Place
from staffetta.ports import Handed, Ports
from staffetta.settings.model import Settings

_VARIABLE = "STAFFETTA_WORKER"
_NOT_FOR_WORKERS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
READY, ALIVE, WELCOME = b"R", b".", b"W"
"""From a worker: everything runs; it still turns. To the first: say that the whole relay runs."""


@dataclass(frozen=True, slots=True)
class Given:
    """beat_seconds: how often the worker says that it is alive; 0: never."""

    place: Place
    ports: Handed
    settings: Settings
    line: socket.socket
    beat_seconds: float

    @classmethod
    def take(cls, environment: MutableMapping[str, str] = os.environ) -> "Given | None":
        """Return what there is, once; None in a process that is no worker."""
        text = environment.pop(_VARIABLE, "")
        if not text:
            return None
        given = json.loads(text)
        with os.fdopen(given["settings"], "rb") as file:  # an unnamed file of our supervisor's
            settings = pickle.load(file)
        line = socket.socket(fileno=given["line"])
        line.set_inheritable(False)
        ports = {use: (address, number) for use, (address, number) in given["ports"].items()}
        return cls(Place(*given["place"]), ports, settings, line, given["beat_seconds"])


def start_worker(place: Place, ports: Ports, settings: Settings, beat_seconds: float) -> tuple[int, socket.socket]:
    """Start this program as a worker; return its process and our end of the line to it. Raises OSError."""
    ours, theirs = socket.socketpair()
    kept = os.memfd_create("settings")
    try:
        os.write(kept, pickle.dumps(settings))
        os.lseek(kept, 0, os.SEEK_SET)
        for descriptor in (kept, theirs.fileno()):
            os.set_inheritable(descriptor, True)
        ports.inherit()
        given = {
            "place": (place.number, place.of, place.run),
            "ports": ports.handed(),
            "settings": kept,
            "line": theirs.fileno(),
            "beat_seconds": beat_seconds,
        }
        # Ctrl-C is the supervisor's to hear; a reload waits until the worker can hear it.
        deaf_to = (signal.SIGINT, signal.SIGHUP)
        environment = _environment(os.environ, json.dumps(given))
        pid = os.posix_spawn(sys.executable, sys.orig_argv, environment, setsigmask=deaf_to)
    except BaseException:
        ours.close()
        raise
    finally:
        ports.inherit(is_on=False)
        os.close(kept)
        theirs.close()
    return pid, ours


def _environment(ours: Mapping[str, str], given: str) -> dict[str, str]:
    return {name: value for name, value in ours.items() if name not in _NOT_FOR_WORKERS} | {_VARIABLE: given}
