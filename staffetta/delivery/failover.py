"""From one next hop to the next (RFC 5321 §5.1): where one cannot be talked to, and for whom it defers before DATA.

A recipient who is deferred at MAIL, RCPT or the DATA command is tried at the next hop, as nothing of the content has
been sent for him; what was said last is his outcome. Who is refused for good, or has an answer to the content, is
decided.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from staffetta.delivery.outcomes import trouble_outcome
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.envelope import Recipient
from staffetta.mail.outcome import Deferred, Outcome, Stage

_BEFORE_CONTENT = (Stage.MAIL, Stage.RCPT, Stage.DATA)

AnyHop = TypeVar("AnyHop")


async def carry_in_turn(
    hops: Iterable[tuple[str, AnyHop]],
    carry: Callable[[AnyHop, Sequence[Recipient]], Awaitable[Sequence[Outcome]]],
    recipients: Sequence[Recipient],
    none_at_all: Outcome,
) -> Sequence[Outcome]:
    """Return one outcome per recipient, in their order.

    hops: host and hop, in the order to try them. carry: to one hop; raises HopTrouble. none_at_all: without any hop.
    """
    outcomes: list[Outcome] = [none_at_all] * len(recipients)
    left = list(range(len(recipients)))
    for host, hop in hops:
        try:
            carried = await carry(hop, [recipients[number] for number in left])
        except HopTrouble as trouble:
            for number in left:
                if not _is_about_him(outcomes[number]):  # which tells more than that a host is dead
                    outcomes[number] = trouble_outcome(trouble, host)
            continue
        for number, outcome in zip(left, carried, strict=True):
            outcomes[number] = outcome
        left = [number for number in left if _is_about_him(outcomes[number])]
        if not left:
            break
    return outcomes


def _is_about_him(outcome: Outcome) -> bool:
    """Whether the recipient was deferred, by a hop that could be talked to, before the content."""
    return isinstance(outcome, Deferred) and outcome.is_remote_reply and outcome.stage in _BEFORE_CONTENT
