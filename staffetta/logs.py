"""The log: one line per thing that happened, on standard error; JSON, or the manner of Postfix.

Every room logs with `structlog.get_logger()` and keywords; how a line looks is decided here and in postfix_log.py.
Both forms escape control characters, so that nothing a peer sent can forge or split a line.
"""

import asyncio
import atexit
import json
import logging
import os
import select
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import structlog

from staffetta.metrics import LOG_LINES_LOST
from staffetta.postfix_log import Event, Render, postfix_line

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_STANDARD_ERROR = 2
_GATHER_SECONDS = 0.01  # no reader of a log is faster; under load it is a write for dozens of lines
_PIPE_OCTETS = select.PIPE_BUF  # what a pipe takes in one piece, whoever else writes
_encode = json.JSONEncoder(default=str).encode  # json.dumps would make an encoder for every line

Write = Callable[[bytes], object]


def configure(
    *, postfix: str | None, level: str, hostname: str, write: Write | None = None, is_one_of_several: bool = False
) -> None:
    """Set up the log of this process, once, before the first line; a changed format or level needs a restart.

    postfix: the name before Postfix's programs where lines are in Postfix's manner; None for JSON. level: debug, info,
    warning or error. write: takes one line; standard error where it is not given. is_one_of_several: other processes
    write to the same standard error.
    """
    number = _LEVELS.get(level.lower(), logging.INFO)
    write = (
        write or _StandardError(_PIPE_OCTETS if is_one_of_several else None).write
    )  # one for all loggers, or each would gather for itself
    render: Render = postfix_line(hostname, postfix) if postfix else json_line
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Lines(write),
        cache_logger_on_first_use=True,  # a logger is resolved at its first line, long after this; it saves 3 µs a line
    )
    # Libraries log through the standard module: their warnings belong in the same place and form.
    logging.basicConfig(handlers=[_StandardLibraryHandler()], level=logging.WARNING, force=True)


class _Lines:
    """Where lines end. One that cannot be written (disk full, reader gone) is lost and counted, and harms no mail."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def msg(self, line: str) -> None:
        try:
            self._write(f"{line}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            LOG_LINES_LOST.inc()

    debug = info = warning = error = critical = msg


class _StandardError:
    """Gathers the lines of one moment, since a write costs more than a line. Outside the loop it writes at once.

    octets_max: of one write, or one line if that is longer.
    """

    def __init__(self, octets_max: int | None) -> None:
        self._octets_max = octets_max
        self._gathered: list[bytes] = []
        atexit.register(self._flush)  # the loop may end before the moment does

    def write(self, line: bytes) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another thread, or before and after the loop
            os.write(_STANDARD_ERROR, line)
            return
        self._gathered.append(line)
        if len(self._gathered) == 1:
            loop.call_later(_GATHER_SECONDS, self._flush)

    def _flush(self) -> None:
        lines, self._gathered = self._gathered, []
        while lines:
            count, octets = 1, len(lines[0])
            while count < len(lines) and (self._octets_max is None or octets + len(lines[count]) <= self._octets_max):
                octets += len(lines[count])
                count += 1
            try:
                os.write(_STANDARD_ERROR, b"".join(lines[:count]))
            except OSError:
                LOG_LINES_LOST.inc(count)
            lines = lines[count:]


def json_line(_logger: Any, _method: str, event: Event) -> str:
    """Return one JSON object; `at` is UTC, ISO 8601."""
    return _encode({"at": _now_iso(), **event})


def _now_iso() -> str:
    now = time.time()
    return f"{_second_iso(int(now))}.{int(now % 1 * 1000):03d}Z"


@lru_cache(maxsize=1)
def _second_iso(second: int) -> str:
    """Many lines share a second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class _StandardLibraryHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
