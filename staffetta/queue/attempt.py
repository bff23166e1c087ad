"""One attempt: the courier carries a claim, and what came of it is known whatever happens.

This is the attempt's edge: an exception of ours harms this attempt only (design.md §6).
"""

import asyncio
from collections.abc import Callable

import structlog

from staffetta.mail.consignment import Consignment, Courier
from staffetta.mail.outcome import Contact, Deferred, Outcome, Stage, Unknown
from staffetta.queue.telling import told_of_contact
from staffetta.spool.spool import Claim, Spool, SpoolUnavailable

_CUT_OFF = Unknown(status="4.4.2", diagnostic="The attempt was cut off after it had begun", stage=Stage.FINAL_DOT)
_OUR_FAULT = Deferred(status="4.3.0", diagnostic="Internal error, to be tried again", stage=Stage.ROUTE)

_log = structlog.get_logger()


class NotBegun(Exception):
    """Nothing was sent. Release the claim."""


async def attempt(claim: Claim, *, spool: Spool, courier: Courier, now: Callable[[], float]) -> tuple[Outcome, ...]:
    """Try once; return one outcome per recipient, in order.

    Raises NotBegun when the disk cannot write the attempt down, or when it was cancelled before it had begun.
    A cancellation after that ends as Unknown: the caller is ending anyway, and the outcome must not be lost.
    """
    numbers = [recipient.number for recipient in claim.recipients]
    has_begun = False

    async def before_data(contact: Contact) -> None:
        nonlocal has_begun
        await spool.begin_attempt(claim, numbers, told_of_contact(contact), now())
        has_begun = True

    consignment = Consignment(
        claim.queue_id, claim.route, claim.destination, claim.envelope, claim.content, claim.connector
    )
    try:
        outcomes = tuple(await courier(consignment, before_data))
    except (SpoolUnavailable, asyncio.CancelledError) as error:
        if not has_begun:
            raise NotBegun(str(error) or "cancelled") from error
        return all_alike(claim, _CUT_OFF)
    except Exception:
        _log.exception("attempt failed", queue_id=claim.queue_id)
        return all_alike(claim, _CUT_OFF if has_begun else _OUR_FAULT)
    if len(outcomes) != len(numbers):
        _log.error("courier's outcomes do not match the recipients", queue_id=claim.queue_id, outcomes=len(outcomes))
        return all_alike(claim, _CUT_OFF if has_begun else _OUR_FAULT)
    return outcomes


def all_alike(claim: Claim, outcome: Outcome) -> tuple[Outcome, ...]:
    """The same outcome for every recipient."""
    return (outcome,) * len(claim.recipients)
