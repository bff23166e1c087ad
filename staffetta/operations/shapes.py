"""Inputs and outputs that follow an object of the settings, so that a property is described in one place."""

from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import create_model
from pydantic.fields import FieldInfo

from staffetta.operations.inputs import Input, MultiValued, Output
from staffetta.settings.objects import Section

Fields = Mapping[str, tuple[Any, Any]]
"""By Python name: type, and a Field with its description."""


def input_like(
    section: type[Section],
    name: str,
    *,
    first: Fields | None = None,
    required: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> type[Input]:
    """Return an input with the object's properties: the required ones first, all others optional.

    first: parameters that stand before them.
    """
    own = [*required, *(field for field in section.model_fields if field not in (*required, *without))]
    fields: dict[str, Any] = {**(first or {})}
    fields |= {field: _parameter(section.model_fields[field], is_required=field in required) for field in own}
    made: type[Input] = create_model(name, __base__=Input, __module__=__name__, **fields)
    return made


def output_like(section: type[Section], name: str, order: tuple[str, ...], added: Fields) -> type[Output]:
    """Return an output with these properties in this order: those in `added`, or else the object's own."""
    fields: dict[str, Any] = {
        field: added[field] if field in added else _property(section.model_fields[field]) for field in order
    }
    made: type[Output] = create_model(name, __base__=Output, __module__=__name__, **fields)
    return made


def changes(given: Input, present: Section) -> dict[str, Any]:
    """Return the properties of the object that the caller gave, with lists changed as asked.

    What was given as None goes back to its default.
    """
    found: dict[str, Any] = {}
    for field in given.model_fields_set & set(type(present).model_fields):
        value = getattr(given, field)
        if isinstance(value, MultiValued):
            found[field] = value.applied_to(getattr(present, field))
        else:
            found[field] = type(present).model_fields[field].get_default() if value is None else value
    return found


def row_of(model: type[Output], section: Section, **others: object) -> Output:
    """Return a row of output: the object's properties under their own names, and others, which come first."""
    own = {field: getattr(section, field) for field in type(section).model_fields if field in model.model_fields}
    return model.model_validate(own | others)


def _parameter(info: FieldInfo, *, is_required: bool) -> tuple[Any, FieldInfo]:
    is_list = get_origin(info.annotation) is tuple
    kind: Any = MultiValued if is_list else info.annotation
    if is_required:
        return kind, FieldInfo(description=info.description)
    return kind | None, FieldInfo(description=info.description, default=None)


def _property(info: FieldInfo) -> tuple[Any, FieldInfo]:
    return info.annotation, FieldInfo(description=info.description)
