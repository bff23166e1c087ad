"""After a connector was made, and whenever it is looked up: its card for the device, and a test with transcript."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import segno
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, may, redirect, render, say
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import OperationError
from staffetta.settings.addresses import networks

_ASKED = ("SenderIPAddress", "From", "To")


async def show(request: Request) -> Response:
    """The card of a connector. With `test`, its test too."""
    _ = visit_of(request).language
    name = request.query_params.get("id", "")
    (row,) = (await carry_out(request, "Get-InboundConnector", {"Identity": name})).rows
    connector = properties(row)
    cards = await carry_out(request, "Get-DeviceCard", {"Identity": name})
    asked = {each: request.query_params.get(each, "").strip() for each in _ASKED}
    trial: Mapping[str, Any] | None = None
    warnings: Sequence[str] = ()
    errors: dict[str, str] = {}
    given = {"Identity": connector["Name"], **{key: value for key, value in asked.items() if value}}
    if "test" in request.query_params:
        try:
            result = await carry_out(request, "Test-InboundConnector", given)
            (trial_row,) = result.rows
            trial, warnings = properties(trial_row), result.warnings
        except OperationError as error:
            errors[error.parameter or ""] = str(error)
    return await render(
        request,
        "connectors/created.html",
        title=connector["Name"],
        status=422 if errors else 200,
        command=command(
            "Test-InboundConnector", {"Identity": connector["Name"], **{k: v for k, v in asked.items() if v}}
        ),
        connector=connector,
        cards=[(card, code_of(card["Text"])) for card in map(properties, cards.rows)],
        warnings=(*cards.warnings, *warnings),
        trial=trial,
        asked={"SenderIPAddress": _first(connector), **{key: value for key, value in asked.items() if value}},
        errors=errors,
        may_test=may(request, "Test-InboundConnector"),
        simulator=_simulator(connector) if connector["TlsSenderCertificateName"] else "",
    )


async def card_of_account(request: Request) -> Response:
    """The card of an account; with a password where one was just made."""
    name = request.query_params.get("id", "")
    cards = await carry_out(request, "Get-DeviceCard", {"Account": name})
    return await render(
        request,
        "connectors/card.html",
        title=name,
        command=command("Get-DeviceCard", {"Account": name}),
        cards=[(card, code_of(card["Text"])) for card in map(properties, cards.rows)],
        warnings=cards.warnings,
        may_make=may(request, "New-SmtpAccountPassword"),
        once=new_once(),
    )


async def new_password(request: Request) -> Response:
    """Make a password for one device more, and show the card with it once."""
    form = await request.form()
    name = str(form.get("id", ""))

    async def work() -> Response:
        result = await carry_out(request, "New-SmtpAccountPassword", {"Identity": name})
        say(request, visit_of(request).language("The password was made. Print the card now."), result)
        return redirect("/accounts/card", id=name)

    return await once(request, form, work)


def code_of(text: str) -> str:
    """Return a QR code as an address of an image. text: as people read it (docs/decisions/099)."""
    return str(
        segno.make(text, error="m", micro=False).svg_data_uri(scale=4, border=2, dark="#000000", light="#ffffff")
    )


def _first(connector: Mapping[str, Any]) -> str:
    """An address that the connector names."""
    for text in connector["SenderIPAddresses"]:
        network = networks(text)[0]
        return str(network[1] if network.num_addresses > 2 else network[0])
    return ""


def _simulator(connector: Mapping[str, Any]) -> str:
    """Where a client with a certificate is tried that is not at hand."""
    names = connector["TlsSenderCertificateName"]
    name = names if isinstance(names, str) else names[0]
    host = name.removeprefix("*.")
    asked = {
        "IP": _first(connector) or "192.0.2.254",
        "From": f"postmaster@{host}",
        "To": "somebody@example.com",
        "CertificateName": f"mail.{host}" if name.startswith("*.") else name,
    }
    return f"/simulator?{urlencode(asked)}"


PAGES = (
    Page("/connectors/created", show),
    Page("/accounts/card", card_of_account),
    Page("/accounts/card", new_password, ("POST",)),
)
