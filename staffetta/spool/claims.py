"""Claims: which recipients the queue has in hand, and how messages become Claims. All on the loop, nothing on disk.

Rule 1: a key (message number, recipient) is in one claim at most.
Rule 2: a read of the database may be older than the end of a claim; so while reads are under way no key is let go,
and what a read found is taken only if its key is not in hand.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from staffetta.mail.envelope import Envelope
from staffetta.mail.queue_id import to_text
from staffetta.spool.spool import Claim, Key, NewMessage, QueueCommand, QueuedRecipient, RecipientState


class Hand:
    """The keys in hand, and which of them have an attempt under way."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self._attempted: set[Key] = set()
        self._unsent: set[Key] = set()
        self._leaving: list[Key] = []
        self._reads = 0

    def __contains__(self, key: Key) -> bool:
        return key in self.keys

    def take(self, keys: Iterable[Key]) -> None:
        self.keys.update(keys)

    def begin(self, keys: Iterable[Key]) -> None:
        self._attempted.update(keys)

    def begin_failed(self, keys: Iterable[Key]) -> None:
        """Nothing was sent, although the disk may say that the attempt began."""
        self._unsent.update(keys)

    def is_unsent(self, key: Key) -> bool:
        return key in self._unsent

    def let_go(self, keys: Iterable[Key]) -> list[Key]:
        """Return those whose attempt had begun."""
        keys = list(keys)
        attempted = [key for key in keys if key in self._attempted]
        self._attempted.difference_update(attempted)
        self._unsent.difference_update(attempted)
        if self._reads:
            self._leaving.extend(keys)
        else:
            self.keys.difference_update(keys)
        return attempted

    def concerned_by(self, command: QueueCommand) -> frozenset[Key]:
        """Return the keys in hand that the command is about."""
        return frozenset(key for key in self.keys if command.concerns(key))

    def attempted_of(self, keys: Iterable[Key]) -> list[Key]:
        return [key for key in keys if key in self._attempted]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around a read and the use of what it found."""
        self._reads += 1
        try:
            yield
        finally:
            self._reads -= 1
            if not self._reads and self._leaving:
                self.keys.difference_update(self._leaving)
                self._leaving.clear()


def keys_of(claim: Claim) -> list[Key]:
    return [(claim.number, recipient.number) for recipient in claim.recipients]


def split(claim: Claim, recipients: tuple[QueuedRecipient, ...]) -> tuple[Claim, Claim]:
    """Return the claim of these recipients and the claim of the others. Each ends by itself."""
    places = {recipient.number for recipient in recipients}
    rest = tuple(recipient for recipient in claim.recipients if recipient.number not in places)
    return _with(claim, recipients), _with(claim, rest)


def _with(claim: Claim, recipients: tuple[QueuedRecipient, ...]) -> Claim:
    return replace(claim, recipients=recipients, envelope=_narrow(claim.envelope, recipients))


def claims_of_new(message: NewMessage) -> list[Claim]:
    """One claim for each destination of a message just committed, its held recipients left out."""
    first = message.recipients[0]
    if len(message.recipients) == 1:
        groups = {} if first.is_held else {(first.route, first.destination): [0]}
    else:
        groups = {}
        for place, routed in enumerate(message.recipients):
            if not routed.is_held:
                groups.setdefault((routed.route, routed.destination), []).append(place)
    return [_claim_of_new(message, route, destination, places) for (route, destination), places in groups.items()]


def _claim_of_new(message: NewMessage, route: str, destination: str, places: list[int]) -> Claim:
    recipients = tuple(
        QueuedRecipient(place, message.recipients[place].recipient, 0, RecipientState.READY) for place in places
    )
    return Claim(
        number=message.number,
        queue_id=to_text(message.number),
        message_id=message.message_id,
        subject=message.subject,
        envelope=_narrow(message.envelope, recipients),
        recipients=recipients,
        content=message.content,
        has_eight_bit=message.has_eight_bit,
        route=route,
        destination=destination,
        connector=message.connector,
        is_once=message.is_once,
        received_at=message.received_at,
    )


def _narrow(envelope: Envelope, recipients: tuple[QueuedRecipient, ...]) -> Envelope:
    if len(recipients) == len(envelope.recipients):
        return envelope
    return replace(envelope, recipients=tuple(queued.recipient for queued in recipients))
