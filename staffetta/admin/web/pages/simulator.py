"""Simulator: the facts of a client typed in, the decision, why, the road it would take, and what would change it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.commands import command_of
from staffetta.admin.web.forms import fields_of, given_by, sent, standing
from staffetta.admin.web.guard import Page
from staffetta.admin.web.page import carry_out, in_context, render, require
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of
from staffetta.mail.sentence import Sentence
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import find

_CMDLET = "Test-Relay"
_FIRST = ("IP", "From", "To")


async def simulator(request: Request) -> Response:
    """Asked by the address too, so that a trace or a refusal leads here with its facts."""
    require(request, _CMDLET)
    operation = find(_CMDLET)
    parameters = operation.parameters
    stood = standing(parameters)
    values, given, errors = dict(stood), dict[str, object](), dict[str, str]()
    answer: Mapping[str, Any] | None = None
    is_sent = request.method == "POST"
    if is_sent:
        values = sent(parameters, await request.form())
    elif any(name in request.query_params for name in _FIRST):
        values = {each.name: request.query_params.get(each.name, "").strip() for each in parameters}
    given = {name: value for name, value in given_by(parameters, values, stood).items() if value}
    if is_sent or all(values[name] for name in _FIRST):
        try:
            (row,) = (await carry_out(request, _CMDLET, given)).rows
            answer = properties(row)
        except (RoleMissing, Unavailable):
            raise
        except OperationError as error:
            errors[error.parameter or ""] = str(error)
    fields = fields_of(parameters, values, errors)
    listeners = tuple(each.name for each in (await in_context(request)).settings.listeners)
    fields = [replace(each, kind="choice", choices=listeners) if each.name == "Listener" else each for each in fields]
    return await render(
        request,
        "simulator.html",
        title=visit_of(request).language("Simulator"),
        status=422 if errors else 200,
        command=command_of(operation, given),
        first=[each for each in fields if each.name in _FIRST],
        others=[each for each in fields if each.name not in _FIRST],
        error=next((text for name, text in errors.items() if name not in values), ""),
        answer=answer,
        changes=_changes(answer) if answer else (),
        unmatched=[_two(each) for each in answer["Connectors"]] if answer else (),
        seen=[_two(each) for each in answer["Seen"]] if answer else (),
    )


def _two(text: str) -> tuple[object, object]:
    """What, and its value, of `what: value`."""
    if isinstance(text, Sentence):
        return text.values["what"], text.values["value"]
    return text.partition(": ")[::2]


def _changes(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each with its command, or with none."""
    return list(zip(answer["Changes"], answer["Commands"], strict=True))


PAGES = (Page("/simulator", simulator, ("GET", "POST")),)
