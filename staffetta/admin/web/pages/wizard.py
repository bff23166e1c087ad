"""The wizard of connectors: a need or a pair, then step by step to a review, and one operation at the end.

A connector that is there is changed by the same steps (wizard_edit.py), each of which can be saved.

Rule 1: what was typed is kept whatever button is pressed; a value that stands in the field of a list is taken with it.
Rule 2: a step is left forwards only when the operation finds nothing wrong with its fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from staffetta.admin.problems import status_of
from staffetta.admin.web.commands import command_of
from staffetta.admin.web.drafts import Draft, draft_of, new_draft
from staffetta.admin.web.forms import new_once, once, version_of
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import advice, carry_out, environment_of, foreseen, in_context, may, redirect, render, say
from staffetta.admin.web.pages.wizard_plan import (
    NEEDS,
    PLACES,
    REVIEW,
    ROUTE_PRESETS,
    SCENARIO,
    Step,
    Way,
    call_of,
    certificate_names,
    choose,
    fresh,
    parameters_of,
    steps_of,
    way_of,
)
from staffetta.admin.web.values import as_text, properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import Result, find

START = "/connectors/add"
TEXT_LENGTH_MAX, LINES_MAX = 20_000, 1000
_WANTED = {
    "Name": N_("Write a name, by which people know it."),
    "TlsSenderCertificateName": N_("Write the name in the certificate, such as mail.contoso.com or *.contoso.com."),
    "SenderIPAddresses": N_("Add one address at least, such as 192.0.2.7 or 192.0.2.0/24."),
    "SenderDomains": N_("Write the partner's domain, such as contoso.com, or * for all."),
    "RecipientDomains": N_("Write one domain at least, such as contoso.com, or * for all."),
    "SmartHosts": N_("Add one host at least, such as mail.contoso.com or 192.0.2.7."),
    "Route": N_("Choose the route; one that logs in to Microsoft 365 is written in the settings file first."),
}
_MICROSOFT = (".mail.protection.outlook.com", ".mx.microsoft")
_KINDS = {"Good": "good", "Info": "info", "Warning": "warning", "Error": "bad"}

Errors = Mapping[str, str]


async def begin(request: Request) -> Response:
    """Begin, with what the link fills in: `/connectors/add?Need=printer&SenderIPAddresses=192.0.2.7`."""
    if not may(request, "New-InboundConnector"):
        await carry_out(request, "New-InboundConnector")  # which says what is missing
    asked = {name: value[:TEXT_LENGTH_MAX] for name, value in queried(request).items()}
    draft = new_draft(request, fresh(asked))
    return redirect(address_of(draft, steps_of(draft)[1] if way_of(draft) else SCENARIO))


async def show(request: Request) -> Response:
    """Show a step."""
    draft = draft_of(request)
    if draft is None:
        return _forgotten(request)
    if draft.made:
        return redirect(draft.made)
    step = _step(request, draft)
    if step is None:
        return redirect(address_of(draft, steps_of(draft)[0]))
    return await _page(request, draft, step, {})


async def save(request: Request) -> Response:
    """Keep what was typed, and go where the button says."""
    draft = draft_of(request)
    if draft is None:
        return _forgotten(request)
    if draft.made:
        return redirect(draft.made)
    step = _step(request, draft)
    if step is None:
        return redirect(address_of(draft, steps_of(draft)[0]))
    form = await request.form()
    what, _, which = str(form.get("do", "next")).partition(":")
    typed = _take(draft, step, form, without=which if what == "remove" else None)
    steps = steps_of(draft)
    at = steps.index(step) if step in steps else 0
    if what == "create" and step is REVIEW:
        return await once(request, form, lambda: _write(request, draft))
    if what == "back":
        return redirect(address_of(draft, steps[max(0, at - 1)]))
    if what == "goto":
        return redirect(address_of(draft, next((each for each in steps if each.code == which), step)))
    if what == "remove":
        return redirect(address_of(draft, step))
    used = parameters_of(draft)
    typed_used = {name: value for name, value in typed.items() if name in used}
    errors = await _wrong_values(request, typed_used, _identity(draft))
    if errors:
        for name in errors:  # it stays in its field, to be mended, and not in the list
            draft.values[name] = "\n".join(each for each in draft.lines(name) if each != typed[name])
        return await _page(request, draft, step, errors, typed)
    if what == "add":
        return redirect(address_of(draft, step))
    if errors := await _errors(request, draft, step):
        return await _page(request, draft, step, errors)
    if what == "save" and draft.edited is not None:
        return await once(request, form, lambda: _write(request, draft))
    return redirect(address_of(draft, steps[min(at + 1, len(steps) - 1)]))


async def check(request: Request) -> Response:
    """Say what one value would mean, for the script beside its field: a piece of a page."""
    name, value = request.query_params.get("name", ""), request.query_params.get("value", "").strip()
    identity = request.query_params.get("identity", "")
    found = await _findings(request, name, [value[:500]] if value else [], identity)
    template = environment_of(visit_of(request).language.code).get_template("connectors/check.html")
    return HTMLResponse(template.render(findings=found, value=value[:500], draft=None, errors={}, typed={}))


def _take(draft: Draft, step: Step, form: FormData, without: str | None) -> dict[str, str]:
    """Put what was sent into the draft; return the values that stood in the fields of lists, by field."""
    typed: dict[str, str] = {}
    before = draft.values.get("Need", "")
    for name in step.texts:
        if name in form:
            draft.values[name] = str(form[name]).replace("\r\n", "\n")[:TEXT_LENGTH_MAX].strip()
    for name in step.ticks:
        draft.values[name] = "true" if form.get(name) else ""
    for name in step.lists:
        typed[name] = str(form.get(f"{name}.new", "")).strip()[:500]
        lines = [str(each).strip() for each in (*form.getlist(name), typed[name])][:LINES_MAX]
        draft.values[name] = "\n".join(each for each in lines if each and each != without)
    if step is SCENARIO and draft.values.get("Need", "") != before:
        choose(draft)
    return typed


async def _wrong_values(request: Request, typed: Mapping[str, str], identity: str) -> Errors:
    """What is wrong with the values that were just typed into lists."""
    errors: dict[str, str] = {}
    for name, value in typed.items():
        found = await _findings(request, name, [value] if value else [], identity)
        wrong = [text for kind, text in found.get(value, ()) if kind == "bad"]
        if wrong:
            errors[name] = wrong[0]
    return errors


async def _errors(request: Request, draft: Draft, step: Step) -> Errors:
    """What keeps this step from being left: of its own fields, or, of the last one, whatever it is."""
    _ = visit_of(request).language
    if step is SCENARIO:
        return {} if way_of(draft) else {"To": _(_NO_WAY)}
    given = parameters_of(draft)
    for name in step.fields:
        is_as_it_stood = draft.edited is not None and draft.edited.stood.get(name) == given.get(name)
        if name in _WANTED and name in given and not given[name] and not is_as_it_stood:
            return {name: _(_WANTED[name])}
    error = await _refusal(request, draft)
    if error is None or (error.parameter not in step.fields and step is not REVIEW):
        return {}
    return {error.parameter or "": str(error)}


_NO_WAY = N_(
    "From there to there no connector is needed, or none is made here. Choose this relay as one of the two, and "
    "somebody else as the other."
)


async def _refusal(request: Request, draft: Draft) -> OperationError | None:
    """Why the operation would not do it; None where it would."""
    cmdlet, given = call_of(draft)
    try:
        await carry_out(request, cmdlet, given, only_ask=True)
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        return error
    return None


async def _write(request: Request, draft: Draft) -> Response:
    """Make the connector, or change it, and lead to where it is shown."""
    _ = visit_of(request).language
    name, (cmdlet, given) = draft.values.get("Name", ""), call_of(draft)
    try:
        if draft.edited is not None and await version_now(request, draft) != draft.edited.version:
            return await _page(request, draft, steps_of(draft)[0], {"": _(_CHANGED_MEANWHILE)}, status=409)
        result = await carry_out(request, cmdlet, given)
    except RoleMissing:
        raise
    except OperationError as error:
        step = next((each for each in steps_of(draft) if error.parameter in each.fields), REVIEW)
        status = status_of(error) if isinstance(error, Unavailable) else 422
        return await _page(request, draft, step, {error.parameter or "": str(error)}, status=status)
    is_new, is_out = draft.edited is None, way_of(draft) is Way.OUT
    say(request, _("The connector was created.") if is_new else _("It was saved."), Result((), result.warnings))
    if is_new and not is_out:
        response = redirect("/connectors/created", id=name)
    else:
        response = redirect("/outbound-connectors" if is_out else "/connectors", show=name)
    draft.made = response.headers["location"]
    return response


_CHANGED_MEANWHILE = N_(
    "Somebody else changed it meanwhile. Nothing of yours was written: cancel, and edit it as it is."
)


async def version_now(request: Request, draft: Draft) -> str:
    """Return which version of the connector there is. Raises NotFound."""
    cmdlet, given = call_of(draft)
    (row,) = (await carry_out(request, cmdlet.replace("Set-", "Get-"), {"Identity": given["Identity"]})).rows
    return version_of_row(properties(row))


def version_of_row(row: Mapping[str, Any]) -> str:
    """Return what tells one version of a connector from the next."""
    return version_of({name: as_text(value) for name, value in row.items()})


def _identity(draft: Draft) -> str:
    return "" if draft.edited is None else draft.edited.identity


async def _page(
    request: Request,
    draft: Draft,
    step: Step,
    errors: Errors,
    typed: Mapping[str, str] | None = None,
    status: int = 0,
) -> Response:
    language = visit_of(request).language
    steps = steps_of(draft)
    number = steps.index(step) if step in steps else 0
    cmdlet, given = call_of(draft)
    shown: dict[str, Any] = {}
    if step is REVIEW:
        shown = await _review(request, draft)
    elif step is not SCENARIO:
        shown = {"findings": await _all_findings(request, draft, step), "domains": await _domains(request)}
        context = await in_context(request)
        shown["authorities"] = ["public", "own", *(each.name for each in context.settings.trusted_authorities)]
        shown["presets"] = ROUTE_PRESETS
        shown["routes"] = [each.name for each in context.settings.routes]
    return await render(
        request,
        f"connectors/{step.code}.html",
        title=language("Add a connector") if draft.edited is None else f"{language('Edit')}: {draft.edited.identity}",
        status=status or (422 if errors else 200),
        command=command_of(find(cmdlet), given) if step is not SCENARIO else None,
        draft=draft,
        here=address_of(draft, step),
        list_path="/outbound-connectors" if way_of(draft) is Way.OUT else "/connectors",
        steps=steps,
        step=step,
        number=number,
        errors=errors,
        error=next((text for name, text in errors.items() if name not in step.fields), ""),
        typed=dict(typed or {}),
        needs=NEEDS,
        places=PLACES,
        places_by=dict(PLACES),
        way=way_of(draft),
        once=new_once(),
        **shown,
    )


async def _review(request: Request, draft: Draft) -> dict[str, Any]:
    """Every consequence in words, as the operation tells it; or what is wrong."""
    told = Result((), ())
    trouble = ""
    cmdlet, given = call_of(draft)
    try:
        told = await carry_out(request, cmdlet, given, only_ask=True)
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        trouble = str(error)
    findings: dict[str, Sequence[tuple[str, str]]] = {}
    for step in steps_of(draft):
        findings |= await _all_findings(request, draft, step)
    return {
        "consequences": foreseen(told),
        "advice": advice(told),
        "trouble": trouble,
        "given": parameters_of(draft),
        "commands": await _commands(request, draft),
        "findings": findings,
        "editable": {name: each.code for each in steps_of(draft) for name in each.fields},
    }


async def _commands(request: Request, draft: Draft) -> Sequence[Mapping[str, Any]]:
    """What to run in Exchange, for a connector towards it."""
    hosts = draft.lines("SmartHosts") if way_of(draft) is Way.OUT else []
    if not any(host.partition(":")[0].lower().endswith(_MICROSOFT) for host in hosts):
        return []
    return [properties(row) for row in (await carry_out(request, "Get-ExchangeConnectorCommand")).rows]


async def _all_findings(request: Request, draft: Draft, step: Step) -> dict[str, Sequence[tuple[str, str]]]:
    names = [each for each in ("SenderIPAddresses", "TlsSenderCertificateName") if each in step.fields]
    given = parameters_of(draft)
    found: dict[str, Sequence[tuple[str, str]]] = {}
    for name in names:
        if given.get(name):
            values = certificate_names(draft) if name == "TlsSenderCertificateName" else draft.lines(name)
            found |= await _findings(request, name, values, _identity(draft))
    return found


async def _findings(
    request: Request, name: str, values: Sequence[str], identity: str
) -> dict[str, Sequence[tuple[str, str]]]:
    """Return for each value what it would mean: kind (as of a badge) and words. identity: of the connector changed."""
    if name not in ("SenderIPAddresses", "TlsSenderCertificateName") or not values:
        return {}
    asked = {name: list(values), **({"Identity": identity} if identity else {})}
    result = await carry_out(request, "Test-SenderIdentification", asked)
    found: dict[str, Sequence[tuple[str, str]]] = {}
    for row in map(properties, result.rows):
        found[row["Value"]] = (*found.get(row["Value"], ()), (_KINDS[row["Level"]], row["Finding"]))
    return found


async def _domains(request: Request) -> Sequence[str]:
    result = await carry_out(request, "Get-AcceptedDomain")
    return [str(properties(row)["Name"]) for row in result.rows]


def _step(request: Request, draft: Draft) -> Step | None:
    return next((each for each in steps_of(draft) if each.code == request.path_params["step"]), None)


def address_of(draft: Draft, step: Step) -> str:
    """Return where a step is."""
    return f"{START}/{draft.key}/{step.code}"


def _forgotten(request: Request) -> Response:
    say(request, visit_of(request).language(_FORGOTTEN), is_error=True)
    return redirect(START)


_FORGOTTEN = N_("What you had typed is no longer kept: you signed in anew, or the relay was started again. Begin here.")

PAGES = (
    Page(START, begin),
    Page("/connectors/check", check),
    Page(f"{START}/{{draft}}/{{step}}", show),
    Page(f"{START}/{{draft}}/{{step}}", save, ("POST",)),
)
