"""Makes outcomes durable, many at a time: what has gathered while one batch was written is the next batch.

Rule 1: an outcome is never dropped. While the disk refuses, it waits here and is written again and again.
Rule 2: what waits is bounded: lanes wait in room().
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache

import structlog

from staffetta import metrics
from staffetta.mail.outcome import Deferred, Delivered, Failed, Outcome, Unknown
from staffetta.mail.report import RecipientReport
from staffetta.queue.bounce import RouteNotification, write_notification
from staffetta.queue.settling import Settled, settle
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, NewMessage, RecipientState, Settlement, Spool, SpoolUnavailable

_WAITING_MAX = 1000  # outcomes not yet durable: each is a possible duplicate after a crash
_AGAIN_SECONDS = (0.1, 0.5, 1.0, 5.0)
_RESULTS: dict[type, str] = {Delivered: "delivered", Deferred: "deferred", Failed: "failed", Unknown: "unknown"}

_log = structlog.get_logger()


class Settler:
    """See the head of this file. on_over: called once per claim whose settlement is durable."""

    def __init__(
        self,
        spool: Spool,
        get_settings: Callable[[], Settings],
        *,
        route_notification: RouteNotification,
        now: Callable[[], float] = time.time,
        on_over: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._get_settings = get_settings
        self._route_notification = route_notification
        self._now = now
        self._on_over = on_over
        self._waiting: list[tuple[Claim, list[Settled]]] = []
        self._something = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_finishing = False
        self._counter = lru_cache(maxsize=1024)(metrics.ATTEMPTS.labels)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Return when all that was added is durable."""
        self._is_finishing = True
        self._something.set()
        if self._task is not None:
            await self._task

    async def room(self) -> None:
        """Wait until not too much waits."""
        await self._has_room.wait()

    def add(self, claim: Claim, outcomes: tuple[Outcome, ...], draw: float) -> None:
        """Take what an attempt did. outcomes: one per recipient, in order."""
        settings = self._get_settings()
        settled = settle(claim, outcomes, now=self._now(), settings=settings.queue, draw=draw)
        for outcome, each in zip(outcomes, settled, strict=True):
            self._tell(claim, each, outcome)
        self._waiting.append((claim, settled))
        if len(self._waiting) >= _WAITING_MAX:
            self._has_room.clear()
        self._something.set()

    async def _run(self) -> None:
        while not (self._is_finishing and not self._waiting):
            await self._something.wait()
            self._something.clear()
            batch, self._waiting = self._waiting, []
            self._has_room.set()
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[tuple[Claim, list[Settled]]]) -> None:
        settlements: list[Settlement] = []
        notifications: list[NewMessage] = []
        for claim, settled in batch:
            settlements += [each.settlement for each in settled]
            reports = [each.report for each in settled if each.report is not None]
            if reports and (notification := await self._notification(claim, reports)):
                notifications.append(notification)
        tries = 0
        while True:
            try:
                await self._spool.settle(settlements, notifications)
                break
            except SpoolUnavailable as error:
                _log.error("outcomes not yet written down", outcomes=len(settlements), error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
                tries += 1
        for _ in batch:
            self._on_over()

    async def _notification(self, claim: Claim, reports: list[RecipientReport]) -> NewMessage | None:
        """One notification per message and attempt; content that cannot be read any more must not lose the outcome."""
        return await write_notification(
            claim,
            reports,
            number=self._spool.next_number(),
            now=self._now(),
            settings=self._get_settings(),
            route_notification=self._route_notification,
        )

    def _tell(self, claim: Claim, settled: Settled, outcome: Outcome) -> None:
        self._counter(claim.route, _RESULTS[type(outcome)]).inc()
        delay = self._now() - claim.received_at
        if settled.settlement.state is RecipientState.DELIVERED:
            metrics.DELIVERY_SECONDS.observe(delay)
        recipient = next(each for each in claim.recipients if each.number == settled.settlement.recipient)
        _log.info(
            "attempt",
            queue_id=claim.queue_id,
            recipient=str(recipient.recipient.mailbox),
            relay=outcome.host,
            address=outcome.address,
            delay=round(delay, 3),
            dsn=outcome.status,
            status=str(settled.settlement.state),
            reply=outcome.diagnostic,
        )
