"""Probes: marked messages that the relay sends by the clock, to know that a road works before people do."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from staffetta.settings.objects import Section


class Expect(StrEnum):
    """What proves that a probe arrived. NONE: the next hop has taken it."""

    NONE = "none"
    DSN = "dsn"
    MAILDIR = "maildir"
    IMAP = "imap"
    STAFFETTA = "staffetta"


class Probe(Section):
    """A road that is tried by the clock."""

    name: Annotated[str, Field(description="Its name in metrics and log, unique.")]
    route: Annotated[str, Field(description="The route, or the outbound connector, that it takes.")]
    to: Annotated[str, Field(description="Mailbox that it goes to.")]
    sender: Annotated[
        str | None, Field(description="Whose it is; left out, the postmaster of the first accepted domain.")
    ] = None
    expect: Annotated[
        Expect,
        Field(
            description="What proves that it arrived: none (the next hop took it), dsn (a notification comes back), "
            "maildir, imap, or staffetta (another one's trace)."
        ),
    ] = Expect.NONE
    location: Annotated[
        str | None,
        Field(
            description="For maildir its folder, for imap `imaps://USER@HOST/FOLDER`, for staffetta its address, "
            "`https://HOST:PORT`."
        ),
    ] = None
    password: Annotated[
        str | None,
        Field(description="Of the IMAP user, or the API token, by reference: `${VARIABLE}` or `file:/path`."),
    ] = None
    every_seconds: Annotated[float, Field(ge=60, le=7 * 86_400, description="From one to the next.")] = 900
    timeout_seconds: Annotated[
        float, Field(ge=1, le=86_400, description="How long it may take, before it counts as failed.")
    ] = 300
