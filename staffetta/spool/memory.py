"""MemorySpool: the spool's fake, for tests. The same promises but durability; one suite checks both."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.outcome import Unknown
from staffetta.mail.queue_id import make_number, to_text
from staffetta.spool.change import CLOSED
from staffetta.spool.claims import Hand, claims_of_new, keys_of
from staffetta.spool.commands import applies, cannot_be_for, command_event
from staffetta.spool.marks import ConnectorMark, HourMark, Mark, Notice, QueueFlow
from staffetta.spool.mending import cut_short
from staffetta.spool.spool import (
    CarriedOut,
    Claim,
    CommandVerb,
    DueLine,
    Key,
    NewMessage,
    Offer,
    QueueCommand,
    QueuedRecipient,
    RecipientState,
    RoutedRecipient,
    Settlement,
    SpoolUnavailable,
    Suspension,
)
from staffetta.trace.events import Detail, Event, EventKind, Refusal
from staffetta.trace.flow import FlowCount


@dataclass(slots=True)
class Kept:
    """A recipient as it stands."""

    message: NewMessage
    routed: RoutedRecipient
    state: RecipientState
    due_at: float | None
    attempts: int = 0
    is_delay_notified: bool = False
    retries_asked: int = 0
    is_doubtful: bool = False

    @property
    def line(self) -> tuple[str, str, str | None]:
        """Route, destination and connector."""
        return self.routed.route, self.routed.destination, self.message.connector


class MemoryDraft:
    """Content that grows in memory."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def write(self, octets: bytes) -> None:
        self._octets += octets

    @property
    def size(self) -> int:
        return len(self._octets)

    async def finish(self, prefix: bytes) -> Content:
        return MemoryContent(prefix + bytes(self._octets))

    def discard(self) -> None:
        self._octets.clear()


