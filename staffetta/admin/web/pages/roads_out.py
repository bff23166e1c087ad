"""Domains and roads out, beside their lists: DNS records expected and found, validation, order of rules, commands."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, command, may, redirect, render, say
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable

_ORDER = "/route-rules/order"
_KINDS = {"AsExpected": "good", "Other": "warning", "Missing": "bad", "Failed": "bad"}


async def dns(request: Request) -> Response:
    """What a domain's zone should say, beside what it says now."""
    name = request.query_params.get("id", "")
    (domain,) = (await carry_out(request, "Get-AcceptedDomain", {"Identity": name})).rows
    rows = (await carry_out(request, "Test-AcceptedDomain", {"Identity": name})).rows
    return await render(
        request,
        "roads/dns.html",
        title=properties(domain)["Name"],
        command=command("Test-AcceptedDomain", {"Identity": name}),
        domain=properties(domain),
        rows=[{**properties(row), "_kind": _KINDS[properties(row)["Status"]]} for row in rows],
    )


async def exchange(request: Request) -> Response:
    """What to run in Exchange Online."""
    rows = (await carry_out(request, "Get-ExchangeConnectorCommand")).rows
    return await render(
        request,
        "roads/exchange.html",
        title=visit_of(request).language("Commands for Exchange"),
        command=command("Get-ExchangeConnectorCommand"),
        rows=[properties(row) for row in rows],
    )


async def validate(request: Request) -> Response:
    """Try a connector, and show all that was said."""
    _ = visit_of(request).language
    form = await request.form() if request.method == "POST" else None
    source = form if form is not None else request.query_params
    name = str(source.get("id", ""))
    (row,) = (await carry_out(request, "Get-OutboundConnector", {"Identity": name})).rows
    recipients = str(source.get("Recipients", "")).strip()
    sends = form is None or bool(form.get("sends"))
    given: dict[str, object] = {"Identity": name, "Recipients": recipients.split()}
    if not sends:
        given["SkipTestMail"] = True
    tasks: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    errors: dict[str, str] = {}
    if form is not None:
        try:
            result = await carry_out(request, "Validate-OutboundConnector", given)
            tasks, warnings = [properties(each) for each in result.rows], result.warnings
        except (RoleMissing, Unavailable):
            raise
        except OperationError as error:
            errors["Recipients"] = str(error)
    return await render(
        request,
        "roads/validate.html",
        title=f"{_('Validate')}: {properties(row)['Name']}",
        status=422 if errors else 200,
        command=command("Validate-OutboundConnector", given) if recipients else None,
        name=name,
        recipients=recipients,
        sends=sends,
        tasks=tasks,
        warnings=warnings,
        errors=errors,
    )


async def order(request: Request) -> Response:
    """The rules in their order, moved by buttons, or by the mouse where there are scripts."""
    _ = visit_of(request).language
    if request.method == "POST":
        form = await request.form()
        return await once(request, form, lambda: _move(request, [str(each) for each in form.getlist("id")], form))
    rules = [properties(row) for row in (await carry_out(request, "Get-RouteRule")).rows]
    return await render(
        request,
        "roads/order.html",
        title=_("Order of route rules"),
        command=command("Set-RouteRuleOrder", {"Names": [rule["Name"] for rule in rules]}) if rules else None,
        rules=rules,
        may_change=may(request, "Set-RouteRuleOrder"),
        once=new_once(),
    )


async def _move(request: Request, names: list[str], form: Mapping[str, Any]) -> Response:
    """Write the order that was sent, after what a button moves in it."""
    _ = visit_of(request).language
    for button, by in (("up", -1), ("down", 1)):
        name = str(form.get(button, ""))
        if name in names:
            at = names.index(name)
            to = min(max(at + by, 0), len(names) - 1)
            names.insert(to, names.pop(at))
    try:
        await carry_out(request, "Set-RouteRuleOrder", {"Names": names})
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        say(request, str(error), is_error=True)
    else:
        say(request, _("The order was written."))
    return redirect(_ORDER)


PAGES = (
    Page("/accepted-domains/dns", dns),
    Page("/outbound-connectors/exchange", exchange),
    Page("/outbound-connectors/do/Validate-OutboundConnector", validate, ("GET", "POST")),
    Page(_ORDER, order, ("GET", "POST")),
)
