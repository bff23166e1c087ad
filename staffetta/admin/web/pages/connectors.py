"""Mail flow › Connectors: who may send in, how much it is used, and what was changed of it."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.generic import listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import carry_out, command, may, render
from staffetta.admin.web.pages.history import history_of
from staffetta.admin.web.pages.switching import switch_page
from staffetta.admin.web.pages.wizard_plan import OWN, PARTNER, RELAY
from staffetta.admin.web.values import kind_of, properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError

LIST = "/connectors"
_COLUMNS = ("Status", "Name", "From", "To", "LastUsedTime", "MessageCount")
_PLACES = {
    OWN: N_("Your organization"),
    PARTNER: N_("Partner organization"),
    RELAY: N_("This relay"),
}
_SECTIONS = (
    (N_("Name and status"), "name", ("Name", "Enabled", "Blocked", "Comment", "Organization")),
    (
        N_("How email is identified"),
        "identify",
        (
            *("TlsSenderCertificateName", "TrustedAuthority", "TlsSenderCertificateFingerprints"),
            *("SenderIPAddresses", "SenderAccounts", "SenderDomains"),
        ),
    ),
    (
        N_("Limits and senders"),
        "rules",
        (
            *("AssociatedAcceptedDomains", "RequireTls", "RestrictDomainsToIPAddresses"),
            *("RestrictDomainsToCertificate", "AllowAuthenticationWithoutTls", "CloudServicesMailEnabled"),
            *("TreatMessagesAsInternal", "SenderRewriting", "RewrittenSender", "AllowedSenders"),
            *("MessagesPerMinute", "Tolerance", "NeverTwice"),
        ),
    ),
)

Row = Mapping[str, Any]


async def show(request: Request) -> Response:
    """The list, and the details of the one that the address names."""
    language = visit_of(request).language
    connectors = [properties(row) for row in (await carry_out(request, "Get-InboundConnector")).rows]
    usage = await _usage(request)
    places = {code: language(label) for code, label in _PLACES.items()}
    rows = [_row(each, usage.get(each["Name"], {}), places) for each in connectors]
    asked = queried(request)
    if asked.get("status") in ("on", "off"):
        rows = [each for each in rows if each["_is_on"] == (asked["status"] == "on")]
    opened = next(
        (each for each in connectors if request.query_params.get("show") in (each["Name"], each["Guid"])), None
    )
    return await render(
        request,
        "connectors/list.html",
        title=language("Connectors"),
        command=command("Get-InboundConnector"),
        listing=listed(rows, _COLUMNS, asked),
        is_any=bool(connectors),
        may_change=may(request, "Set-InboundConnector"),
        may_test=may(request, "Test-InboundConnector"),
        opened=opened,
        **(await _details(request, opened, usage) if opened else {}),
    )


def _row(connector: Row, usage: Row, places: Mapping[str, str]) -> dict[str, Any]:
    status = "blocked" if connector["Blocked"] else "on" if connector["Enabled"] else "off"
    return {
        "Status": status,
        "Name": connector["Name"],
        "From": places[OWN if connector["ConnectorType"] == "OnPremises" else PARTNER],
        "To": places[RELAY],
        "LastUsedTime": usage.get("LastUsedTime"),
        "MessageCount": usage.get("MessageCount", 0),
        "_key": connector["Name"],
        "_is_on": connector["Enabled"],
        "_searched": [connector["SenderIPAddresses"], connector["TlsSenderCertificateName"], connector["Comment"]],
    }


async def _usage(request: Request) -> Mapping[str, Row]:
    if not may(request, "Get-InboundConnectorUsage"):
        return {}
    try:
        result = await carry_out(request, "Get-InboundConnectorUsage")
    except OperationError:  # the list is worth showing without it
        return {}
    return {row["Identity"]: row for row in map(properties, result.rows)}


async def _details(request: Request, connector: Row, usage: Mapping[str, Row]) -> dict[str, Any]:
    sections = [
        (
            label,
            step,
            {name: connector[name] for name in names if name in connector and _is_told(name, connector[name])},
        )
        for label, step, names in _SECTIONS
    ]
    shown = {name for _, _, names in _SECTIONS for name in names}
    rest = {name: value for name, value in connector.items() if name not in shown and kind_of(value) != "nothing"}
    return {
        "sections": sections,
        "rest": rest,
        "usage": usage.get(connector["Name"], {}),
        "history": await history_of(request, "InboundConnector", connector["Name"]),
        "open_command": command("Get-InboundConnector", {"Identity": connector["Name"]}),
    }


def _is_told(name: str, value: object) -> bool:
    """What says nothing is left out, but for what stands in Exchange's own list."""
    always = ("Name", "Enabled", "Comment", "SenderIPAddresses", "TlsSenderCertificateName", "RequireTls")
    return name in always or value not in (None, "", (), False, "public", "keep")


PAGES = (Page(LIST, show), switch_page(LIST, "Set-InboundConnector"))
