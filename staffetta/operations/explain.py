"""Why was it refused: the explanation of a refusal, by the id that its reply ends with."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.mail.sentence import sentence
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import NotFound
from staffetta.operations.inputs import Input, Output, Said
from staffetta.operations.registry import Context, Operation
from staffetta.operations.trace import RefusalQuery, RefusalRow, find_refusals
from staffetta.policy.explanation import Explanation, explain
from staffetta.settings.model import Settings

_ROWS_MAX = 100


class GetRefusalExplanation(Input):
    identity: Annotated[
        str, Field(description="The id at the end of the refusal's reply, or the whole reply.", min_length=1)
    ]


class Explained(Output):
    """The part that a refusal and a simulation have in common."""

    summary: Annotated[Said, Field(description="Why, in a sentence.")]
    seen: Annotated[tuple[Said, ...], Field(description="What we saw, each as `what: value`.")]
    connectors: Annotated[
        tuple[Said, ...],
        Field(description="Each connector and why it did not match, as `name: why`; the nearest first."),
    ]
    changes: Annotated[tuple[Said, ...], Field(description="What would let it in; any one of them may be right.")]
    commands: Annotated[
        tuple[str, ...], Field(description="The command for each change, in their order; empty where none does it.")
    ]


class RefusalExplanation(Explained):
    at: Annotated[datetime, Field(description="When it was refused.")]
    session_id: Annotated[str, Field(description="The session's id.")]
    sender: Annotated[str | None, Field(description="The reverse-path.")]
    recipient: Annotated[str | None, Field(description="The recipient.")]
    reply: Annotated[str, Field(description="Our reply.")]
    reason: Annotated[str, Field(description="The reason's name.")]
    facts: Annotated[dict[str, Any], Field(description="What was looked at, by name.")]


def get(context: Context, given: GetRefusalExplanation) -> Iterable[Output]:
    session_id = session_of(given.identity)
    rows = find_refusals(context.settings, RefusalQuery(session_id=session_id, limit=_ROWS_MAX)).rows
    organization = context.caller.organization
    own = [row for row in rows if organization in (None, row.evidence.get("organization"))]
    if not own:
        raise NotFound(
            f"There is no refusal {session_id!r}. The id is the last word of a refusal's reply; `staffetta refusals` "
            "lists the latest. They are kept for 90 days."
        )
    return [_row(row, context.settings) for row in own]


def session_of(text: str) -> str:
    """Return the session's id of what was pasted: the id, its stamp, or the whole reply."""
    words = text.replace("[", " ").replace("]", " ").split()
    return words[-1] if words else text


def explained(explanation: Explanation, settings: Settings) -> dict[str, Any]:
    """Return the properties of Explained. What stands in the settings file is changed there, and by no command."""
    declared = declared_names(settings.declared)
    changes = [(each.words, each.command or "") for each in explanation.changes if each.target not in declared]
    changes += [
        (sentence("{words} It stands in the settings file; change it there.", words=each.words), "")
        for each in explanation.changes
        if each.target in declared
    ]
    return {
        "summary": explanation.summary,
        "seen": tuple(sentence("{what}: {value}", what=what, value=value) for what, value in explanation.seen),
        "connectors": tuple(sentence("{what}: {value}", what=name, value=why) for name, why in explanation.connectors),
        "changes": tuple(words for words, _ in changes),
        "commands": tuple(command for _, command in changes),
    }


def declared_names(declared: Settings) -> set[str]:
    """Return what stands in the settings file: connectors, domains and accounts, which are changed there alone."""
    connectors = {each.name for each in declared.inbound_connectors}
    return (
        connectors | {each.name for each in declared.accepted_domains} | {each.user_name for each in declared.accounts}
    )


def _row(row: RefusalRow, settings: Settings) -> RefusalExplanation:
    explanation = explain(row.reason, row.evidence, sender=row.sender, recipient=row.recipient)
    return RefusalExplanation(
        at=datetime.fromisoformat(row.at),
        session_id=row.session_id,
        sender=row.sender,
        recipient=row.recipient,
        reply=row.reply,
        reason=row.reason,
        facts=row.evidence,
        **explained(explanation, settings),
    )


OPERATIONS = (
    Operation(
        "Get",
        "RefusalExplanation",
        "Say why a client was refused, and what to change.",
        GetRefusalExplanation,
        RefusalExplanation,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=("at", "sender", "recipient", "reason", "summary"),
        example="0123456789ABC",
    ),
)
