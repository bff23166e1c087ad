"""A consignment: one message and those of its recipients that travel together, as queue and courier hand it over."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from staffetta.mail.content import Content
from staffetta.mail.envelope import Envelope
from staffetta.mail.outcome import Contact, Outcome


@dataclass(frozen=True, slots=True)
class Consignment:
    """What a courier is asked to carry.

    envelope: with only the recipients that share the destination.
    route: name of a route in the settings.
    destination: what the queue groups by (next-hop domain, or the route's name).
    connector: name of the inbound connector that let the message in, None for Direct Send.
    """

    queue_id: str
    route: str
    destination: str
    envelope: Envelope
    content: Content
    connector: str | None


BeforeData = Callable[[Contact], Awaitable[None]]
"""Called by the courier with the next hop just before DATA (or the mailbox write), and awaited: when it
returns, the attempt is on disk. A courier that fails earlier never calls it."""


class Courier(Protocol):
    """Carries consignments; given to the queue when the rooms are wired."""

    async def __call__(self, consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        """Try once, and return one outcome per recipient, in the envelope's order. Raises nothing but our own bugs."""
