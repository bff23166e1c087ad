"""The settings that the relay works with: file and directory together, brought up to date while it runs.

Rule: a snapshot that cannot be made (the two contradict, the disk does not answer) is logged, and the one before stays.
"""

import asyncio
from collections.abc import Callable

import structlog

from staffetta.directory.store import Directory, DirectoryUnavailable, NotConsistent
from staffetta.settings.model import Settings

POLL_SECONDS = 0.4  # a change must reach running sessions within a second

_log = structlog.get_logger()


class LiveSettings:
    """Keeps a snapshot up to date, and hands each new one over."""

    def __init__(self, directory: Directory, declared: Settings, take: Callable[[Settings], None]) -> None:
        """take: gets each new snapshot, on the event loop. Raises NotConsistent, DirectoryUnavailable."""
        self._directory = directory
        self._take = take
        self._current = directory.merged(declared)
        self._told = ""
        take(self._current)

    def declare(self, declared: Settings) -> None:
        """Go on with another file's settings. Raises NotConsistent, DirectoryUnavailable; then all stays as it was."""
        self._set(self._directory.merged(declared))

    async def watch(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(poll_seconds)
            before = self._current
            try:
                merged = await asyncio.to_thread(self._directory.merged, before)
            except (NotConsistent, DirectoryUnavailable) as error:
                self._tell(str(error))
                continue
            if self._current is before and merged is not before:  # not where a new file came in between
                self._set(merged)
                _log.info("settings changed by the directory")
            self._told = ""

    def _set(self, merged: Settings) -> None:
        self._current = merged
        self._take(merged)

    def _tell(self, text: str) -> None:
        """Once for each trouble, however long it lasts."""
        if text != self._told:
            _log.error("settings stay as they were before the directory changed", error=text)
        self._told = text
