"""Forms made of an operation's parameters, and parameters read back from what was sent.

Rule 1: what was left as it stood is not sent on, so that a default stays a default and a change names what changes.
Rule 2: a form that makes something carries a token of its own; sent twice, it is carried out once.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.commands import is_secret
from staffetta.admin.web.page import redirect
from staffetta.admin.web.values import as_text, words
from staffetta.admin.web.visit import visit_of
from staffetta.operations.registry import Operation, Parameter, ParameterKind

LONG = ("Headers", "Certificate", "Body")
"""Parameters that take a text of many lines, which is pasted."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. kind: as in ParameterKind, or `secret` or `long`. value: as it stands there. error: beside it."""

    name: str
    label: str
    kind: str
    help: str
    value: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()
    error: str = ""


def fields_of(
    parameters: Iterable[Parameter], values: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> Sequence[Field]:
    """Return the fields of these parameters. values, errors: by outside name."""
    return [
        Field(
            name=each.name,
            label=words(each.name),
            kind=_kind(each),
            help=each.description,
            value="" if is_secret(each) else values.get(each.name, ""),
            is_required=each.is_required,
            choices=each.choices,
            error=(errors or {}).get(each.name, ""),
        )
        for each in parameters
    ]


def standing(parameters: Iterable[Parameter], row: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return what a fresh form has in its fields: the row's properties, or else the defaults."""
    if row is not None:
        return {each.name: as_text(row.get(each.name)) for each in parameters}
    return {each.name: as_text(each.default) for each in parameters if not isinstance(each.default, tuple)}


def sent(parameters: Iterable[Parameter], form: FormData) -> dict[str, str]:
    """Return what was sent, with line ends as they are kept; a switch that is not sent is off."""
    values: dict[str, str] = {}
    for each in parameters:
        found = form.get(each.name)
        text = found.replace("\r\n", "\n") if isinstance(found, str) else ""
        if each.kind is ParameterKind.SWITCH:
            text = "true" if text else "false"
        values[each.name] = text if each.name in LONG else text.strip()
    return values


def given_by(parameters: Iterable[Parameter], values: Mapping[str, str], stood: Mapping[str, str]) -> dict[str, object]:
    """Return the parameters that were changed from how they stood, by outside name; what is required is always there.

    A text or list that was emptied is None.
    """
    given: dict[str, object] = {}
    for each in parameters:
        value, before = values[each.name], stood.get(each.name, "")
        is_off = each.kind is ParameterKind.SWITCH and value != "true"
        if is_off or (value.split() == before.split() and not (each.is_required and value)):
            continue
        if each.kind is ParameterKind.TEXTS:
            lines = [line.strip() for line in value.split("\n") if line.strip()]
            given[each.name] = lines or None
        else:
            given[each.name] = value or None
    return given


def version_of(values: Mapping[str, str]) -> str:
    """Return what tells one state of an object from another."""
    whole = "\0".join(f"{name}\0{value}" for name, value in sorted(values.items()))
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def new_once() -> str:
    """Make the token of a form that is carried out once."""
    return secrets.token_urlsafe(16)


async def once(request: Request, form: FormData, work: Callable[[], Awaitable[Response]]) -> Response:
    """Carry out a form, or lead to where the same one led; one that failed may come again."""
    visit = visit_of(request)
    token = str(form.get("once", ""))
    if not token:
        return await work()
    memory, key = visit.console.memory, f"{visit.key} {token}"
    while (earlier := memory.answers.get(key)) is not None:
        if (location := await asyncio.shield(earlier)) is not None:
            return redirect(location)
    place = memory.note(key)
    location = None
    try:
        response = await work()
        location = response.headers.get("location")
        return response
    finally:
        if location is None:
            memory.answers.pop(key, None)
        place.set_result(location)


def subject_of(operation: Operation) -> Parameter | None:
    """Return the parameter that names the one object that an operation is about; None where it names none."""
    for each in operation.parameters:
        if each.field == "identity" or (operation.verb != "New" and each.position == 0 and each.name.endswith("Id")):
            return each
    return None


def _kind(parameter: Parameter) -> str:
    if parameter.name in LONG:
        return "long"
    return "secret" if is_secret(parameter) else parameter.kind.value
