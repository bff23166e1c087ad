"""The Spool protocol: what reception and queue may ask of the spool, whoever implements it.

Every coroutine here returns after its effect is durable. What each state promises is in docs/spool.md.
The methods must be called on the event loop that opened the spool; nothing here blocks it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from staffetta.mail.content import Content
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Outcome
from staffetta.spool.marks import Mark, Notice, QueueFlow
from staffetta.trace.events import Detail, Event, Refusal
from staffetta.trace.flow import FlowCount

Key = tuple[int, int]
"""A recipient: number of its message, and its place in the envelope, from 0."""

RECIPIENT_OCTETS = 600
"""About what a claimed recipient costs in memory: its objects and strings, measured."""


class SpoolUnavailable(Exception):
    """The disk refused. Nothing of this call was kept; answer 452 4.3.1 and try again later."""


class RecipientState(StrEnum):
    """States of a recipient (docs/spool.md)."""

    READY = "ready"
    IN_ATTEMPT = "in attempt"
    DEFERRED = "deferred"
    HELD = "held"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class RoutedRecipient:
    """A recipient and where policy sends it.

    route: name of a route. destination: what the queue groups by. is_held: kept, not tried, until released.
    """

    recipient: Recipient
    route: str
    destination: str
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """What reception (or the bounce writer) commits.

    number: from Spool.next_number(); its text is the queue id.
    envelope: as received (its recipients equal those of `recipients`, in that order).
    content: canonical, with our trace fields already in front.
    received_at: seconds since 1970. has_eight_bit: whether any octet is above 127.
    connector: name of the inbound connector, None for Direct Send and for our own notifications.
    is_once: the connector says "never twice": an unknown outcome is held, not retried.
    """

    number: int
    message_id: str | None
    subject: str | None
    envelope: Envelope
    recipients: tuple[RoutedRecipient, ...]
    content: Content
    has_eight_bit: bool
    received_at: float
    session_id: str
    peer_address: str
    helo: str | None
    connector: str | None
    is_once: bool = False
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient under claim.

    number: its place in the envelope, from 0. attempts: made so far. state: before this claim.
    retries_asked: how many attempts, made or about to be, an administrator asked for.
    is_doubtful: the final reply of an attempt was lost, so that a next hop may have it.
    """

    number: int
    recipient: Recipient
    attempts: int
    state: RecipientState
    is_delay_notified: bool = False
    retries_asked: int = 0
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Recipients of one message that go to one destination, taken by the queue until release() or settle().

    envelope: with exactly `recipients`, in their order. While claimed, they are in no other Claim.
    """

    number: int
    queue_id: str
    message_id: str | None
    subject: str | None
    envelope: Envelope
    recipients: tuple[QueuedRecipient, ...]
    content: Content
    has_eight_bit: bool
    route: str
    destination: str
    connector: str | None
    is_once: bool
    received_at: float

    @property
    def octets_in_memory(self) -> int:
        """About what it costs while it is in hand: content that is in memory, and its recipients."""
        return len(self.content.whole or b"") + RECIPIENT_OCTETS * len(self.recipients)


@dataclass(frozen=True, slots=True)
class DueLine:
    """A connector's unclaimed recipients of one destination.

    connector: None for Direct Send and our own notifications. due_at: the earliest, seconds since 1970 (may lie in the
    future).
    """

    route: str
    destination: str
    connector: str | None
    due_at: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """The durable end of an attempt for one recipient.

    state: DELIVERED, FAILED, DEFERRED, HELD, UNKNOWN or DELETED.
    due_at: when to try again (DEFERRED, UNKNOWN), else None.
    last_word: what the trace shows as the reason of the state; None: what the outcome says, if there is one.
    road: route and destination from now on; None: as before.
    """

    number: int
    recipient: int
    state: RecipientState
    due_at: float | None
    outcome: Outcome | None
    is_delay_notified: bool = False
    counts_as_attempt: bool = True
    last_word: str | None = None
    road: tuple[str, str] | None = None
    events: Sequence[Event] = ()


class CommandVerb(StrEnum):
    """What an administrator may ask: of queued recipients, and (SUSPEND, RESUME) of a route or a destination of it."""

    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"
    DELETE = "delete"  # nobody is notified
    RETURN = "return"  # deleted, and the sender is notified
    REDIRECT = "redirect"  # to another road, to be tried now
    COMPLETE = "complete"  # what a next hop may have counts as delivered
    REOPEN = "reopen"  # what failed is tried again, while the content is there
    SUSPEND = "suspend"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCommand:
    """A row that an administrator left for the worker that owns the spool.

    numbers: of messages; empty means all. asked_by: who, for the trace. recipients that are closed are not touched but
    by REOPEN, which is about those that failed.
    keys: these recipients alone; None: all of the messages.
    route, destination: the road to redirect to (destination None: each recipient's domain); or what is to be
    suspended or resumed (None: the whole route).
    includes_unknown: redirect those too that a next hop may have.
    """

    command_id: int
    verb: CommandVerb
    asked_by: str
    numbers: frozenset[int] = frozenset()
    keys: frozenset[Key] | None = None
    route: str | None = None
    destination: str | None = None
    includes_unknown: bool = False

    def concerns(self, key: Key) -> bool:
        """Whether it is about this recipient."""
        if self.keys is not None:
            return key in self.keys
        return not self.numbers or key[0] in self.numbers

    def road(self, domain: str) -> tuple[str, str]:
        """Return route and destination for a recipient of this domain, where it redirects."""
        assert self.route is not None
        return self.route, domain if self.destination is None else self.destination


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What came of a command.

    changed: how many recipients. claimed: those that it names and that were in hand, so that it did not touch them.
    held: how many of those to be retried wait for their release instead.
    skipped: how many it cannot be for: of unknown outcome where it redirects, of known outcome where it completes; not
    failed, of unknown outcome or without content where it reopens.
    """

    changed: int
    claimed: frozenset[Key] = frozenset()
    held: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Suspension:
    """What is not tried until it is resumed: a destination of a route, or with an empty destination all of the route.

    at: since when, seconds since 1970. by: who asked for it.
    """

    route: str
    destination: str
    at: float
    by: str


Offer = Callable[[Claim], bool]
"""Called on the loop right after a commit, content still in memory. True: the queue has taken the claim.
False: it has no room; the spool keeps it due and due() will tell of it."""


class Draft(Protocol):
    """Large content on its way to disk. Exactly one of finish() and discard() ends it."""

    def write(self, octets: bytes) -> None:
        """Append. Raises SpoolUnavailable."""

    @property
    def size(self) -> int:
        """Octets so far."""

    async def finish(self, prefix: bytes) -> Content:
        """Put `prefix` (our trace fields) in front, sync, and return the content that commit() will name.

        Raises SpoolUnavailable.
        """

    def discard(self) -> None:
        """Forget it. Harmless after finish() when the message was not committed."""


class Spool(Protocol):
    """One partition of the spool, owned by one worker."""

    # What reception asks.

    def next_number(self) -> int:
        """A number above all earlier ones (mail.queue_id)."""

    @property
    def trouble(self) -> str | None:
        """Why new mail cannot be kept now (disk full, failed sync), None when all is well. No I/O."""

    @property
    def free_octets_seen(self) -> int:
        """Free disk space, as it was about a second ago. No I/O."""

    def open_draft(self) -> Draft:
        """Start large content. Raises SpoolUnavailable."""

    async def commit(self, message: NewMessage) -> None:
        """Keep the message. After this returns, and only then, may 250 be said. Raises SpoolUnavailable."""

    def record_refusal(self, refusal: Refusal) -> None:
        """Write into the trace soon (with the next batch); a refusal needs no durability. Never raises."""

    # What the queue asks.

    def subscribe(self, offer: Offer) -> None:
        """Offer each newly committed claim (one per destination of the message) as it becomes durable."""

    async def due(self) -> list[DueLine]:
        """Lines that have unclaimed recipients in READY, DEFERRED or UNKNOWN with a due time, earliest first."""

    async def claim(
        self,
        route: str,
        destination: str,
        connector: str | None,
        now: float,
        limit: int,
        octets_max: int | None = None,
    ) -> list[Claim]:
        """Take up to `limit` due claims of one line, oldest due first.

        octets_max: the first claim with which octets_in_memory together reach this is the last; None: no bound.
        """

    def is_claimed(self, key: Key) -> bool:
        """Whether the recipient is in hand."""

    def release(self, claim: Claim) -> None:
        """Give a claim back untouched."""

    async def begin_attempt(self, claim: Claim, recipients: Sequence[int], told: Detail, at: float) -> None:
        """Write that an attempt is about to send DATA (state IN_ATTEMPT, since `at`).

        told: what the trace tells of it."""

    async def settle(
        self,
        settlements: Sequence[Settlement],
        notifications: Sequence[NewMessage] = (),
        marks: Sequence[Mark] = (),
    ) -> None:
        """End claims, commit the notifications that they owe and what is to be remembered, in one transaction.

        When the last recipient of a message is closed, its content is removed in the same transaction.
        """

    async def marks(self) -> list[Mark]:
        """What was to be remembered. Raises SpoolUnavailable."""

    def post(self, notice: Notice) -> None:
        """Tell other processes, soon; an empty reason takes back what was told. Never raises."""

    def post_flows(self, flows: Sequence[QueueFlow]) -> None:
        """Tell other processes, soon. Never raises."""

    def count_flow(self, counts: Sequence[FlowCount]) -> None:
        """Add to the counts of mail flow, soon; a crash may lose them. Never raises."""

    async def bring_forward(self, seconds: float, now: float) -> None:
        """Have all that is due later than now be due so much earlier, but not before now. Raises SpoolUnavailable."""

    async def next_commands(self) -> list[QueueCommand]:
        """Commands not yet carried out, oldest first. Cheap when there are none."""

    async def carry_out(self, command: QueueCommand, now: float, changed: int = 0) -> CarriedOut:
        """Apply the command to unclaimed recipients; mark its row done, with the result beside it.

        Every recipient that it names is either changed if need be, or among `claimed`. Those are the queue's to see
        to: it gives the command again with them as `keys` once they are free. Of a command to RETURN all that is
        free was taken and settled before; changed: how many.
        """

    async def take(self, command: QueueCommand, limit: int, octets_max: int) -> list[Claim]:
        """Take what is free of the command's recipients, whatever its due time: `limit` claims or octets at most."""

    async def suspensions(self) -> list[Suspension]:
        """What is suspended. Raises SpoolUnavailable."""

    async def close(self) -> None:
        """Finish what waits, and let go of the files."""
