"""Accepted domains: what we take mail for, and where its senders' mail servers must deliver."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.mail.address import AddressError, parse_domain
from staffetta.operations.access import chosen, found, listed, made, organization_for, put, remove
from staffetta.operations.duties import CHANGE, LOOK_INTO
from staffetta.operations.errors import BadParameter, BadValue
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, MultiValued, Output, ResultSize
from staffetta.operations.organizations import mail_endpoint, organization_value
from staffetta.operations.registry import Context, Operation
from staffetta.operations.shapes import changes
from staffetta.settings.objects import AcceptedDomain, DomainType

_NOUN = "AcceptedDomain"
_IDENTITY = "Domain, or its GUID."

Type = Annotated[
    DomainType, Field(description="Authoritative: all its recipients are known here. InternalRelay: more elsewhere.")
]
Subdomains = Annotated[bool, Field(description="Whether every domain below it is accepted too.")]
Recipients = Annotated[
    MultiValued | None, Field(description="Local parts that exist in an Authoritative domain; `*` means any.")
]
RouteName = Annotated[str | None, Field(description="The route of the settings file that its recipients take.")]


class AcceptedDomainRow(Output):
    name: Annotated[str, Field(description="The domain.")]
    domain_name: Annotated[str, Field(description="The domain.")]
    domain_type: Type
    default: Annotated[bool, Field(description="Whether it is its organisation's first.")]
    match_sub_domains: Subdomains
    identity: Annotated[str, Field(description="The domain.")]
    when_changed_utc: Annotated[datetime, Field(description="When it was changed.")]
    when_created_utc: Annotated[datetime, Field(description="When it was made.")]
    guid: Annotated[str, Field(description="Its GUID.")]
    is_valid: Annotated[bool, Field(description="Always true: an invalid one is refused.")]
    recipients: Annotated[tuple[str, ...], Field(description="Local parts that exist; `*` means any.")]
    route: Annotated[str, Field(description="The route that its recipients take.")]
    organization: Annotated[str, Field(description="The organisation that owns it.")]
    mail_endpoint: Annotated[str, Field(description="The host that takes its mail, and that clients relay through.")]
    mx_record: Annotated[str, Field(description="What to publish in the domain's zone.")]
    is_declared: Annotated[
        bool, Field(description="Whether it stands in the settings file, and can be changed there alone.")
    ]


class GetAcceptedDomain(Input):
    identity: Annotated[str | None, Field(description=_IDENTITY)] = None
    result_size: ResultSize = RESULTS_DEFAULT


class NewAcceptedDomain(Input):
    name: Annotated[str, Field(description="The domain.")]
    domain_name: Annotated[str | None, Field(description="The domain, where Name is something else.")] = None
    domain_type: Type = DomainType.AUTHORITATIVE
    match_sub_domains: Subdomains = False
    recipients: Recipients = None
    route: RouteName = None
    organization: Annotated[str | None, Field(description="The organisation that owns it.")] = None


class SetAcceptedDomain(Input):
    identity: Annotated[str, Field(description=_IDENTITY)]
    domain_type: Type | None = None
    match_sub_domains: Subdomains | None = None
    recipients: Recipients = None
    route: RouteName = None


class RemoveAcceptedDomain(Input):
    identity: Annotated[str, Field(description=_IDENTITY)]


def get(context: Context, given: GetAcceptedDomain) -> Iterable[Output]:
    firsts = _first_of_each(context)
    return [
        _row(context, each, firsts) for each in chosen(context, Kind.ACCEPTED_DOMAIN, given.identity, given.result_size)
    ]


def new(context: Context, given: NewAcceptedDomain) -> Iterable[Output]:
    name = _domain(given.domain_name or given.name)
    if given.domain_name is not None and given.name.lower() != name:
        context.warnings.append(f"Name is not kept: here a domain is called {name}.")
    domain = made(
        AcceptedDomain,
        name=name,
        type=given.domain_type,
        include_subdomains=given.match_sub_domains,
        recipients=given.recipients.applied_to(()) if given.recipients else ("*",),
        route=given.route or _usual_route(context),
        organization=organization_for(context, given.organization),
    )
    stored = put(context, f"New-{_NOUN}", Kind.ACCEPTED_DOMAIN, domain)
    return [_row(context, stored, _first_of_each(context))]


def set_(context: Context, given: SetAcceptedDomain) -> Iterable[Output]:
    stored = found(context, Kind.ACCEPTED_DOMAIN, given.identity)
    values: dict[str, Any] = stored.value.model_dump() | changes(given, stored.value)
    if given.domain_type is not None:
        values["type"] = given.domain_type
    if given.match_sub_domains is not None:
        values["include_subdomains"] = given.match_sub_domains
    put(context, f"Set-{_NOUN}", Kind.ACCEPTED_DOMAIN, made(AcceptedDomain, **values), guid=stored.guid)
    return []


def remove_(context: Context, given: RemoveAcceptedDomain) -> Iterable[Output]:
    remove(context, f"Remove-{_NOUN}", Kind.ACCEPTED_DOMAIN, given.identity)
    return []


def _domain(text: str) -> str:
    try:
        return parse_domain(text.strip())
    except AddressError as error:
        raise BadValue(f"'{text}' is not a domain: {error}. Write contoso.com.", parameter="DomainName") from None


def _usual_route(context: Context) -> str:
    """The route that all domains take so far, or the only one. Raises BadParameter."""
    settings = context.settings
    usual = {domain.route for domain in settings.accepted_domains} or {route.name for route in settings.routes}
    if len(usual) == 1:
        return usual.pop()
    known = ", ".join(sorted(route.name for route in settings.routes)) or "none is declared in the settings file"
    raise BadParameter(f"Write with -Route where its recipients go; known: {known}.", parameter="Route")


def _first_of_each(context: Context) -> dict[str, str]:
    """By organisation, its first domain."""
    firsts: dict[str, str] = {}
    for stored in listed(context, Kind.ACCEPTED_DOMAIN):
        firsts.setdefault(stored.organization, stored.name)
    return firsts


def _row(context: Context, stored: Stored, firsts: dict[str, str]) -> AcceptedDomainRow:
    domain = stored.value
    assert isinstance(domain, AcceptedDomain)
    owner = organization_value(context.settings, domain.organization)
    endpoint = mail_endpoint(context.settings, owner, firsts.get(owner.name, domain.name))
    return AcceptedDomainRow(
        name=domain.name,
        domain_name=domain.name,
        domain_type=domain.type,
        default=firsts.get(domain.organization) == domain.name,
        match_sub_domains=domain.include_subdomains,
        identity=domain.name,
        when_changed_utc=datetime.fromtimestamp(stored.changed_at, UTC),
        when_created_utc=datetime.fromtimestamp(stored.created_at, UTC),
        guid=stored.guid,
        is_valid=True,
        recipients=domain.recipients,
        route=domain.route,
        organization=domain.organization,
        mail_endpoint=endpoint,
        mx_record=f"{domain.name}. IN MX 0 {endpoint}.",
        is_declared=stored.is_declared,
    )


_COLUMNS = ("name", "domain_name", "domain_type", "default")

OPERATIONS = (
    Operation(
        "Get",
        _NOUN,
        "Show the domains that mail is taken for, with the MX record to publish.",
        GetAcceptedDomain,
        AcceptedDomainRow,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=_COLUMNS,
        example="contoso.com",
    ),
    Operation(
        "New",
        _NOUN,
        "Take mail for a domain.",
        NewAcceptedDomain,
        AcceptedDomainRow,
        CHANGE,
        new,
        is_change=True,
        positions=("name",),
        columns=_COLUMNS,
        example="contoso.com -DomainType InternalRelay",
    ),
    Operation(
        "Set",
        _NOUN,
        "Change an accepted domain; what is not named stays.",
        SetAcceptedDomain,
        None,
        CHANGE,
        set_,
        is_change=True,
        positions=("identity",),
        example="contoso.com -Recipients @{Add='ada'}",
    ),
    Operation(
        "Remove",
        _NOUN,
        "Take no more mail for a domain.",
        RemoveAcceptedDomain,
        None,
        CHANGE,
        remove_,
        is_change=True,
        positions=("identity",),
        example="contoso.com",
    ),
)
