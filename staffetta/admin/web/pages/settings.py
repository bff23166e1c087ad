"""Settings: what can be changed here, and every setting of the file with its meaning, its value and its line."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.generic import Listing, listed
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, may, render
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import caller_of, queried, visit_of

_COLUMNS = ("Identity", "Value", "Default", "Line")
_PLACES = {
    "Set-TransportConfig": "/settings/do/Set-TransportConfig",
    "Set-OrganizationConfig": "/organizations",
    "New-Organization": "/organizations",
    "New-AcceptedDomain": "/accepted-domains",
    "New-InboundConnector": "/connectors",
    "New-SmtpAccount": "/accounts",
    "New-OutboundConnector": "/outbound-connectors",
    "New-RouteRule": "/route-rules",
}
"""Where the same is changed in the console."""


async def settings(request: Request) -> Response:
    """The file's settings are for who administers the whole relay; the rest is for all who may look."""
    _ = visit_of(request).language
    (live,) = [properties(row) for row in (await carry_out(request, "Get-TransportConfig")).rows]
    wanted, is_changed = request.query_params.get("q", "").strip(), bool(request.query_params.get("changed"))
    asked = {**({"Like": wanted} if wanted else {}), **({"Changed": True} if is_changed else {})}
    rows: Sequence[Mapping[str, Any]] = ()
    is_whole = caller_of(request).organization is None
    if is_whole:
        rows = [properties(row) for row in (await carry_out(request, "Get-Setting", asked)).rows]
    shown = [{**row, "_key": row["Identity"]} for row in rows]
    open_row = next((row for row in shown if row["_key"] == request.query_params.get("show")), None)
    return await render(
        request,
        "settings.html",
        title=_("Settings"),
        command=command("Get-Setting", asked) if is_whole else command("Get-TransportConfig"),
        live=live,
        may_change=may(request, "Set-TransportConfig"),
        is_whole=is_whole,
        listing=_listing(shown, queried(request)),
        tabs=[("/settings", _("All"), not is_changed), ("/settings?changed=1", _("Set in the file"), is_changed)],
        open_row=open_row,
        place=_PLACES.get(open_row["Cmdlet"]) if open_row else None,
    )


def _listing(rows: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> Listing:
    """The operation has searched already; its words are not the list's, which would look at other properties."""
    found = listed(rows, _COLUMNS, {name: value for name, value in query.items() if name != "q"})
    return Listing(found.columns, found.rows, found.total, found.number, found.pages, {**found.query, **_words(query)})


def _words(query: Mapping[str, str]) -> Mapping[str, str]:
    return {"q": query["q"]} if "q" in query else {}


PAGES = (Page("/settings", settings),)
