"""Mail flow › Connectors: who may send in, how much it is used, what was changed of it, and switching it."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.generic import IDENTITIES_MAX, listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import carry_out, command, may, redirect, render, say
from staffetta.admin.web.pages.wizard_plan import OWN, PARTNER, PLACES
from staffetta.admin.web.values import kind_of, properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError

LIST = "/connectors"
_COLUMNS = ("Status", "Name", "From", "To", "LastUsedTime", "MessageCount")
_HISTORY_MAX = 20
_WHAT_IF = "What if: "
_SECTIONS = (
    (N_("Name and status"), ("Name", "Enabled", "Blocked", "Comment", "Organization")),
    (
        N_("How email is identified"),
        (
            *("TlsSenderCertificateName", "TrustedAuthority", "TlsSenderCertificateFingerprints"),
            *("SenderIPAddresses", "SenderAccounts", "SenderDomains"),
        ),
    ),
    (
        N_("Limits and senders"),
        (
            *("AssociatedAcceptedDomains", "RequireTls", "RestrictDomainsToIPAddresses"),
            *("RestrictDomainsToCertificate", "AllowAuthenticationWithoutTls", "CloudServicesMailEnabled"),
            *("TreatMessagesAsInternal", "SenderRewriting", "RewrittenSender", "AllowedSenders", "NeverTwice"),
        ),
    ),
)

Row = Mapping[str, Any]


async def show(request: Request) -> Response:
    """The list, and the details of the one that the address names."""
    language = visit_of(request).language
    connectors = [properties(row) for row in (await carry_out(request, "Get-InboundConnector")).rows]
    usage = await _usage(request)
    places = {code: language(label) for code, label in PLACES}
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


async def switch(request: Request) -> Response:
    """Turn connectors on or off, after it was shown what that does."""
    _ = visit_of(request).language
    form = await request.form() if request.method == "POST" else None
    source = form if form is not None else request.query_params
    ids = [str(each) for each in source.getlist("id")[:IDENTITIES_MAX]]
    to = str(source.get("to", ""))
    if not ids or to not in ("on", "off"):
        say(request, _("Choose something in the list first."), is_error=True)
        return redirect(LIST)
    if form is not None:
        return await once(request, form, lambda: _switch(request, ids, is_on=to == "on"))
    told = []
    for each in ids:
        parameters = {"Identity": each, "Enabled": to == "on"}
        result = await carry_out(request, "Set-InboundConnector", parameters, only_ask=True)
        told.append((each, [line.removeprefix(_WHAT_IF) for line in result.warnings[1:]]))
    return await render(
        request,
        "connectors/switch.html",
        title=_("Turn on") if to == "on" else _("Turn off"),
        command=command("Set-InboundConnector", {"Identity": ids[0], "Enabled": to == "on"}),
        told=told,
        to=to,
        once=new_once(),
    )


async def _switch(request: Request, ids: Sequence[str], *, is_on: bool) -> Response:
    _ = visit_of(request).language
    for each in ids:
        try:
            result = await carry_out(request, "Set-InboundConnector", {"Identity": each, "Enabled": is_on})
        except OperationError as error:
            say(request, f"{each}: {error}", is_error=True)
        else:
            say(request, f"{each}: {_('It is on.') if is_on else _('It is off.')}", result)
    return redirect(LIST, show=ids[0] if len(ids) == 1 else None)


def _row(connector: Row, usage: Row, places: Mapping[str, str]) -> dict[str, Any]:
    status = "blocked" if connector["Blocked"] else "on" if connector["Enabled"] else "off"
    return {
        "Status": status,
        "Name": connector["Name"],
        "From": places[OWN if connector["ConnectorType"] == "OnPremises" else PARTNER],
        "To": places["relay"],
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
            names[0],
            {name: connector[name] for name in names if name in connector and _is_told(name, connector[name])},
        )
        for label, names in _SECTIONS
    ]
    shown = {name for _, names in _SECTIONS for name in names}
    rest = {name: value for name, value in connector.items() if name not in shown and kind_of(value) != "nothing"}
    return {
        "sections": sections,
        "rest": rest,
        "usage": usage.get(connector["Name"], {}),
        "history": await _history(request, connector),
        "open_command": command("Get-InboundConnector", {"Identity": connector["Name"]}),
    }


def _is_told(name: str, value: object) -> bool:
    """What says nothing is left out, but for what stands in Exchange's own list."""
    always = ("Name", "Enabled", "Comment", "SenderIPAddresses", "TlsSenderCertificateName", "RequireTls")
    return name in always or value not in (None, "", (), False, "public", "keep")


async def _history(request: Request, connector: Row) -> Sequence[Row]:
    """What was changed, the newest first: when, who, and each property before and after."""
    if not may(request, "Search-AdminAuditLog"):
        return []
    asked = {"ObjectIds": connector["Name"], "ResultSize": _HISTORY_MAX}
    result = await carry_out(request, "Search-AdminAuditLog", asked)
    return [
        {**row, "Differences": _differences(row["Before"] or {}, row["After"] or {})}
        for row in map(properties, result.rows)
        if "InboundConnector" in row["CmdletName"]
    ]


def _differences(before: Row, after: Row) -> Sequence[tuple[str, object, object]]:
    if not before or not after:
        return []
    return [
        (name, before.get(name), after.get(name)) for name in {**before, **after} if before.get(name) != after.get(name)
    ]


PAGES = (
    Page(LIST, show),
    Page(f"{LIST}/switch", switch, ("GET", "POST")),
)
