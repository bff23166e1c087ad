"""What Exchange Online's own fields say of a message: whose it was taken for, by which road, how far it was trusted.

Source: fields of mail that hybrid organisations relayed, 2021 to 2026; Microsoft Learn, "Header firewall" and "Set up
connectors to route mail". What a field means where Microsoft does not say it is told with care.
"""

import re
from dataclasses import dataclass

from staffetta.analyzer.fields import Section

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ATTRIBUTED_CLIENT = re.compile(
    r"TenantId=([^;]{0,60});\s*Ip=\[([^\]]{0,60})\];\s*Helo=\[([^\]]{0,255})\]", re.IGNORECASE
)
_PREFIXES = ("X-MS-Exchange-Organization-", "X-MS-Exchange-CrossTenant-", "X-MS-Exchange-CrossPremises-")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the fields say; None where none says it.

    tenant_id: of the organisation that the message was attributed to. attributed_address, attributed_name: the client
    that a connector let in. auth_as: Anonymous, Internal, External or Partner; auth_as_field: the name of the field
    that says so. origin: HybridOnPrem, Hosted or Internet. direction: Originating or Incoming. originator_domain: the
    organisation that vouches for it. promoted_by, filtered_by: the server that took the fields of the organisation's
    own servers for its own, or took them away.
    """

    tenant_id: str | None = None
    attributed_address: str | None = None
    attributed_name: str | None = None
    auth_as: str | None = None
    auth_as_field: str | None = None
    auth_source: str | None = None
    auth_mechanism: str | None = None
    origin: str | None = None
    direction: str | None = None
    originator_domain: str | None = None
    network_message_id: str | None = None
    promoted_by: str | None = None
    filtered_by: str | None = None

    @property
    def is_any(self) -> bool:
        """Whether there is any such field."""
        return self != Exchange()

    @property
    def came_by_connector(self) -> bool | None:
        """Whether an OnPremises connector let it in; None where the fields do not tell."""
        if self.origin is not None:
            return self.origin.lower() == "hybridonprem"
        return True if self.attributed_address is not None else None


def exchange_of(section: Section) -> Exchange:
    """Return what the Exchange fields say."""
    client = _ATTRIBUTED_CLIENT.search(
        section.first("X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp") or ""
    )
    tenant = section.first("X-EOPTenantAttributedMessage") or section.first("X-MS-Exchange-CrossTenant-Id") or ""
    guid = _GUID.search(tenant)
    auth_as_field, auth_as = _found(section, "AuthAs")
    return Exchange(
        tenant_id=guid[0].lower() if guid else None,
        attributed_address=client[2] if client else None,
        attributed_name=client[3] if client else None,
        auth_as=auth_as,
        auth_as_field=auth_as_field,
        auth_source=_first_of(section, "AuthSource"),
        auth_mechanism=_first_of(section, "AuthMechanism"),
        origin=_first_of(section, "FromEntityHeader"),
        direction=_first_of(section, "MessageDirectionality"),
        originator_domain=section.first("X-OriginatorOrg"),
        network_message_id=_first_of(section, "Network-Message-Id")
        or section.first("X-MS-Office365-Filtering-Correlation-Id"),
        promoted_by=section.first("X-CrossPremisesHeadersPromoted"),
        filtered_by=section.first("X-CrossPremisesHeadersFiltered"),
    )


def _first_of(section: Section, end: str) -> str | None:
    return _found(section, end)[1]


def _found(section: Section, end: str) -> tuple[str, str] | tuple[None, None]:
    """The name of the field that says it, and what it says."""
    fields = ((prefix + end, section.first(prefix + end)) for prefix in _PREFIXES)
    return next(((name, value) for name, value in fields if value), (None, None))
