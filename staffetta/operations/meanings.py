"""What a reply means: the dictionary of codes, asked for one text."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from staffetta.mail.codes import explain
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import NotFound
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation


class GetReplyMeaning(Input):
    identity: Annotated[
        str,
        Field(description="The reply as it came, with its words, or an error's code: `AADSTS7000215`.", min_length=1),
    ]


class ReplyMeaning(Output):
    cause: Annotated[str, Field(description="What it means.")]
    fix: Annotated[str, Field(description="What mends it.")]
    whose: Annotated[str, Field(description="Who can mend it.")]
    is_worth_waiting: Annotated[bool, Field(description="Whether it may go away by itself.")]


def get(context: Context, given: GetReplyMeaning) -> Iterable[Output]:
    found = explain(given.identity)
    if found is None:
        raise NotFound(
            "The dictionary does not know it. Give the whole reply, `550 5.7.64 …` with its words, or an error's code, "
            "`AADSTS7000215` or `ErrorSendAsDenied`."
        )
    return [
        ReplyMeaning(cause=found.cause, fix=found.fix, whose=str(found.whose), is_worth_waiting=found.is_worth_waiting)
    ]


def meaning_of(reply: object) -> str | None:
    """Return what a reply means and what mends it, in one text; None where the dictionary does not know it."""
    return " ".join(line.strip() for line in in_words([reply])) or None if isinstance(reply, str) else None


def in_words(replies: Iterable[str | None]) -> Sequence[str]:
    """Return a line or two for each different reply that the dictionary knows."""
    lines: dict[str, None] = {}
    for reply in replies:
        found = explain(reply) if reply else None
        if found is not None:
            waiting = "It may pass by itself." if found.is_worth_waiting else "Waiting does not help."
            lines |= dict.fromkeys((f"{found.cause} {waiting}", f"  To mend by {found.whose}: {found.fix}"))
    return list(lines)


OPERATIONS = (
    Operation(
        "Get",
        "ReplyMeaning",
        "Say what a reply of ours or of another server means, and what mends it.",
        GetReplyMeaning,
        ReplyMeaning,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=("cause", "fix"),
        example="'550 5.7.64 TenantAttribution; Relay Access Denied'",
    ),
)
