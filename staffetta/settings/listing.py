"""Every setting with its value, what holds without it, and where it stands: for whoever looks at them from outside.

Rule: no value here is a secret, since settings only say where secrets are (secret_checks.py). Of objects, which have
lists of their own, it is told how many the file has.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from staffetta.settings.documents import default_words, model_of, type_words
from staffetta.settings.file import dotted
from staffetta.settings.model import Settings
from staffetta.settings.places import Lines, place_in
from staffetta.settings.toml import toml_value

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """value: as TOML writes it, "" where there is none. line: of the file, from 1, where it is set there."""

    key: str
    value: str
    default: str
    kind: str
    description: str
    is_set: bool
    line: int | None
    to_write: str


def settings_listed(declared: Settings, lines: Lines, *, counted: Collection[str]) -> Iterator[Setting]:
    """Yield them in the order of the declarations. declared: of the file alone. counted: keys of lists of objects."""
    for key, field in Settings.model_fields.items():
        value = getattr(declared, key)
        model = model_of(field)
        if key in counted or model is None:
            shown = str(len(value)) if key in counted else _toml(value)
            yield _setting((key,), field, shown, declared, lines, f"[[{key}]]" if key in counted else f"{key} = …")
        elif isinstance(value, tuple):
            if not value:
                yield _setting((key,), field, "[]", declared, lines, f"[[{key}]]")
            for index, each in enumerate(value):
                yield from _section((key, index), f"[[{key}]]", type(each), each, lines)
        else:
            yield from _section((key,), f"[{key}]", model, value, lines)


def _section(
    where: Where, heading: str, model: type[BaseModel], section: BaseModel | None, lines: Lines
) -> Iterator[Setting]:
    """section: None where the file has no such table, and nothing holds instead."""
    for key, field in model.model_fields.items():
        value = _toml(getattr(section, key)) if section is not None else ""
        yield _setting((*where, key), field, value, section, lines, f"{heading} {key} = …")


def _setting(
    where: Where, field: FieldInfo, value: str, section: BaseModel | None, lines: Lines, to_write: str
) -> Setting:
    is_set = section is not None and where[-1] in section.model_fields_set
    return Setting(
        key=dotted(where),
        value=value,
        default=default_words(field).strip("`"),
        kind=type_words(field.annotation).replace("`", ""),
        description=field.description or "",
        is_set=is_set,
        line=place_in(lines, where) if is_set else None,
        to_write=to_write,
    )


def _toml(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        value = {key: getattr(value, key) for key in type(value).model_fields if key in value.model_fields_set}
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return value.isoformat() if isinstance(value, date) else toml_value(value)
