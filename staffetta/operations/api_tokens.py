"""API tokens: for programs that call operations over HTTP. A token is shown once, and ends.

Rule: who sees one organisation alone gives nobody sight of another; the directory refuses it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from staffetta.directory import tokens
from staffetta.operations.access import changing, not_found, told
from staffetta.operations.duties import CHANGE, READ
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, MultiValued, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.operations.role_groups import checked_roles

_DAYS_DEFAULT = 90
_DAYS_MAX = 366

Roles = Annotated[tuple[str, ...], Field(description="What may be done.")]
OrganizationName = Annotated[str | None, Field(description="The only organisation that is seen; nothing for all.")]


class ApiTokenRow(Output):
    name: Annotated[str, Field(description="What it is for.")]
    identity: Annotated[str, Field(description="The name.")]
    roles: Roles
    organization: OrganizationName
    created_by: Annotated[str, Field(description="Who made it.")]
    when_created_utc: Annotated[datetime, Field(description="When it was made.")]
    expires_utc: Annotated[datetime, Field(description="When it ends.")]
    last_used_utc: Annotated[datetime | None, Field(description="When it was used last, to the minute.")]


class NewApiTokenRow(Output):
    name: Annotated[str, Field(description="What it is for.")]
    identity: Annotated[str, Field(description="The name.")]
    token: Annotated[str, Field(description="The token itself: it is shown this once.")]
    expires_utc: Annotated[datetime, Field(description="When it ends.")]


class GetApiToken(Input):
    identity: Annotated[str | None, Field(description="Name of the token.")] = None
    result_size: ResultSize = RESULTS_DEFAULT


class NewApiToken(Input):
    name: Annotated[str, Field(description="What it is for.")]
    roles: Annotated[MultiValued, Field(description="Names of built-in role groups, each a role.")]
    days: Annotated[int, Field(description="How long it is valid.", ge=1, le=_DAYS_MAX)] = _DAYS_DEFAULT
    organization: OrganizationName = None


class RemoveApiToken(Input):
    identity: Annotated[str, Field(description="Name of the token.")]


def get_token(context: Context, given: GetApiToken) -> Iterable[Output]:
    with told():
        found = tokens.tokens(context.directory, context.caller.organization)
    if given.identity is not None:
        found = [each for each in found if each.name.casefold() == given.identity.casefold()]
        if not found:
            raise not_found(context, given.identity)
    return [
        ApiTokenRow(
            name=token.name,
            identity=token.name,
            roles=tuple(sorted(token.roles)),
            organization=token.organization,
            created_by=token.created_by,
            when_created_utc=datetime.fromtimestamp(token.created_at, UTC),
            expires_utc=datetime.fromtimestamp(token.expires_at, UTC),
            last_used_utc=None if token.used_at is None else datetime.fromtimestamp(token.used_at, UTC),
        )
        for token in found[: given.result_size]
    ]


def new_token(context: Context, given: NewApiToken) -> Iterable[Output]:
    roles = checked_roles(given.roles)
    expires = datetime.fromtimestamp(context.now(), UTC) + timedelta(days=given.days)
    organization = given.organization or context.caller.organization
    with changing(context, "New-ApiToken") as change:
        text = tokens.add_token(change, given.name, roles, expires_at=expires.timestamp(), organization=organization)
    return [NewApiTokenRow(name=given.name, identity=given.name, token=text, expires_utc=expires)]


def remove_token(context: Context, given: RemoveApiToken) -> Iterable[Output]:
    with changing(context, "Remove-ApiToken") as change:
        tokens.remove_token(change, given.identity)
    return []


OPERATIONS = (
    Operation(
        "Get",
        "ApiToken",
        "Show the tokens of programs, which end and are used when.",
        GetApiToken,
        ApiTokenRow,
        READ,
        get_token,
        positions=("identity",),
        columns=("name", "roles", "expires_utc", "last_used_utc"),
        example="monitoring",
    ),
    Operation(
        "New",
        "ApiToken",
        "Make a token for a program, and show it once.",
        NewApiToken,
        NewApiTokenRow,
        CHANGE,
        new_token,
        is_change=True,
        positions=("name",),
        columns=("name", "token", "expires_utc"),
        example="monitoring -Roles 'View-Only Organization Management' -Days 30",
    ),
    Operation(
        "Remove",
        "ApiToken",
        "Take a token back; the next request with it is refused.",
        RemoveApiToken,
        None,
        CHANGE,
        remove_token,
        is_change=True,
        positions=("identity",),
        example="monitoring",
    ),
)
