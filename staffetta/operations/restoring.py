"""Restore-Message: what has failed is tried again, as long as the message's content is there (docs/decisions/104).

Rule: what a next hop may have is left out, since nobody could say that it goes once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from pydantic import Field

from staffetta.mail.queue_id import from_text
from staffetta.operations import ordering
from staffetta.operations.access import not_found
from staffetta.operations.duties import HELP
from staffetta.operations.errors import OperationError
from staffetta.operations.filters import like
from staffetta.operations.inputs import Input, Output
from staffetta.operations.ordering import OrderRow
from staffetta.operations.queues import CommandVerb
from staffetta.operations.redirecting import roads_of_today
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.trace import TraceQuery, find_messages
from staffetta.operations.tracing import queue_id_of
from staffetta.operations.visibility import own_mail
from staffetta.spool.stored import stored_content
from staffetta.trace.waiting import Waiting, what_failed

NAME = "Restore-Message"


class RestoreMessage(Input):
    identity: Annotated[str, Field(description="Queue id of the message, or its trace id.")]
    recipient_address: Annotated[
        str | None, Field(description="Only this recipient; `*` is any text, as in `*@contoso.com`.")
    ] = None


def restore(context: Context, given: RestoreMessage) -> Iterable[Output]:
    chosen = _chosen(context, given)
    orders = [
        order
        for (route, destination), group in roads_of_today(context.settings, chosen).items()
        for order in ordering.orders_about(group, CommandVerb.REOPEN, route=route, destination=destination)
    ]
    told = {"RecipientAddress": given.recipient_address} if given.recipient_address else {}
    return [ordering.give(context, NAME, chosen, orders, target=chosen[0].queue_id, **told)]


def preview(context: Context, given: RestoreMessage) -> Iterator[str]:
    chosen = _chosen(context, given)
    yield f"{len(chosen):,} of its recipients have failed, would be queued again, and be tried now."
    yield from ordering.shown(chosen)
    yield "The sender was told of the failure where he wished to be, and is not told that it is tried again."


def _chosen(context: Context, given: RestoreMessage) -> Sequence[Waiting]:
    """Raises NotFound, OperationError."""
    queue_id = queue_id_of(given.identity, "Identity")
    folder = spool_folder(context.settings)
    with spool_told():
        rows = find_messages(context.settings, TraceQuery(queue_id=queue_id, limit=1, own=own_mail(context))).rows
    if not rows or queue_id is None:
        raise not_found(context, given.identity)
    number = from_text(queue_id)
    with spool_told(), not_available():
        failed = what_failed(folder, number, own=own_mail(context))
        is_kept = stored_content(folder, number, 1) is not None
    if given.recipient_address is not None:
        is_wanted = like(given.recipient_address)
        failed = [each for each in failed if is_wanted(each.recipient)]
    if not failed:
        raise OperationError(
            f"No such recipient of {queue_id} has failed, so that there is nothing to queue again. Retry-Message is "
            "for what waits; what an administrator has deleted stays so.",
            parameter="Identity",
        )
    if not is_kept:
        raise OperationError(
            f"The content of {queue_id} is gone: it is kept as long as a recipient waits. The sender has to send it "
            "again, when the cause is mended; the trace has what the next hop said.",
            parameter="Identity",
        )
    known = [each for each in failed if not each.is_doubtful]
    if not known:
        raise OperationError(
            f"A next hop may have {queue_id}: a final reply was lost before it failed. It is not sent again from here; "
            "ask the recipient whether it has come.",
            parameter="Identity",
        )
    return known


OPERATIONS = (
    Operation(
        "Restore",
        "Message",
        "Queue recipients of a message that have failed again, by the road of today, as long as its content is there.",
        RestoreMessage,
        OrderRow,
        HELP,
        restore,
        is_change=True,
        positions=("identity",),
        columns=("messages", "recipients", "changed", "result"),
        example="0GZ6Q1Y2W4X8A -RecipientAddress bob@contoso.com",
        preview=preview,
    ),
)
