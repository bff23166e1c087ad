"""Organisations: tenants that see nothing of each other. The default one is there always, and nobody has to know."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import chosen, listed, made, organization_for, put, remove
from staffetta.operations.duties import CHANGE, LOOK_INTO
from staffetta.operations.errors import OperationError
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, MultiValued, Output, ResultSize
from staffetta.operations.registry import Context, Operation
from staffetta.settings.model import Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION, Organization

_IDENTITY = "Name or GUID of the organisation."

Endpoint = Annotated[str | None, Field(description="The label before `mail.` in its mail host's name.")]
RejectDirectSend = Annotated[
    bool, Field(description="Refuse mail in the name of its domains from sessions that match no connector.")
]
AllowPrivate = Annotated[
    bool, Field(description="Let its outbound connectors lead to loopback, private and link-local addresses.")
]
Name = Annotated[str, Field(description="Its name, unique.")]


class OrganizationRow(Output):
    name: Name
    identity: Annotated[str, Field(description="The name.")]
    guid: Annotated[str, Field(description="Its GUID; empty for the default one while nothing is set for it.")]
    endpoint: Endpoint
    mail_endpoint: Annotated[str, Field(description="The host that takes its mail, and that clients relay through.")]
    accepted_domains: Annotated[tuple[str, ...], Field(description="Its domains, the default one first.")]
    reject_direct_send: RejectDirectSend
    allow_private_next_hops: AllowPrivate
    routes: Annotated[tuple[str, ...], Field(description="Routes that its own administrators may name.")]
    is_declared: Annotated[
        bool, Field(description="Whether it stands in the settings file, and can be changed there alone.")
    ]


class OrganizationConfig(Output):
    name: Name
    display_name: Name
    identity: Annotated[str, Field(description="The name.")]
    reject_direct_send: RejectDirectSend
    is_dehydrated: Annotated[bool, Field(description="Always false: there is nothing to be enabled first.")]


class GetOrganization(Input):
    identity: Annotated[str | None, Field(description=_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class NewOrganization(Input):
    name: Name
    endpoint: Endpoint = None
    reject_direct_send: RejectDirectSend = False
    allow_private_next_hops: AllowPrivate = False
    routes: Annotated[
        MultiValued | None, Field(description="Routes that its own administrators may name; `*` is every.")
    ] = None


class RemoveOrganization(Input):
    identity: Annotated[str, Field(description=_IDENTITY)]


class GetOrganizationConfig(Input):
    organization: Annotated[str | None, Field(description="Which one; left out, the caller's own.")] = None


class SetOrganizationConfig(Input):
    organization: Annotated[str | None, Field(description="Which one; left out, the caller's own.")] = None
    reject_direct_send: RejectDirectSend | None = None
    endpoint: Endpoint = None
    allow_private_next_hops: Annotated[
        bool | None, Field(description="As in New-Organization; for an administrator of the whole relay.")
    ] = None
    routes: Annotated[
        MultiValued | None, Field(description="As in New-Organization; for an administrator of the whole relay.")
    ] = None


def mail_endpoint(settings: Settings, organization: Organization, first_domain: str) -> str:
    """Return the name of the host that takes an organisation's mail."""
    label = organization.endpoint or first_domain.replace(".", "-")
    return f"{label}.mail.{settings.mail_domain or settings.hostname}"


def organization_value(settings: Settings, name: str) -> Organization:
    """Return the organisation of that name; the default one need not be declared."""
    known = {each.name: each for each in settings.organizations}
    return known.get(name) or Organization(name=name)


def organization_named(context: Context, wanted: str) -> str:
    """Return the name of the organisation of this name or GUID, where the caller may see it. Raises NotFound."""
    (row,) = get(context, GetOrganization(identity=wanted))
    return str(row.name)


def get(context: Context, given: GetOrganization) -> Sequence[OrganizationRow]:
    rows = list(_stored(context))
    wanted = given.identity
    if wanted is None:
        return [_row(context, value, stored) for value, stored in rows[: given.result_size]]
    for value, stored in rows:
        if wanted.lower() in (value.name.lower(), stored.guid if stored else ""):
            return [_row(context, value, stored)]
    return [_row(context, _organization(each), each) for each in chosen(context, Kind.ORGANIZATION, wanted)]


def new(context: Context, given: NewOrganization) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise OperationError("An administrator of one organisation makes no other; ask one of the whole relay.")
    values = given.model_dump(exclude_none=True, exclude={"routes"})
    value = made(Organization, **values, routes=given.routes.applied_to(()) if given.routes else ())
    stored = put(context, "New-Organization", Kind.ORGANIZATION, value)
    return [_row(context, _organization(stored), stored)]


