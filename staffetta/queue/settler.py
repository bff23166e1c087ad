"""Makes outcomes durable, many at a time: what has gathered while one batch was written is the next batch.

Rule 1: an outcome is never dropped. While the disk refuses, it waits here and is written again and again. One that
meets an error of ours harms no other: it is written bare, and if even that fails, its claim is given back.
Rule 2: what waits is bounded: lanes wait in room().
Rule 3: values that no notification can show cost that notification, and no outcome.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache

import structlog

from staffetta import metrics
from staffetta.mail.outcome import Deferred, Delivered, Failed, Outcome, Unknown
from staffetta.mail.queue_id import to_text
from staffetta.queue.bounce import RouteNotification, write_notification
from staffetta.queue.gates import Gates
from staffetta.queue.settling import Settled, bare, notified
from staffetta.queue.shaper import Shaper
from staffetta.queue.supervision import Supervisor
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, NewMessage, RecipientState, Settlement, Spool, SpoolUnavailable

_WAITING_MAX = 1000  # claims whose outcome is not yet durable: each is a possible duplicate after a crash
_AGAIN_SECONDS = (0.1, 0.5, 1.0, 5.0)
_Entry = tuple[Claim, list[Settled]]
_RESULTS: dict[type, str] = {Delivered: "delivered", Deferred: "deferred", Failed: "failed", Unknown: "unknown"}

_log = structlog.get_logger()


class Settler:
    """See the head of this file.

    on_over: called once per claim whose settlement is durable, with the earliest time at which it is due again.
    """

    def __init__(
        self,
        spool: Spool,
        get_settings: Callable[[], Settings],
        *,
        route_notification: RouteNotification,
        supervisor: Supervisor,
        shaper: Shaper,
        gates: Gates,
        now: Callable[[], float],
        on_over: Callable[[Claim, float | None], None],
    ) -> None:
        self._spool = spool
        self._get_settings = get_settings
        self._route_notification = route_notification
        self._supervisor = supervisor
        self._shaper = shaper
        self._gates = gates
        self._now = now
        self._on_over = on_over
        self._waiting: list[_Entry] = []
        self._something = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_finishing = False
        self._counter = lru_cache(maxsize=1024)(metrics.ATTEMPTS.labels)

    async def run(self) -> None:
        """Write until finish() was called and all that was added is durable."""
        while not (self._is_finishing and not self._waiting):
            await self._something.wait()
            self._something.clear()
            batch = self._waiting[:]  # they stay there until they are over
            if batch:
                await self._settle(batch)
                del self._waiting[: len(batch)]
            if len(self._waiting) < _WAITING_MAX:
                self._has_room.set()
            if self._waiting:
                self._something.set()

    def finish(self) -> None:
        """Let run() return. What it cannot write is an attempt without an outcome; the next start finds it on disk."""
        self._is_finishing = True
        self._something.set()

    async def room(self) -> None:
        """Wait until not too much waits."""
        await self._has_room.wait()

    def add(self, claim: Claim, outcomes: Sequence[Outcome], settled: list[Settled]) -> None:
        """Take what an attempt did. outcomes, settled: one per recipient, in order."""
        for outcome, each, recipient in zip(outcomes, settled, claim.recipients, strict=True):
            self._tell(claim, str(recipient.recipient.mailbox), each.settlement.state, outcome)
        self._waiting.append((claim, settled))
        if len(self._waiting) >= _WAITING_MAX:
            self._has_room.clear()
        self._something.set()

    async def _settle(self, batch: list[_Entry]) -> None:
        if not await self._supervisor.survives("settler", self.write(batch)):
            for entry in batch:
                await self._settle_alone(entry)
        for claim, settled in batch:
            due = [each.settlement.due_at for each in settled if each.settlement.due_at is not None]
            self._on_over(claim, min(due, default=None))

    async def _settle_alone(self, entry: _Entry) -> None:
        claim, settled = entry
        if await self._supervisor.survives("settler", self.write([entry])):
            return
        if not await self._supervisor.survives("settler", self.write([(claim, [bare(each) for each in settled])])):
            _log.error("outcome lost", queue_id=claim.queue_id)
            self._spool.release(claim)

    async def write(self, batch: Sequence[_Entry]) -> None:
        """Make settlements and the notifications that they owe durable, however long the disk refuses."""
        settlements: list[Settlement] = []
        notifications: list[NewMessage] = []
        for claim, settled in batch:
            notification = await self._notification_or_none(claim, settled)
            if notification is not None:
                notifications.append(notification)
                settled = [notified(each, to_text(notification.number), self._now()) for each in settled]
            settlements += [each.settlement for each in settled]
        await self._keep_at_it(settlements, notifications)

    async def _keep_at_it(self, settlements: list[Settlement], notifications: list[NewMessage]) -> None:
        tries, marks = 0, [*self._shaper.take_changed(), *self._gates.take_changed()]
        while True:
            try:
                return await self._spool.settle(settlements, notifications, marks)
            except SpoolUnavailable as error:
                _log.error("outcomes not yet written down", outcomes=len(settlements), error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
                tries += 1

    async def _notification_or_none(self, claim: Claim, settled: list[Settled]) -> NewMessage | None:
        try:
            return await self._notification(claim, settled)
        except (ValueError, OverflowError):  # what came from outside or from settings has no form in a notification
            _log.exception("notification lost", queue_id=claim.queue_id)
            return None

    async def _notification(self, claim: Claim, settled: list[Settled]) -> NewMessage | None:
        """One notification per message and attempt, about all recipients that owe one."""
        reports = [each.report for each in settled if each.report is not None]
        if not reports:
            return None
        return await write_notification(
            claim,
            reports,
            number=self._spool.next_number(),
            now=self._now(),
            settings=self._get_settings(),
            route_notification=self._route_notification,
        )

    def _tell(self, claim: Claim, recipient: str, state: RecipientState, outcome: Outcome) -> None:
        self._counter(claim.route, _RESULTS[type(outcome)]).inc()
        delay = self._now() - claim.received_at
        if state is RecipientState.DELIVERED:
            metrics.DELIVERY_SECONDS.observe(delay, {"queue_id": claim.queue_id})
        _log.info(
            "attempt",
            queue_id=claim.queue_id,
            recipient=recipient,
            relay=outcome.host,
            address=outcome.address,
            delay=round(delay, 3),
            dsn=outcome.status,
            status=str(state),
            reply=outcome.diagnostic,
        )
