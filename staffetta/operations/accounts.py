"""Accounts that log in to send (SMTP AUTH), and their passwords: one for each device, shown once, kept as hashes."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import chosen, found, made, not_found, organization_for, put, remove
from staffetta.operations.duties import CHANGE, HELP, LOOK_INTO
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, MultiValued, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.operations.shapes import changes
from staffetta.settings.objects import Account
from staffetta.settings.passwords import BITS_MIN, LENGTH, Alphabet, hash_password, new_password, strength_bits

_NOUN = "SmtpAccount"
_IDENTITY = "User name or GUID of the account."

UserName = Annotated[str, Field(description="What the client logs in as, such as `scanner@contoso.com`.")]
Identity = Annotated[str, Field(description=_IDENTITY)]
Enabled = Annotated[bool, Field(description="Whether it may log in.")]
SendAs = Annotated[
    MultiValued | None, Field(description="Senders besides its own name: `a@contoso.com`, `*@contoso.com`, or `*`.")
]
Comment = Annotated[str | None, Field(description="For people.")]


class SmtpAccountRow(Output):
    user_name: UserName
    identity: Annotated[str, Field(description="The user name.")]
    enabled: Enabled
    send_as: Annotated[tuple[str, ...], Field(description="Senders that it may use besides its own name.")]
    comment: Annotated[str, Field(description="For people.")]
    passwords: Annotated[tuple[str, ...], Field(description="The ids of its passwords, by age.")]
    organization: Annotated[str, Field(description="The organisation that owns it.")]
    guid: Annotated[str, Field(description="Its GUID.")]
    when_created_utc: Annotated[datetime, Field(description="When it was made.")]
    when_changed_utc: Annotated[datetime, Field(description="When it was changed.")]
    is_declared: Annotated[
        bool, Field(description="Whether it stands in the settings file, and can be changed there alone.")
    ]


class NewPasswordRow(Output):
    user_name: UserName
    password: Annotated[str, Field(description="To be typed into the device now: it is shown this once.")]
    password_id: Annotated[str, Field(description="Names it in Remove-SmtpAccountPassword.")]


class GetSmtpAccount(Input):
    identity: Annotated[str | None, Field(description=_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class NewSmtpAccount(Input):
    user_name: UserName
    enabled: Enabled = True
    send_as: SendAs = None
    comment: Comment = None
    organization: Annotated[str | None, Field(description="The organisation that owns it.")] = None


class SetSmtpAccount(Input):
    identity: Identity
    user_name: UserName | None = None
    enabled: Enabled | None = None
    send_as: SendAs = None
    comment: Comment = None


class RemoveSmtpAccount(Input):
    identity: Identity


class NewSmtpAccountPassword(Input):
    identity: Identity
    length: Annotated[int, Field(description="Characters, as many as the device takes.")] = LENGTH
    alphabet: Annotated[Alphabet, Field(description="What the device's keypad can type.")] = Alphabet.MIXED


class RemoveSmtpAccountPassword(Input):
    identity: Identity
    password_id: Annotated[str, Field(description="Which one, as Get-SmtpAccount shows it.")]


def get(context: Context, given: GetSmtpAccount) -> Iterable[Output]:
    return [_row(stored) for stored in chosen(context, Kind.ACCOUNT, given.identity, given.result_size)]


def new(context: Context, given: NewSmtpAccount) -> Iterable[Output]:
    values = changes(given, Account(user_name=given.user_name))
    values["organization"] = organization_for(context, given.organization)
    return [_row(put(context, f"New-{_NOUN}", Kind.ACCOUNT, made(Account, **values)))]


def set_(context: Context, given: SetSmtpAccount) -> Iterable[Output]:
    stored = found(context, Kind.ACCOUNT, given.identity)
    values: dict[str, Any] = stored.value.model_dump() | changes(given, stored.value)
    put(context, f"Set-{_NOUN}", Kind.ACCOUNT, made(Account, **values), guid=stored.guid)
    return []


def remove_(context: Context, given: RemoveSmtpAccount) -> Iterable[Output]:
    remove(context, f"Remove-{_NOUN}", Kind.ACCOUNT, given.identity)
    return []


def new_password_(context: Context, given: NewSmtpAccountPassword) -> Iterable[Output]:
    stored = found(context, Kind.ACCOUNT, given.identity)
    try:
        password = new_password(given.length, given.alphabet)
    except ValueError as error:
        raise BadValue(f"{str(error)[:1].upper()}{str(error)[1:]}.", parameter="Length") from None
    if (bits := strength_bits(given.length, given.alphabet)) < BITS_MIN:
        context.warnings.append(
            f"This password has {bits} bits, {BITS_MIN} are wanted: take a larger Length or Alphabet if the device can."
        )
    hashed = hash_password(password)
    _put_hashes(context, f"New-{_NOUN}Password", stored, (*_account(stored).password_hashes, hashed))
    name = _account(stored).user_name
    return [NewPasswordRow(user_name=name, password=password, password_id=password_id(hashed))]


def remove_password(context: Context, given: RemoveSmtpAccountPassword) -> Iterable[Output]:
    stored = found(context, Kind.ACCOUNT, given.identity)
    hashes = _account(stored).password_hashes
    kept = tuple(each for each in hashes if password_id(each) != given.password_id.strip().lower())
    if len(kept) == len(hashes):
        raise not_found(context, given.password_id, parameter="PasswordId")
    _put_hashes(context, f"Remove-{_NOUN}Password", stored, kept)
    return []


def password_id(hashed: str) -> str:
    """Return what a password is called: of its hash, and so of nothing that helps to guess it."""
    return hashlib.sha256(hashed.encode()).hexdigest()[:8]


def _put_hashes(context: Context, operation: str, stored: Stored, hashes: tuple[str, ...]) -> None:
    account = _account(stored).model_copy(update={"password_hashes": hashes})
    put(context, operation, Kind.ACCOUNT, account, guid=stored.guid)


def _account(stored: Stored) -> Account:
    assert isinstance(stored.value, Account)
    return stored.value


def _row(stored: Stored) -> SmtpAccountRow:
    account = _account(stored)
    return SmtpAccountRow(
        user_name=account.user_name,
        identity=account.user_name,
        enabled=account.enabled,
        send_as=account.send_as,
        comment=account.comment,
        passwords=tuple(map(password_id, account.password_hashes)),
        organization=account.organization,
        guid=stored.guid,
        when_created_utc=datetime.fromtimestamp(stored.created_at, UTC),
        when_changed_utc=datetime.fromtimestamp(stored.changed_at, UTC),
        is_declared=stored.is_declared,
    )


_COLUMNS = ("user_name", "enabled", "send_as", "passwords", "comment")

OPERATIONS = (
    Operation(
        "Get",
        _NOUN,
        "Show the accounts that log in to send.",
        GetSmtpAccount,
        SmtpAccountRow,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=_COLUMNS,
        example="scanner@contoso.com",
    ),
    Operation(
        "New",
        _NOUN,
        "Make an account, which has no password yet.",
        NewSmtpAccount,
        SmtpAccountRow,
        CHANGE,
        new,
        is_change=True,
        positions=("user_name",),
        columns=_COLUMNS,
        example="scanner@contoso.com -Comment 'second floor'",
    ),
    Operation(
        "Set",
        _NOUN,
        "Change an account; what is not named stays.",
        SetSmtpAccount,
        None,
        CHANGE,
        set_,
        is_change=True,
        positions=("identity",),
        example="scanner@contoso.com -SendAs @{Add='*@contoso.com'}",
    ),
    Operation(
        "Remove",
        _NOUN,
        "Remove an account with its passwords.",
        RemoveSmtpAccount,
        None,
        CHANGE,
        remove_,
        is_change=True,
        positions=("identity",),
        example="scanner@contoso.com",
    ),
    Operation(
        "New",
        f"{_NOUN}Password",
        "Make a password for one device more, and show it once.",
        NewSmtpAccountPassword,
        NewPasswordRow,
        HELP,
        new_password_,
        is_change=True,
        positions=("identity",),
        columns=("user_name", "password", "password_id"),
        example="scanner@contoso.com -Length 12 -Alphabet Digits",
    ),
    Operation(
        "Remove",
        f"{_NOUN}Password",
        "Take a password back; the account's others go on.",
        RemoveSmtpAccountPassword,
        None,
        HELP,
        remove_password,
        is_change=True,
        positions=("identity",),
        example="scanner@contoso.com -PasswordId 1f0c9a2b",
    ),
)
