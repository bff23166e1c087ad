"""Probes by the clock, while the relay runs: metrics, and an error in the log when a road stops working.

Rule 1: a probe has a task of its own, so that one that waits holds up no other.
Rule 2: settings are looked at before each, so that a change needs no restart; what is out of them stops.
Rule 3: a failure is logged each time, the recovery once: an alert may count lines.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from staffetta import metrics
from staffetta.probing.following import Submit, follow
from staffetta.probing.plan import ProbeFailed, Report, plan_of
from staffetta.settings.model import Settings
from staffetta.settings.probes import Probe
from staffetta.settings.secrets import SecretUnavailable

_LOOK_SECONDS = 5.0
_FIRST_SECONDS = 10.0  # the relay has just started, and so may have others

_log = structlog.get_logger()


class Canary:
    """See the head of this file. spool: folder of the spool, where the trace is."""

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        submit: Submit,
        spool: Path,
        *,
        now: Callable[[], float] = time.time,
        first_seconds: float = _FIRST_SECONDS,
    ) -> None:
        self._get_settings = get_settings
        self._submit = submit
        self._spool = spool
        self._now = now
        self._first_seconds = first_seconds
        self._due: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        try:
            while True:
                self.look()
                await asyncio.sleep(min(_LOOK_SECONDS, max(0.1, self._first_seconds)))
        finally:
            for task in self._running.values():
                task.cancel()

    def look(self) -> None:
        """Begin every probe that is due and not under way."""
        declared = {probe.name: probe for probe in self._get_settings().probes}
        self._due = {name: due for name, due in self._due.items() if name in declared}
        self._failing &= set(declared)
        for name, probe in declared.items():
            now = self._now()
            due = self._due.setdefault(name, now + self._first_seconds)
            task = self._running.get(name)
            if now >= due and (task is None or task.done()):
                # A little of chance, so that the probes of many relays do not arrive together.
                self._due[name] = now + probe.every_seconds * random.uniform(0.95, 1.0)
                self._running[name] = asyncio.create_task(self.once(probe), name=f"probe {name}")

    async def once(self, probe: Probe) -> None:
        """Send one probe and tell what came of it."""
        settings = self._get_settings()
        try:
            plan = plan_of(probe, settings)
            report = await follow(plan, self._submit, hostname=settings.hostname, spool=self._spool, now=self._now)
        except (ProbeFailed, SecretUnavailable) as error:
            self._tell_failure(probe, str(error), None)
            return
        if report.trouble is not None:
            self._tell_failure(probe, report.trouble, report)
            return
        metrics.PROBES.labels(probe.name, "arrived").inc()
        metrics.PROBE_SUCCESS.labels(probe.name).set(report.sent_at)
        for leg in report.legs:
            metrics.PROBE_LEG_SECONDS.labels(probe.name, leg.name).set(leg.seconds)
        if probe.name in self._failing:
            self._failing.discard(probe.name)
            _log.warning("probe arrives again", probe=probe.name, route=probe.route, to=probe.to)

    def _tell_failure(self, probe: Probe, trouble: str, report: Report | None) -> None:
        metrics.PROBES.labels(probe.name, "failed").inc()
        self._failing.add(probe.name)
        _log.error(
            "probe failed",
            probe=probe.name,
            route=probe.route,
            to=probe.to,
            queue_id=report.queue_id if report else None,
            error=trouble,
        )