@dataclass(slots=True)
class MemorySpool:
    """See the Spool protocol.

    trouble: a test sets it; while it is set, nothing is kept and SpoolUnavailable is raised.
    free_octets_seen: a test sets it.
    recipients, contents, events, refusals, commands, remembered, flow, notices: what is kept, for tests to look at.
    contents: by message number, gone when the last recipient is closed.
    """

    clock: Callable[[], float] = time.time
    partition: int = 0
    unknown_retry_seconds: float = 300.0
    trouble: str | None = None
    free_octets_seen: int = 2**40
    recipients: dict[Key, Kept] = field(default_factory=dict)
    contents: dict[int, Content] = field(default_factory=dict)
    events: dict[int, list[Event]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    commands: list[QueueCommand] = field(default_factory=list)
    remembered: dict[tuple[object, ...], Mark] = field(default_factory=dict)
    flow: list[FlowCount] = field(default_factory=list)
    notices: dict[tuple[str, str], Notice] = field(default_factory=dict)
    suspended: dict[tuple[str, str], Suspension] = field(default_factory=dict)
    flows: dict[tuple[str, str], QueueFlow] = field(default_factory=dict)
    _hand: Hand = field(default_factory=Hand)
    _offer: Offer | None = None
    _number: int = 0

    def next_number(self) -> int:
        self._number = make_number(int(self.clock() * 1_000_000), self.partition, self._number)
        return self._number

    def open_draft(self) -> MemoryDraft:
        self._refuse_in_trouble()
        return MemoryDraft()

    async def commit(self, message: NewMessage) -> None:
        await self._become_durable()
        self._keep(message)
        self._offer_new(message)

    def record_refusal(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def subscribe(self, offer: Offer) -> None:
        self._offer = offer

    async def due(self) -> list[DueLine]:
        earliest: dict[tuple[str, str, str | None], float] = {}
        for key, kept in self._waiting():
            if key not in self._hand and kept.due_at is not None:
                earliest[kept.line] = min(kept.due_at, earliest.get(kept.line, kept.due_at))
        return sorted((DueLine(*line, at) for line, at in earliest.items()), key=lambda found: found.due_at)

    async def claim(
        self,
        route: str,
        destination: str,
        connector: str | None,
        now: float,
        limit: int,
        octets_max: int | None = None,
    ) -> list[Claim]:
        due = [
            (kept.due_at, key)
            for key, kept in self._waiting()
            if kept.line == (route, destination, connector)
            and key not in self._hand
            and kept.due_at is not None
            and kept.due_at <= now
        ]
        numbers = list(dict.fromkeys(key[0] for _, key in sorted(due)))[:limit]
        claims: list[Claim] = []
        for number in numbers:
            claims.append(self._claim(number, sorted(key for _, key in due if key[0] == number)))
            self._hand.take(keys_of(claims[-1]))
            if octets_max is not None and sum(claim.octets_in_memory for claim in claims) >= octets_max:
                break
        return claims

    def is_claimed(self, key: Key) -> bool:
        return key in self._hand

    def release(self, claim: Claim) -> None:
        for key in self._hand.let_go(keys_of(claim)):
            self._settle_one(
                cut_short(
                    *key,
                    is_once=claim.is_once,
                    now=self.clock(),
                    unknown_retry_seconds=self.unknown_retry_seconds,
                )
            )

    async def begin_attempt(self, claim: Claim, recipients: Sequence[int], told: Detail, at: float) -> None:
        keys = [(claim.number, recipient) for recipient in recipients]
        await self._become_durable()
        self._hand.begin(keys)
        for number, recipient in keys:
            self.recipients[number, recipient].state = RecipientState.IN_ATTEMPT
            self.events[number].append(Event(at, EventKind.ATTEMPT, recipient, told))

    async def settle(
        self,
        settlements: Sequence[Settlement],
        notifications: Sequence[NewMessage] = (),
        marks: Sequence[Mark] = (),
    ) -> None:
        await self._become_durable()
        for settlement in settlements:
            self._settle_one(settlement)
        for mark in marks:
            self.remembered[_key_of(mark)] = mark
        for message in notifications:
            self._keep(message)
        self._hand.let_go((settlement.number, settlement.recipient) for settlement in settlements)
        for message in notifications:
            self._offer_new(message)

    async def marks(self) -> list[Mark]:
        self._refuse_in_trouble()
        return list(self.remembered.values())

    def post(self, notice: Notice) -> None:
        self.notices.pop((notice.route, notice.destination), None)
        if notice.reason:
            self.notices[notice.route, notice.destination] = notice

    def count_flow(self, counts: Sequence[FlowCount]) -> None:
        self.flow.extend(counts)

    def post_flows(self, flows: Sequence[QueueFlow]) -> None:
        self.flows.update({(each.route, each.destination): each for each in flows})

    async def bring_forward(self, seconds: float, now: float) -> None:
        await self._become_durable()
        for _, kept in self._waiting():
            if kept.due_at is not None and kept.due_at > now:
                kept.due_at = max(kept.due_at - seconds, now)

    async def next_commands(self) -> list[QueueCommand]:
        return list(self.commands)

    async def carry_out(self, command: QueueCommand, now: float, changed: int = 0) -> CarriedOut:
        await self._become_durable()
        if command.verb in (CommandVerb.SUSPEND, CommandVerb.RESUME):
            self._suspend_or_resume(command, now)
            return self._close_command(command, CarriedOut(0))
        if command.verb is CommandVerb.REOPEN:
            return self._reopen(command, now)
        concerned = {key: kept for key, kept in self._open() if key not in self._hand and command.concerns(key)}
        keys = [
            key
            for key, kept in concerned.items()
            if applies(command, kept.state, kept.due_at, now, is_doubtful=kept.is_doubtful)
        ]
        held = sum(kept.state is RecipientState.HELD for kept in concerned.values())
        skipped = sum(cannot_be_for(command, is_doubtful=kept.is_doubtful) for kept in concerned.values())
        claimed = self._hand.concerned_by(command)
        self._hand.take(keys)
        try:
            await self._become_durable()
            for key in keys:
                self._carry_out_one(command, key, now)
        finally:
            self._hand.let_go(keys)
        held = held if command.verb is CommandVerb.RETRY else 0
        return self._close_command(command, CarriedOut(changed + len(keys), claimed, held, skipped))

    async def take(self, command: QueueCommand, limit: int, octets_max: int) -> list[Claim]:
        self._refuse_in_trouble()
        found: dict[tuple[int, str, str], list[Key]] = {}
        for key, kept in self._open():
            if key not in self._hand and command.concerns(key):
                found.setdefault((key[0], kept.routed.route, kept.routed.destination), []).append(key)
        claims = [self._claim(number, keys) for (number, _, _), keys in list(found.items())[:limit]]
        for claim in claims:
            self._hand.take(keys_of(claim))
        return claims

    async def suspensions(self) -> list[Suspension]:
        self._refuse_in_trouble()
        return list(self.suspended.values())

    async def close(self) -> None:
        """Nothing waits."""

    def leave_command(
        self,
        verb: CommandVerb,
        numbers: Sequence[int] = (),
        *,
        keys: Sequence[Key] | None = None,
        route: str | None = None,
        destination: str | None = None,
        includes_unknown: bool = False,
    ) -> int:
        """What another process would do."""
        command_id = 1 + max((command.command_id for command in self.commands), default=0)
        self.commands.append(
            QueueCommand(
                command_id=command_id,
                verb=verb,
                asked_by="tests",
                numbers=frozenset(numbers),
                keys=None if keys is None else frozenset(keys),
                route=route,
                destination=destination,
                includes_unknown=includes_unknown,
            )
        )
        return command_id

    async def _become_durable(self) -> None:
        await asyncio.sleep(0)  # as with a disk, others run meanwhile
        self._refuse_in_trouble()

    def _refuse_in_trouble(self) -> None:
        if self.trouble is not None:
            raise SpoolUnavailable(self.trouble)

    def _keep(self, message: NewMessage) -> None:
        for place, routed in enumerate(message.recipients):
            state = RecipientState.HELD if routed.is_held else RecipientState.READY
            due_at = None if routed.is_held else message.received_at
            self.recipients[message.number, place] = Kept(message, routed, state, due_at)
        self.contents[message.number] = message.content
        self.events[message.number] = list(message.events)

    def _offer_new(self, message: NewMessage) -> None:
        if self._offer is None:
            return
        for claim in claims_of_new(message):
            self._hand.take(keys_of(claim))
            if not self._offer(claim):
                self._hand.let_go(keys_of(claim))

    def _settle_one(self, settlement: Settlement) -> None:
        kept = self.recipients[settlement.number, settlement.recipient]
        kept.state, kept.due_at = settlement.state, settlement.due_at
        kept.attempts += settlement.counts_as_attempt
        kept.is_delay_notified |= settlement.is_delay_notified
        kept.is_doubtful |= isinstance(settlement.outcome, Unknown)
        if settlement.road is not None:
            _set_road(kept, settlement.road)
        self.events[settlement.number].extend(settlement.events)
        self._drop_content(settlement.number)

    def _carry_out_one(self, command: QueueCommand, key: Key, now: float) -> None:
        kept = self.recipients[key]
        match command.verb:
            case CommandVerb.HOLD:
                kept.state, kept.due_at = RecipientState.HELD, None
            case CommandVerb.DELETE:
                kept.state, kept.due_at = RecipientState.DELETED, None
                self._drop_content(key[0])
            case CommandVerb.RELEASE:
                kept.state, kept.due_at = RecipientState.READY, now
            case CommandVerb.RETRY:
                kept.due_at, kept.retries_asked = now, min(kept.retries_asked, kept.attempts) + 1
            case CommandVerb.REDIRECT:
                _set_road(kept, command.road(kept.routed.recipient.mailbox.domain))
                kept.due_at = None if kept.state is RecipientState.HELD else now
                kept.retries_asked = min(kept.retries_asked, kept.attempts) + 1
            case CommandVerb.COMPLETE:
                kept.state, kept.due_at = RecipientState.DELIVERED, None
                self._drop_content(key[0])
        self.events[key[0]].append(command_event(command, key[1], now))

    def _reopen(self, command: QueueCommand, now: float) -> CarriedOut:
        keys = [
            key
            for key in command.keys or ()
            if (kept := self.recipients.get(key)) is not None
            and kept.state is RecipientState.FAILED
            and key[0] in self.contents
            and not cannot_be_for(command, is_doubtful=kept.is_doubtful)
        ]
        for key in keys:
            kept = self.recipients[key]
            _set_road(kept, command.road(kept.routed.recipient.mailbox.domain))
            kept.state, kept.due_at = RecipientState.READY, now
            kept.retries_asked = min(kept.retries_asked, kept.attempts) + 1
            self.events[key[0]].append(command_event(command, key[1], now))
        skipped = len(command.keys or ()) - len(keys)
        return self._close_command(command, CarriedOut(len(keys), self._hand.concerned_by(command), skipped=skipped))

    def _suspend_or_resume(self, command: QueueCommand, now: float) -> None:
        assert command.route is not None
        place = (command.route, command.destination or "")
        if command.verb is CommandVerb.SUSPEND:
            self.suspended.setdefault(place, Suspension(*place, now, command.asked_by))
        else:
            self.suspended.pop(place, None)

    def _close_command(self, command: QueueCommand, result: CarriedOut) -> CarriedOut:
        self.commands = [waiting for waiting in self.commands if waiting.command_id != command.command_id]
        return result

    def _drop_content(self, number: int) -> None:
        places = len(self.recipients[number, 0].message.recipients)
        if all(self.recipients[number, place].state in CLOSED for place in range(places)):
            self.contents.pop(number, None)

    def _open(self) -> Iterator[tuple[Key, Kept]]:
        for key, kept in self.recipients.items():
            if kept.state not in CLOSED and kept.state is not RecipientState.IN_ATTEMPT:
                yield key, kept

    def _waiting(self) -> Iterator[tuple[Key, Kept]]:
        return ((key, kept) for key, kept in self._open() if kept.due_at is not None)

    def _claim(self, number: int, keys: list[Key]) -> Claim:
        message = self.recipients[keys[0]].message
        routed = self.recipients[keys[0]].routed
        recipients = tuple(self._queued(key) for key in keys)
        return Claim(
            number=number,
            queue_id=to_text(number),
            message_id=message.message_id,
            subject=message.subject,
            envelope=replace(message.envelope, recipients=tuple(queued.recipient for queued in recipients)),
            recipients=recipients,
            content=message.content,
            has_eight_bit=message.has_eight_bit,
            route=routed.route,
            destination=routed.destination,
            connector=message.connector,
            is_once=message.is_once,
            received_at=message.received_at,
        )

    def _queued(self, key: Key) -> QueuedRecipient:
        kept = self.recipients[key]
        return QueuedRecipient(
            key[1],
            kept.routed.recipient,
            kept.attempts,
            kept.state,
            kept.is_delay_notified,
            kept.retries_asked,
            kept.is_doubtful,
        )


def _set_road(kept: Kept, road: tuple[str, str]) -> None:
    kept.routed = replace(kept.routed, route=road[0], destination=road[1])


def _key_of(mark: Mark) -> tuple[object, ...]:
    if isinstance(mark, HourMark):
        return mark.route, mark.scope, mark.hour
    if isinstance(mark, ConnectorMark):
        return type(mark), mark.connector
    return type(mark), mark.route, mark.destination
