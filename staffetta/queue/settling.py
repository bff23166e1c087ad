"""From the outcomes of an attempt to settlements, and to what the sender is owed. Pure: clock and dice are given.

The rules of notification are RFC 3461 §5.2 and §6: each recipient by its NOTIFY, never to a null reverse-path.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from staffetta.mail.envelope import Notify
from staffetta.mail.outcome import Deferred, Delivered, Failed, Handover, Outcome, Stage, Unknown
from staffetta.mail.report import Action, RecipientReport
from staffetta.queue import schedule
from staffetta.queue.telling import told
from staffetta.settings.model import QueueSettings
from staffetta.spool.change import CLOSED
from staffetta.spool.commands import cannot_be_for, command_event, deleted_by
from staffetta.spool.mending import unknown
from staffetta.spool.spool import Claim, CommandVerb, QueueCommand, QueuedRecipient, RecipientState, Settlement
from staffetta.trace.events import Event, EventKind

_RETURNED = Failed(status="5.0.0", diagnostic="An administrator has deleted the message", stage=Stage.ROUTE)
EXPIRED_STATUS = "4.4.7"  # "Delivery time expired", RFC 3463 §3.5


@dataclass(frozen=True, slots=True)
class Settled:
    """One recipient's settlement, and the report that it owes to the sender (None: none)."""

    settlement: Settlement
    report: RecipientReport | None = None


def settle(
    claim: Claim, outcomes: tuple[Outcome, ...], *, now: float, settings: QueueSettings, draw: float
) -> list[Settled]:
    """Return what becomes of each recipient of the claim.

    outcomes: one per recipient, in order. draw: 0 to 1, for the spread of the retry.
    """
    return [
        _settle_one(claim, recipient, outcome, now, settings, draw)
        for recipient, outcome in zip(claim.recipients, outcomes, strict=True)
    ]


def untried(settled: Settled) -> Settled:
    """The same, where a destination's trouble was taken for the recipient's and no attempt was made."""
    return replace(settled, settlement=replace(settled.settlement, counts_as_attempt=False))


def ordered(settled: Settled, recipient: QueuedRecipient, orders: Sequence[QueueCommand], now: float) -> Settled:
    """The same, with what an administrator ordered while the attempt was under way, the oldest first.

    What the attempt has closed stays closed, and what an order has deleted stays deleted.
    """
    for order in orders:
        if settled.settlement.state not in CLOSED:
            settled = _ordered(settled, recipient, order, now)
    return settled


def _ordered(settled: Settled, recipient: QueuedRecipient, order: QueueCommand, now: float) -> Settled:
    settlement = settled.settlement
    event = command_event(order, settlement.recipient, now)
    told = replace(settlement, events=(*settlement.events, event))
    match order.verb:
        case CommandVerb.HOLD if settlement.state is not RecipientState.HELD:
            return Settled(replace(told, state=RecipientState.HELD, due_at=None))
        case CommandVerb.DELETE | CommandVerb.RETURN:
            deleted = replace(told, state=RecipientState.DELETED, due_at=None, last_word=deleted_by(order))
            return Settled(deleted, _return_report(recipient, now) if order.verb is CommandVerb.RETURN else None)
        case CommandVerb.REDIRECT if not _is_left_out(settlement, recipient, order):
            due_at = None if settlement.due_at is None else now
            road = order.road(recipient.recipient.mailbox.domain)
            return replace(settled, settlement=replace(told, due_at=due_at, road=road))
    return settled


def _is_left_out(settlement: Settlement, recipient: QueuedRecipient, order: QueueCommand) -> bool:
    is_doubtful = recipient.is_doubtful or isinstance(settlement.outcome, Unknown)
    return cannot_be_for(order, is_doubtful=is_doubtful)


def returned(claim: Claim, recipient: QueuedRecipient, order: QueueCommand, now: float) -> Settled:
    """Return what becomes of a recipient that an administrator has deleted, telling the sender."""
    settlement = Settlement(
        claim.number,
        recipient.number,
        RecipientState.DELETED,
        None,
        None,
        counts_as_attempt=False,
        last_word=deleted_by(order),
        events=(command_event(order, recipient.number, now),),
    )
    return Settled(settlement, _return_report(recipient, now))


def _return_report(recipient: QueuedRecipient, now: float) -> RecipientReport | None:
    """An administrator's will is no secret to the sender, but who it was is."""
    return _report(recipient, _RETURNED, Action.FAILED, now) if _wants(recipient, Notify.FAILURE) else None


def bare(settled: Settled) -> Settled:
    """The same state without what the attempt said of it, for when the words are what cannot be written down."""
    settlement = settled.settlement
    events = tuple(replace(event, detail={}) for event in settlement.events)
    return Settled(replace(settlement, outcome=None, last_word=None, events=events))


def notified(settled: Settled, notification: str, now: float) -> Settled:
    """The same, with the trace of the notification that tells of it. notification: its queue id."""
    if settled.report is None:
        return settled
    settlement = settled.settlement
    detail = {"notification": notification, "action": str(settled.report.action)}
    event = Event(now, EventKind.NOTIFY, settlement.recipient, detail)
    return replace(settled, settlement=replace(settlement, events=(*settlement.events, event)))


