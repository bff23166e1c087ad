"""The wizard of connectors: a need or a pair, then step by step to a review, and one operation at the end.

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
from staffetta.admin.web.forms import new_once, once
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import carry_out, environment_of, in_context, may, redirect, render, say
from staffetta.admin.web.pages.wizard_plan import (
    NEEDS,
    PLACES,
    REVIEW,
    SCENARIO,
    Step,
    Way,
    choose,
    cmdlet_of,
    fresh,
    parameters_of,
    steps_of,
    way_of,
)
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import Result, find

START = "/connectors/add"
_TEXT_LENGTH_MAX, _LINES_MAX = 20_000, 1000
_WHAT_IF = "What if: "
_WANTED = {
    "Name": N_("Write a name, by which people know it."),
    "TlsSenderCertificateName": N_("Write the name in the certificate, such as mail.contoso.com or *.contoso.com."),
    "SenderIPAddresses": N_("Add one address at least, such as 192.0.2.7 or 192.0.2.0/24."),
    "SenderDomains": N_("Write the partner's domain, such as contoso.com, or * for all."),
    "RecipientDomains": N_("Write one domain at least, such as contoso.com, or * for all."),
    "SmartHosts": N_("Add one host at least, such as mail.contoso.com or 192.0.2.7."),
}
_MICROSOFT = (".mail.protection.outlook.com", ".mx.microsoft")
_KINDS = {"Good": "good", "Info": "info", "Warning": "warning", "Error": "bad"}

Errors = Mapping[str, str]


async def begin(request: Request) -> Response:
    """Begin, with what the link fills in: `/connectors/add?Need=printer&SenderIPAddresses=192.0.2.7`."""
    if not may(request, "New-InboundConnector"):
        await carry_out(request, "New-InboundConnector")  # which says what is missing
    asked = {name: value[:_TEXT_LENGTH_MAX] for name, value in queried(request).items()}
    draft = new_draft(request, fresh(asked))
    return redirect(_at(draft, steps_of(draft)[1] if way_of(draft) else SCENARIO))


async def show(request: Request) -> Response:
    """Show a step."""
    draft = draft_of(request)
    if draft is None:
        return _forgotten(request)
    if draft.made:
        return redirect(draft.made)
    step = _step(request, draft)
    if step is None:
        return redirect(_at(draft, SCENARIO))
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
        return redirect(_at(draft, SCENARIO))
    form = await request.form()
    what, _, which = str(form.get("do", "next")).partition(":")
    typed = _take(draft, step, form, without=which if what == "remove" else None)
    steps = steps_of(draft)
    at = steps.index(step) if step in steps else 0
    if what == "create" and step is REVIEW:
        return await once(request, form, lambda: _create(request, draft))
    if what == "back":
        return redirect(_at(draft, steps[max(0, at - 1)]))
    if what == "goto":
        return redirect(_at(draft, next((each for each in steps if each.code == which), step)))
    if what == "remove":
        return redirect(_at(draft, step))
    used = parameters_of(draft)
    errors = await _wrong_values(request, {name: value for name, value in typed.items() if name in used})
    if errors:
        for name in errors:  # it stays in its field, to be mended, and not in the list
            draft.values[name] = "\n".join(each for each in draft.lines(name) if each != typed[name])
        return await _page(request, draft, step, errors, typed)
    if what == "add":
        return redirect(_at(draft, step))
    if errors := await _errors(request, draft, step):
        return await _page(request, draft, step, errors)
    return redirect(_at(draft, steps[min(at + 1, len(steps) - 1)]))


async def check(request: Request) -> Response:
    """Say what one value would mean, for the script beside its field: a piece of a page."""
    name, value = request.query_params.get("name", ""), request.query_params.get("value", "").strip()
    found = await _findings(request, name, [value[:500]] if value else [])
    template = environment_of(visit_of(request).language.code).get_template("connectors/check.html")
    return HTMLResponse(template.render(findings=found, value=value, draft=None, errors={}, typed={}))


def _take(draft: Draft, step: Step, form: FormData, without: str | None) -> dict[str, str]:
    """Put what was sent into the draft; return the values that stood in the fields of lists, by field."""
    typed: dict[str, str] = {}
    before = draft.values.get("Need", "")
    for name in step.texts:
        if name in form:
            draft.values[name] = str(form[name]).replace("\r\n", "\n")[:_TEXT_LENGTH_MAX].strip()
    for name in step.ticks:
        draft.values[name] = "true" if form.get(name) else ""
    for name in step.lists:
        typed[name] = str(form.get(f"{name}.new", "")).strip()[:500]
        lines = [str(each).strip() for each in (*form.getlist(name), typed[name])][:_LINES_MAX]
        draft.values[name] = "\n".join(each for each in lines if each and each != without)
    if step is SCENARIO and draft.values.get("Need", "") != before:
        choose(draft)
    return typed


async def _wrong_values(request: Request, typed: Mapping[str, str]) -> Errors:
    """What is wrong with the values that were just typed into lists."""
    errors: dict[str, str] = {}
    for name, value in typed.items():
        found = await _findings(request, name, [value] if value else [])
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
        if name in _WANTED and name in given and not given[name]:
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
    try:
        await carry_out(request, cmdlet_of(draft), parameters_of(draft), only_ask=True)
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        return error
    return None


async def _create(request: Request, draft: Draft) -> Response:
    name = draft.values.get("Name", "")
    try:
        result = await carry_out(request, cmdlet_of(draft), parameters_of(draft))
    except RoleMissing:
        raise
    except OperationError as error:
        step = next((each for each in steps_of(draft) if error.parameter in each.fields), REVIEW)
        status = status_of(error) if isinstance(error, Unavailable) else 422
        return await _page(request, draft, step, {error.parameter or "": str(error)}, status=status)
    say(request, visit_of(request).language("The connector was created."), Result((), result.warnings))
    is_out = way_of(draft) is Way.OUT
    response = redirect("/outbound-connectors" if is_out else "/connectors/created", **{_KEY[is_out]: name})
    draft.made = response.headers["location"]
    return response


_KEY = {True: "show", False: "id"}


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
    shown: dict[str, Any] = {}
    if step is REVIEW:
        shown = await _review(request, draft)
    elif step is not SCENARIO:
        shown = {"findings": await _all_findings(request, draft, step), "domains": await _domains(request)}
        context = await in_context(request)
        shown["authorities"] = ["public", "own", *(each.name for each in context.settings.trusted_authorities)]
    return await render(
        request,
        f"connectors/{step.code}.html",
        title=language("Add a connector"),
        status=status or (422 if errors else 200),
        command=command_of(find(cmdlet_of(draft)), parameters_of(draft)) if step is not SCENARIO else None,
        draft=draft,
        here=_at(draft, step),
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
    told: Sequence[str] = ()
    trouble = ""
    try:
        told = (await carry_out(request, cmdlet_of(draft), parameters_of(draft), only_ask=True)).warnings
    except (RoleMissing, Unavailable):
        raise
    except OperationError as error:
        trouble = str(error)
    words = [each.removeprefix(_WHAT_IF) for each in told[1:] if each.startswith(_WHAT_IF)]
    findings: dict[str, Sequence[tuple[str, str]]] = {}
    for step in steps_of(draft):
        findings |= await _all_findings(request, draft, step)
    return {
        "consequences": words,
        "advice": [each for each in told[1:] if not each.startswith(_WHAT_IF)],
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
            found |= await _findings(request, name, draft.lines(name))
    return found


async def _findings(request: Request, name: str, values: Sequence[str]) -> dict[str, Sequence[tuple[str, str]]]:
    """Return for each value what it would mean: kind (as of a badge) and words."""
    if name not in ("SenderIPAddresses", "TlsSenderCertificateName") or not values:
        return {}
    result = await carry_out(request, "Test-SenderIdentification", {name: list(values)})
    found: dict[str, Sequence[tuple[str, str]]] = {}
    for row in map(properties, result.rows):
        found[row["Value"]] = (*found.get(row["Value"], ()), (_KINDS[row["Level"]], row["Finding"]))
    return found


async def _domains(request: Request) -> Sequence[str]:
    result = await carry_out(request, "Get-AcceptedDomain")
    return [str(properties(row)["Name"]) for row in result.rows]


def _step(request: Request, draft: Draft) -> Step | None:
    return next((each for each in steps_of(draft) if each.code == request.path_params["step"]), None)


def _at(draft: Draft, step: Step) -> str:
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
