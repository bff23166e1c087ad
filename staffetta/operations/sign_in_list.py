"""Who is signed in at the console, and the end of it.

Rule: everybody sees and ends his own; those of others are for who manages administrators, within his organisation.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.directory import sign_ins
from staffetta.directory.sign_ins import SignIn
from staffetta.operations.access import changing, not_found, told
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.operations.roles import Role

_EVERYBODY = frozenset(Role)


class SignInRow(Output):
    administrator: Annotated[str, Field(description="Who signed in.")]
    identity: Annotated[str, Field(description="Names the sign-in; nobody signs in with it.")]
    client_ip: Annotated[str | None, Field(description="Where from.")]
    when_began_utc: Annotated[datetime, Field(description="When.")]
    last_used_utc: Annotated[datetime, Field(description="When it was used last, to the minute.")]
    expires_utc: Annotated[datetime, Field(description="When it ends, however much it is used.")]


class GetSignIn(Input):
    identity: Annotated[str | None, Field(description="One sign-in, as the list names it.")] = None
    administrator: Annotated[str | None, Field(description="Those of this person alone.")] = None
    result_size: ResultSize = RESULTS_DEFAULT


class RemoveSignIn(Input):
    identity: Annotated[str, Field(description="The sign-in, as the list names it.")]


def get(context: Context, given: GetSignIn) -> Iterable[Output]:
    found = _seen(context)
    if given.administrator is not None:
        found = [each for each in found if each.administrator.casefold() == given.administrator.casefold()]
    if given.identity is not None:
        found = [each for each in found if each.identity == given.identity.lower()]
        if not found:
            raise not_found(context, given.identity)
    return [
        SignInRow(
            administrator=each.administrator,
            identity=each.identity,
            client_ip=each.address,
            when_began_utc=datetime.fromtimestamp(each.began_at, UTC),
            last_used_utc=datetime.fromtimestamp(each.used_at, UTC),
            expires_utc=datetime.fromtimestamp(each.ends_at, UTC),
        )
        for each in found[: given.result_size]
    ]


def remove(context: Context, given: RemoveSignIn) -> Iterable[Output]:
    if not any(each.identity == given.identity.lower() for each in _seen(context)):
        raise not_found(context, given.identity)
    with changing(context, "Remove-SignIn") as change:
        sign_ins.end_named(change, given.identity)
    return []


def _seen(context: Context) -> Sequence[SignIn]:
    caller = context.caller
    with told():
        found = sign_ins.sign_ins(context.directory, caller.organization)
    if Role.ORGANIZATION_MANAGEMENT in caller.roles:
        return found
    return [each for each in found if each.administrator.casefold() == caller.name.casefold()]


OPERATIONS = (
    Operation(
        "Get",
        "SignIn",
        "Show who is signed in at the console: oneself, or for who manages administrators, all.",
        GetSignIn,
        SignInRow,
        _EVERYBODY,
        get,
        positions=("identity",),
        columns=("administrator", "client_ip", "when_began_utc", "last_used_utc"),
        example="-Administrator ada",
    ),
    Operation(
        "Remove",
        "SignIn",
        "Sign somebody out; the next page asks him to sign in again.",
        RemoveSignIn,
        None,
        _EVERYBODY,
        remove,
        is_change=True,
        positions=("identity",),
        example="2f1c6a90b7d4e835",
    ),
)
