"""Outbound connectors: for whom each is used, by which road its mail goes, whether it was validated."""

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
from staffetta.admin.web.values import kind_of, properties
from staffetta.admin.web.visit import queried, visit_of

_LIST = "/outbound-connectors"
_COLUMNS = ("Status", "Name", "RecipientDomains", "SmartHosts", "TlsSettings", "IsValidated")
_SECTIONS = (
    (N_("Name and status"), "name", ("Name", "Enabled", "TestMode", "Comment", "ConnectorType", "Organization")),
    (
        N_("Use of connector"),
        "use",
        ("RecipientDomains", "AllAcceptedDomains", "IsTransportRuleScoped", "RouteAllMessagesViaOnPremises"),
    ),
    (
        N_("Routing and security"),
        "routing",
        ("UseMXRecord", "SmartHosts", "Route", "TlsSettings", "TlsDomain", "MtaStsMode", "SmtpDaneMode"),
    ),
    (N_("Validation"), "", ("IsValidated", "LastValidationTimestamp", "ValidationRecipients")),
)
_ALWAYS = ("Name", "Enabled", "RecipientDomains", "UseMXRecord", "TlsSettings", "IsValidated")
_TLS = {
    None: N_("TLS if offered"),
    "EncryptionOnly": N_("Always TLS"),
    "CertificateValidation": N_("TLS, trusted certificate"),
    "DomainValidation": N_("TLS, certificate with this name"),
}

Row = Mapping[str, Any]


async def show(request: Request) -> Response:
    """The list, and the details of the one that the address names."""
    language = visit_of(request).language
    result = await carry_out(request, "Get-OutboundConnector", {"IncludeTestModeConnectors": True})
    connectors = [properties(row) for row in result.rows]
    asked = queried(request)
    opened = next((each for each in connectors if asked.get("show") in (each["Name"], each["Guid"])), None)
    details: dict[str, Any] = {}
    if opened is not None:
        details = {
            "sections": _sections(opened),
            "rest": _rest(opened),
            "history": await history_of(request, "OutboundConnector", opened["Name"]),
            "open_command": command("Get-OutboundConnector", {"Identity": opened["Name"]}),
        }
    return await render(
        request,
        "roads/outbound.html",
        title=language("Outbound connectors"),
        command=command("Get-OutboundConnector"),
        listing=listed([_row(each, language) for each in connectors], _COLUMNS, asked),
        is_any=bool(connectors),
        may_change=may(request, "Set-OutboundConnector"),
        may_validate=may(request, "Validate-OutboundConnector"),
        opened=opened,
        **details,
    )


def _row(connector: Row, language: Any) -> dict[str, Any]:
    """What the list shows; by these words it is sorted and filtered."""
    used = connector["RecipientDomains"]
    if connector["IsTransportRuleScoped"]:
        used = language("Where a rule says so")
    elif connector["AllAcceptedDomains"]:
        used = language("All accepted domains")
    by = language("Mail exchangers") if connector["UseMXRecord"] else connector["SmartHosts"]
    if connector["Route"]:
        by = f"{language('Route')}: {connector['Route']}"
    is_on = connector["Enabled"] and not connector["TestMode"]
    tls = connector["TlsSettings"]
    return {
        "Status": "on" if is_on else "test" if connector["Enabled"] else "off",
        "Name": connector["Name"],
        "RecipientDomains": used,
        "SmartHosts": by,
        "TlsSettings": language(_TLS[tls and str(tls.value)]) if not connector["Route"] else None,
        "IsValidated": connector["IsValidated"],
        "_key": connector["Name"],
        "_searched": [connector["Comment"], connector["Guid"]],
    }


def _sections(connector: Row) -> list[tuple[str, str, dict[str, Any]]]:
    """What says nothing is left out, but for what stands in Exchange's own list."""
    return [
        (
            label,
            step,
            {
                name: connector[name]
                for name in names
                if name in _ALWAYS or (kind_of(connector[name]) != "nothing" and connector[name] is not False)
            },
        )
        for label, step, names in _SECTIONS
    ]


def _rest(connector: Row) -> dict[str, Any]:
    shown = {name for _, _, names in _SECTIONS for name in names}
    return {name: value for name, value in connector.items() if name not in shown and kind_of(value) != "nothing"}


PAGES = (
    Page(_LIST, show),
    switch_page(
        _LIST,
        "Set-OutboundConnector",
        on=N_("Mail that it is for takes it, from the next message on."),
        off=N_("No mail takes it until it is turned on."),
    ),
)