def _settle_one(
    claim: Claim, recipient: QueuedRecipient, outcome: Outcome, now: float, settings: QueueSettings, draw: float
) -> Settled:
    match outcome:
        case Delivered():
            return _delivered(claim, recipient, outcome, now)
        case Failed():
            return _failed(claim, recipient, outcome, EventKind.FAIL, now)
        case Deferred() | Unknown() if schedule.is_expired(claim.received_at, now, settings):
            return _failed(claim, recipient, replace(outcome, status=EXPIRED_STATUS), EventKind.EXPIRE, now)
        case Unknown():
            return _unknown(claim, recipient, outcome, now, settings)
        case Deferred():
            return _deferred(claim, recipient, outcome, now, settings, draw)


def _delivered(claim: Claim, recipient: QueuedRecipient, outcome: Delivered, now: float) -> Settled:
    is_ours = outcome.handover is Handover.FINAL
    event = Event(now, EventKind.DELIVER if is_ours else EventKind.SEND, recipient.number, told(outcome))
    settlement = Settlement(claim.number, recipient.number, RecipientState.DELIVERED, None, outcome, events=(event,))
    if outcome.handover is Handover.PASSED_ON or not recipient.recipient.notify & Notify.SUCCESS:
        return Settled(settlement)
    return Settled(settlement, _report(recipient, outcome, Action.DELIVERED if is_ours else Action.RELAYED, now))


def _failed(claim: Claim, recipient: QueuedRecipient, outcome: Outcome, kind: EventKind, now: float) -> Settled:
    event = Event(now, kind, recipient.number, told(outcome))
    settlement = Settlement(claim.number, recipient.number, RecipientState.FAILED, None, outcome, events=(event,))
    return Settled(
        settlement, _report(recipient, outcome, Action.FAILED, now) if _wants(recipient, Notify.FAILURE) else None
    )


def _unknown(
    claim: Claim, recipient: QueuedRecipient, outcome: Unknown, now: float, settings: QueueSettings
) -> Settled:
    return Settled(
        unknown(
            claim.number,
            recipient.number,
            outcome,
            told(outcome),
            is_once=claim.is_once,
            now=now,
            unknown_retry_seconds=settings.unknown_retry_seconds,
        )
    )


def _deferred(
    claim: Claim, recipient: QueuedRecipient, outcome: Deferred, now: float, settings: QueueSettings, draw: float
) -> Settled:
    step = max(1, recipient.attempts + 1 - recipient.retries_asked)  # what was asked for lengthens no wait
    due_at = schedule.next_attempt_at(step, claim.received_at, now, settings, draw, is_crowded=outcome.is_crowded)
    if outcome.retry_after_seconds is not None:  # the next hop knows better, up to the expiry
        due_at = min(max(due_at, now + outcome.retry_after_seconds), schedule.expires_at(claim.received_at, settings))
    is_owed = _owes_delay_notice(claim, recipient, now, settings)
    event = Event(now, EventKind.DEFER, recipient.number, {**told(outcome), "next_attempt_at": due_at})
    settlement = Settlement(
        claim.number,
        recipient.number,
        RecipientState.DEFERRED,
        due_at,
        outcome,
        is_delay_notified=recipient.is_delay_notified or is_owed,
        events=(event,),
    )
    if not is_owed:
        return Settled(settlement)
    until = schedule.expires_at(claim.received_at, settings)
    return Settled(settlement, replace(_report(recipient, outcome, Action.DELAYED, now), will_retry_until=until))


def is_overdue(claim: Claim, now: float, settings: QueueSettings) -> bool:
    """Whether a claim has waited so long that its sender must hear of it, even if only its destination was tried."""
    return schedule.is_expired(claim.received_at, now, settings) or any(
        _owes_delay_notice(claim, recipient, now, settings) for recipient in claim.recipients
    )


def _owes_delay_notice(claim: Claim, recipient: QueuedRecipient, now: float, settings: QueueSettings) -> bool:
    return (
        not recipient.is_delay_notified
        and claim.envelope.reverse_path is not None
        and schedule.is_late(claim.received_at, now, settings)
        and _wants(recipient, Notify.DELAY)
    )


def _wants(recipient: QueuedRecipient, kind: Notify) -> bool:
    """Failures and delays are reported where nothing was said (RFC 3461 §4.1)."""
    notify = recipient.recipient.notify
    return notify is Notify.UNSPECIFIED or bool(notify & kind)


def _report(recipient: QueuedRecipient, outcome: Outcome, action: Action, now: float) -> RecipientReport:
    return RecipientReport(
        final=str(recipient.recipient.mailbox),
        action=action,
        status=outcome.status,
        original=recipient.recipient.original,
        remote_mta=outcome.host,
        diagnostic=outcome.diagnostic,
        is_remote_reply=outcome.is_remote_reply,
        last_attempt_at=now,
    )