def remove_(context: Context, given: RemoveOrganization) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise OperationError("An administrator of one organisation removes none; ask one of the whole relay.")
    remove(context, "Remove-Organization", Kind.ORGANIZATION, given.identity)
    return []


def get_config(context: Context, given: GetOrganizationConfig) -> Iterable[Output]:
    name = organization_for(context, given.organization)
    value = organization_value(context.settings, name)
    return [
        OrganizationConfig(
            name=name,
            display_name=name,
            identity=name,
            reject_direct_send=value.reject_direct_send or _rejects_by_file(context, name),
            is_dehydrated=False,
        )
    ]


def set_config(context: Context, given: SetOrganizationConfig) -> Iterable[Output]:
    name = organization_for(context, given.organization)
    values: dict[str, Any] = {}
    if given.reject_direct_send is not None:
        if not given.reject_direct_send and _rejects_by_file(context, name):
            raise OperationError("It stands in the settings file: write reject_direct_send = false there.")
        values["reject_direct_send"] = given.reject_direct_send
    if "endpoint" in given.model_fields_set:
        values["endpoint"] = given.endpoint
    if given.allow_private_next_hops is not None:
        values["allow_private_next_hops"] = given.allow_private_next_hops
    if given.routes is not None:
        values["routes"] = given.routes.applied_to(organization_value(context.settings, name).routes)
    keep(context, "Set-OrganizationConfig", name, values)
    return []


def keep(context: Context, operation: str, name: str, values: dict[str, Any]) -> None:
    """Change fields of an organisation, the default one too, which may be stored nowhere yet. Raises OperationError."""
    stored = next((each for each in listed(context, Kind.ORGANIZATION) if each.name == name), None)
    present = organization_value(context.settings, name).model_dump()
    put(
        context,
        operation,
        Kind.ORGANIZATION,
        made(Organization, **present | values),
        guid=stored.guid if stored else None,
    )


def _rejects_by_file(context: Context, name: str) -> bool:
    """The key of the file that holds for the default organisation."""
    return name == DEFAULT_ORGANIZATION and context.settings.reject_direct_send


def _stored(context: Context) -> Sequence[tuple[Organization, Stored | None]]:
    """What the caller may see; the default one first, which may be stored nowhere."""
    rows: list[tuple[Organization, Stored | None]] = [
        (_organization(each), each) for each in listed(context, Kind.ORGANIZATION)
    ]
    if all(value.name != DEFAULT_ORGANIZATION for value, _ in rows) and context.caller.organization in (
        None,
        DEFAULT_ORGANIZATION,
    ):
        rows.insert(0, (Organization(name=DEFAULT_ORGANIZATION), None))
    return rows


def _organization(stored: Stored) -> Organization:
    assert isinstance(stored.value, Organization)
    return stored.value


def _row(context: Context, value: Organization, stored: Stored | None) -> OrganizationRow:
    domains = tuple(each.name for each in context.settings.accepted_domains if each.organization == value.name)
    return OrganizationRow(
        name=value.name,
        identity=value.name,
        guid=stored.guid if stored else "",
        endpoint=value.endpoint,
        mail_endpoint=mail_endpoint(context.settings, value, domains[0] if domains else value.name.lower()),
        accepted_domains=domains,
        reject_direct_send=value.reject_direct_send or _rejects_by_file(context, value.name),
        allow_private_next_hops=value.allow_private_next_hops or value.name == DEFAULT_ORGANIZATION,
        routes=value.routes,
        is_declared=bool(stored and stored.is_declared),
    )


OPERATIONS = (
    Operation(
        "Get",
        "Organization",
        "Show organisations, which see nothing of each other.",
        GetOrganization,
        OrganizationRow,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=("name", "accepted_domains", "mail_endpoint"),
        example="Fabrikam",
    ),
    Operation(
        "New",
        "Organization",
        "Make an organisation, with domains, connectors and accounts of its own.",
        NewOrganization,
        OrganizationRow,
        CHANGE,
        new,
        is_change=True,
        positions=("name",),
        columns=("name", "mail_endpoint"),
        example="Fabrikam",
    ),
    Operation(
        "Remove",
        "Organization",
        "Remove an organisation that owns nothing any more.",
        RemoveOrganization,
        None,
        CHANGE,
        remove_,
        is_change=True,
        positions=("identity",),
        example="Fabrikam",
    ),
    Operation(
        "Get",
        "OrganizationConfig",
        "Show what holds for an organisation as a whole.",
        GetOrganizationConfig,
        OrganizationConfig,
        LOOK_INTO,
        get_config,
        columns=("name", "reject_direct_send"),
    ),
    Operation(
        "Set",
        "OrganizationConfig",
        "Change what holds for an organisation as a whole.",
        SetOrganizationConfig,
        None,
        CHANGE,
        set_config,
        is_change=True,
        example="-RejectDirectSend $true",
    ),
)
