"""Export-Message: the source of a message that waits, for those who may read mail (docs/decisions/086, 104)."""

import base64
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.operations.duties import READ_MAIL
from staffetta.operations.inputs import Input, Output
from staffetta.operations.message_content import content_of
from staffetta.operations.registry import Context, Operation

NAME = "Export-Message"
_OCTETS_MAX = 33_554_432


class ExportMessage(Input):
    identity: Annotated[str, Field(description="Queue id of the message, or its trace id.")]
    octets_max: Annotated[int, Field(description="Octets at most, from the beginning.", ge=1, le=_OCTETS_MAX)] = (
        1_048_576
    )


class ExportedMessage(Output):
    identity: Annotated[str, Field(description="What was asked for.")]
    size: Annotated[int, Field(description="Octets that are given.")]
    is_cut: Annotated[bool, Field(description="Whether the message goes on after them.")]
    binary_data: Annotated[str, Field(description="The octets, in Base64.")]


def export(context: Context, given: ExportMessage) -> Iterable[Output]:
    octets = content_of(context, given.identity, NAME, given.octets_max + 1)
    shown = octets[: given.octets_max]
    return [
        ExportedMessage(
            identity=given.identity,
            size=len(shown),
            is_cut=len(octets) > len(shown),
            binary_data=base64.b64encode(shown).decode("ascii"),
        )
    ]


OPERATIONS = (
    Operation(
        "Export",
        "Message",
        "Give the source of a message that waits, and write down who read it.",
        ExportMessage,
        ExportedMessage,
        READ_MAIL,
        export,
        positions=("identity",),
        columns=("identity", "size", "is_cut"),
        example="0GZ6Q1Y2W4X8A",
    ),
)
