"""Orders about what waits: written into the audit, left to the relay that owns the spool, and told of in words.

Rule 1: an order is audited as any change is: who, what, and about how many; it is written down before it is given, so
that one that no relay answers in time, and that still stands, is there too.
Rule 2: what was chosen is what the order is about, recipient by recipient; what comes meanwhile is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from staffetta.operations.access import changing
from staffetta.operations.inputs import Output
from staffetta.operations.queues import CommandResult, CommandVerb, Order, act
from staffetta.operations.registry import Context
from staffetta.operations.selecting import Selection, selected
from staffetta.operations.spools import spool_told
from staffetta.settings.objects import DEFAULT_ORGANIZATION, outside_name
from staffetta.spool.database import KEYS_PER_TRANSACTION_MAX
from staffetta.trace.waiting import Waiting

_SHOWN = 5  # of what a preview is about

_WORDS = {
    CommandVerb.HOLD: "suspended",
    CommandVerb.RELEASE: "resumed",
    CommandVerb.RETRY: "to be tried now",
    CommandVerb.DELETE: "deleted, and nobody is notified",
    CommandVerb.RETURN: "deleted, and the senders are notified",
    CommandVerb.REDIRECT: "sent another way",
    CommandVerb.COMPLETE: "taken as delivered",
    CommandVerb.REOPEN: "queued again",
}
_SKIPPED = {
    CommandVerb.REDIRECT: "{are} of unknown outcome: the next hop may have {them}; -IncludeUnknown takes {them} along",
    CommandVerb.COMPLETE: "{are} not of unknown outcome: no next hop has {them}",
    CommandVerb.REOPEN: "{are} left out: a next hop may have {them}, or the content has gone meanwhile",
}
_FOLLOWS = frozenset((CommandVerb.HOLD, CommandVerb.DELETE, CommandVerb.RETURN, CommandVerb.REDIRECT))


class OrderRow(Output):
    order: Annotated[str, Field(description="What was ordered.")]
    messages: Annotated[int, Field(description="Messages that it was about.")]
    recipients: Annotated[int, Field(description="Recipients of theirs that it was about.")]
    changed: Annotated[int, Field(description="Recipients for whom it was done.")]
    in_attempt: Annotated[int, Field(description="Recipients that are being tried now.")]
    suspended: Annotated[int, Field(description="Recipients to be retried that are suspended.")]
    skipped: Annotated[int, Field(description="Recipients that it cannot be for.")]
    result: Annotated[str, Field(description="The same in words.")]


def give(
    context: Context, name: str, chosen: Sequence[Waiting], orders: Sequence[Order], *, target: str, **told: Any
) -> OrderRow:
    """Give the orders, which are one to the administrator, and return what came of them.

    name: of the operation. chosen: whom they are about. target, told: what the audit has of them.
    Raises OperationError.
    """
    messages = len({each.number for each in chosen})
    result = carry_out(context, name, orders, target=target, **told, Messages=messages, Recipients=len(chosen))
    return OrderRow(
        order=name,
        messages=messages,
        recipients=len(chosen),
        changed=result.changed,
        in_attempt=result.claimed,
        suspended=result.held,
        skipped=result.skipped,
        result="; ".join(in_words(orders[0].verb, result)) if orders else "there was nothing to do",
    )


def carry_out(context: Context, name: str, orders: Sequence[Order], *, target: str, **told: Any) -> CommandResult:
    """Write down that the orders are given, and give them. Raises OperationError."""
    if not orders:
        return CommandResult()
    with changing(context, name) as change:
        organization = context.caller.organization or DEFAULT_ORGANIZATION
        change.audit("queue", target, organization, after={"Order": str(orders[0].verb), **told})
    with spool_told():
        return act(context.settings, orders, asked_by=context.caller.name)


def orders_about(chosen: Iterable[Waiting], verb: CommandVerb, **parts: Any) -> list[Order]:
    """Return the orders, each small enough to be one transaction. parts: as Order has them."""
    keys = [each.key for each in chosen]
    return [
        Order(verb=verb, keys=keys[start : start + KEYS_PER_TRANSACTION_MAX], **parts)
        for start in range(0, len(keys), KEYS_PER_TRANSACTION_MAX)
    ]


def in_words(verb: CommandVerb, result: CommandResult) -> Iterator[str]:
    """Yield what came of an order, for people."""
    yield f"{_recipients(result.changed)} {_WORDS[verb]}"
    if result.claimed and verb in _FOLLOWS:
        yield f"{_are(result.claimed)} being tried now; it follows for those that stay open"
    elif result.claimed:
        yield f"{_are(result.claimed)} being tried now, and left alone"
    if result.held:
        yield f"{_are(result.held)} suspended; resume {_them(result.held)} first"
    if result.skipped:
        words = _SKIPPED[verb].format(are=_are(result.skipped), them=_them(result.skipped))
        yield words


def described(given: Selection) -> dict[str, Any]:
    """Return what was chosen by, for the audit."""
    said = {field: getattr(given, field) for field in Selection.model_fields if getattr(given, field)}
    if given.identity is not None:
        said["identity"] = list(given.identity.applied_to(()))
    return {
        outside_name(field): value if isinstance(value, list | bool) else str(value) for field, value in said.items()
    }


def target_of(given: Selection, chosen: Sequence[Waiting]) -> str:
    """Return what the audit calls it: a message's queue id where it is one, else in what words it was chosen."""
    queue_ids = dict.fromkeys(each.queue_id for each in chosen)
    if len(queue_ids) == 1:
        return next(iter(queue_ids))
    return ", ".join(f"{name} {value}" for name, value in described(given).items())[:200]


def preview(context: Context, given: Selection) -> Iterator[str]:
    """Yield how many an order would be about, and the first few. Raises as selected()."""
    chosen = list(selected(context, given))
    yield f"It is about {_recipients(len(chosen))} of {len({each.number for each in chosen}):,} messages."
    yield from shown(chosen)


def shown(chosen: Sequence[Waiting]) -> Iterator[str]:
    """Yield the first few."""
    for each in islice(chosen, _SHOWN):
        why = f": {each.why}" if each.why else ""
        yield f"{each.queue_id} from <{each.sender}> to <{each.recipient}>, {each.state} for {each.queue}{why}"
    if len(chosen) > _SHOWN:
        yield f"and {len(chosen) - _SHOWN:,} more"


def _recipients(count: int) -> str:
    return f"{count:,} recipient{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
