"""Read the settings file: TOML to one checked Settings, or an error that says where, what, and what to write."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from staffetta.settings.acme import served_by_acme
from staffetta.settings.advice import warnings
from staffetta.settings.checks import check
from staffetta.settings.found import Found
from staffetta.settings.model import Origin, Settings
from staffetta.settings.places import line_of
from staffetta.settings.references import resolve_references

Location = tuple[str | int, ...]
Table = TypeVar("Table", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. key: such as `listeners[0].address`; empty for the file. line: None where unknown."""

    file: str
    line: int | None
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class SettingsError(Exception):
    """The settings cannot be used. Mend what is named, and try again; `staffetta check` tells when all is well."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(path: Path) -> Settings:
    """Return the settings of a file; relative paths in it are relative to its folder. Raises SettingsError."""
    source = read(path)
    settings = parse(source, str(path), Settings, path.parent)
    if problems := list(_problems(path, source, check(settings))):
        raise SettingsError(problems)
    return served_by_acme(settings).read_from(Origin(path.resolve(), path.stat().st_mtime))


def parse(source: str, name: str, model: type[Table], folder: Path) -> Table:
    """Return what a TOML text declares, each key by itself right. Raises SettingsError.

    name: of the file, for messages. folder: where relative paths start.
    """

    def problem(location: Location, text: str) -> Problem:
        return Problem(name, line_of(source, location), dotted(location), text)

    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([Problem(name, _line_in(error), "", f"this is not TOML: {error}")]) from None
    if unresolved := resolve_references(data, folder):
        raise SettingsError([problem(location, text) for location, text in unresolved])
    try:
        table = model.model_validate(data)
    except ValidationError as error:
        raise SettingsError(
            [problem(each["loc"], _words(each["loc"], each, model)) for each in error.errors()]
        ) from None
    return _anchored(table, folder.resolve())


def advice(path: Path, settings: Settings) -> list[Problem]:
    """Return what is right in the settings of a file, and likely not meant."""
    return list(_problems(path, read(path), warnings(settings)))


def _problems(path: Path, source: str, found: Found) -> Iterator[Problem]:
    for where, text in found:
        yield Problem(str(path), line_of(source, where), dotted(where), text)


def _line_in(error: tomllib.TOMLDecodeError) -> int | None:
    """The line that tomllib names, in words only before Python 3.14; None at the end of the document."""
    match = re.search(r"\(at line (\d+),", str(error))
    return int(match[1]) if match else None


def read(path: Path) -> str:
    """Return the text of a file. Raises SettingsError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError([Problem(str(path), None, "", f"it cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise SettingsError([Problem(str(path), None, "", "it is not UTF-8")]) from None


def dotted(location: Location) -> str:
    """Return a location as it is told, such as `listeners[0].address`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _words(location: Location, error: Any, root: type[BaseModel]) -> str:
    """What is wrong, and what to write instead."""
    given = error["input"]
    match error["type"]:
        case "missing":
            return "it is missing; add it"
        case "extra_forbidden":
            known = _keys_beside(location, root)
            close = difflib.get_close_matches(str(location[-1]), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(sorted(known))}"
            return f"there is no such key; {hint}"
        case "enum":
            return f"{given!r} is not one of {error['ctx']['expected']}"
        case "bool_parsing" | "bool_type":
            return f"{given!r} is neither true nor false (without quotes)"
        case "int_parsing" | "int_type" | "int_from_float" | "float_parsing" | "float_type":
            return f"{given!r} is not a number; write digits without quotes"
        case "less_than_equal":
            return f"{given!r} is too large; write at most {_plain(error['ctx']['le'])}"
        case "greater_than_equal":
            return f"{given!r} is too small; write at least {_plain(error['ctx']['ge'])}"
        case "greater_than":
            return f"{given!r} is too small; write more than {_plain(error['ctx']['gt'])}"
        case "string_type":
            return f"{given!r} is not a text; put it in quotes"
        case "tuple_type":
            return f"{given!r} is not a list; write [...]"
        case "model_type" | "model_attributes_type":
            return f"{given!r} is not a table; write its keys under a heading of their own"
        case _:
            return f"{given!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _keys_beside(location: Location, model: type[BaseModel]) -> list[str]:
    """The keys that may stand where this unknown one does. model: of the whole file."""
    for part in location[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _anchored(table: Table, folder: Path) -> Table:
    """Make every path absolute, relative ones from the folder."""

    def anchored(value: Any) -> Any:
        if isinstance(value, Path):
            return (folder / value).resolve()
        if isinstance(value, tuple):
            return tuple(anchored(each) for each in value)
        return _anchored(value, folder) if isinstance(value, BaseModel) else value

    return table.model_copy(update={name: anchored(getattr(table, name)) for name in table.model_fields_set})
