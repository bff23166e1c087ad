"""What the directory keeps: kinds of objects, how each is named, and how it is shown outside."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from staffetta.settings.model import Settings
from staffetta.settings.objects import (
    DEFAULT_ORGANIZATION,
    AcceptedDomain,
    Account,
    InboundConnector,
    Organization,
    OutboundConnector,
    Section,
    TrustedAuthority,
    outside_name,
)
from staffetta.settings.references import SECRETS
from staffetta.settings.roads import RouteRule


class Kind(StrEnum):
    """What an object is; the value is the name of its list in Settings."""

    ORGANIZATION = "organizations"
    ACCEPTED_DOMAIN = "accepted_domains"
    INBOUND_CONNECTOR = "inbound_connectors"
    TRUSTED_AUTHORITY = "trusted_authorities"
    ACCOUNT = "accounts"
    OUTBOUND_CONNECTOR = "outbound_connectors"
    ROUTE_RULE = "route_rules"

    @property
    def words(self) -> str:
        """Such as `inbound connector`."""
        return "trusted authority" if self is Kind.TRUSTED_AUTHORITY else self.value[:-1].replace("_", " ")


MODELS: Mapping[Kind, type[Section]] = {
    Kind.ORGANIZATION: Organization,
    Kind.ACCEPTED_DOMAIN: AcceptedDomain,
    Kind.INBOUND_CONNECTOR: InboundConnector,
    Kind.TRUSTED_AUTHORITY: TrustedAuthority,
    Kind.ACCOUNT: Account,
    Kind.OUTBOUND_CONNECTOR: OutboundConnector,
    Kind.ROUTE_RULE: RouteRule,
}
_DECLARED = uuid.UUID("0a9d1a6e-6f43-5b8e-8f0e-7b1f6f2f8b11")  # the namespace of guids of what the file declares


@dataclass(frozen=True, slots=True)
class Stored:
    """An object and what is known about it. guid: lower case with dashes. created_at, changed_at: seconds since 1970.

    is_declared: it stands in the settings file, and can be changed there alone; its guid comes of kind and name, and
    its times are those of the file.
    """

    kind: Kind
    guid: str
    organization: str
    value: Section
    created_at: float
    changed_at: float
    is_declared: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return name_of(self.value)


def name_of(value: Section) -> str:
    """Return what people call an object: its name, or an account's user name."""
    return str(getattr(value, "user_name" if isinstance(value, Account) else "name"))


def organization_of(value: Section) -> str:
    """Return the organisation that owns an object; what belongs to none is the default one's."""
    if isinstance(value, Organization):
        return value.name
    return str(getattr(value, "organization", DEFAULT_ORGANIZATION))


def declared_objects(kind: Kind, settings: Settings) -> Iterator[Stored]:
    """Yield what the file itself declares, in its order."""
    declared = settings.declared
    at = declared.origin.changed_at if declared.origin else 0.0
    for value in getattr(declared, kind):
        guid = str(uuid.uuid5(_DECLARED, f"{kind}/{name_of(value).casefold()}"))
        yield Stored(kind, guid, organization_of(value), value, at, at, is_declared=True)


def outside(value: Section) -> dict[str, Any]:
    """Return an object as JSON values by outside names; of secrets, how many there are."""
    values = value.model_dump(mode="json")
    return {outside_name(name): len(each) if name in SECRETS.values() else each for name, each in values.items()}
