"""Why a change of the directory is refused, in words that say what to do instead."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.directory.objects import Kind, Stored, name_of
from staffetta.settings.advice import warnings
from staffetta.settings.checks import check
from staffetta.settings.model import Settings
from staffetta.settings.objects import Section, outside_name
from staffetta.settings.places import line_of


class ChangeRefused(Exception):
    """A change cannot be made, and nothing was changed. The text says why, and what to do instead."""


class AlreadyNamed(ChangeRefused):
    """Another one of the kind has this name; upper and lower case are one."""

    def __init__(self, words: str, name: str) -> None:
        super().__init__(f"The {words} {name!r} is there already; take another name.")


class NotThere(ChangeRefused):
    """There is no such thing, perhaps no longer."""

    def __init__(self, words: str, name: str) -> None:
        super().__init__(f"There is no {words} {name!r}.")


class Declared(ChangeRefused):
    """The object stands in the settings file, and is changed there."""

    def __init__(self, stored: Stored, settings: Settings) -> None:
        super().__init__(
            f"The {stored.kind.words} {stored.name!r} stands in {_place(stored, settings)}; "
            "change it there, and reload the relay (SIGHUP)."
        )


class ForeignOrganization(ChangeRefused):
    """It belongs to an organisation that the author may not touch, or to all of them."""

    def __init__(self, words: str, name: str, organization: str | None) -> None:
        whose = f"the organisation {organization!r}, which is not yours" if organization else "all organisations"
        super().__init__(f"The {words} {name!r} belongs to {whose}.")


@dataclass(frozen=True, slots=True)
class ObjectProblem:
    """What is wrong with an object. kind: None where it is a setting of the file. key: by its Python name.

    text: in the names of properties. text_by_keys: in the keys of a file.
    """

    kind: Kind | None
    name: str
    key: str
    text: str
    text_by_keys: str

    def __str__(self) -> str:
        if self.kind is None:
            return f"{self.key}: {self.text}"
        return f"{self.kind.words} {self.name!r}: {outside_name(self.key)}: {self.text}"


class NotConsistent(ChangeRefused):
    """Objects contradict each other, the file, or themselves."""

    def __init__(self, problems: Sequence[ObjectProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def problems_of(settings: Settings) -> list[ObjectProblem]:
    """Return all that the checks find in settings, by object."""
    return [_problem(settings, where, text) for where, text in check(settings)]


def advice_on(settings: Settings, kind: Kind, name: str) -> list[ObjectProblem]:
    """Return what an administrator should hear of an object that is right, and likely not what is meant."""
    found = (_problem(settings, where, text) for where, text in warnings(settings) if where[0] == kind)
    return [problem for problem in found if problem.name.casefold() == name.casefold()]


def _problem(settings: Settings, where: tuple[str | int, ...], text: str) -> ObjectProblem:
    match where:
        case (str() as section, int() as index, *rest) if section in list(Kind):
            kind = Kind(section)
            value: Section = getattr(settings, kind)[index]
            key = str(rest[0]) if rest else "name"
            return ObjectProblem(kind, name_of(value), key, _outside_words(value, text), text)
        case _:
            return ObjectProblem(None, "", ".".join(map(str, where)), text, text)


def _outside_words(value: Section, text: str) -> str:
    """The checks speak of keys; who changes an object knows properties."""
    keys = sorted((key for key in type(value).model_fields if "_" in key), key=len, reverse=True)
    return re.sub(rf"\b({'|'.join(keys)})\b", lambda found: outside_name(found[0]), text) if keys else text


def _place(stored: Stored, settings: Settings) -> str:
    origin = settings.declared.origin
    if origin is None:
        return "the settings file"
    names = [name_of(value).casefold() for value in getattr(settings.declared, stored.kind)]
    try:
        source = origin.path.read_text("utf-8")
        line = line_of(source, (stored.kind, names.index(stored.name.casefold())))
    except (OSError, UnicodeDecodeError, ValueError):
        line = None
    return f"{origin.path}:{line}" if line else str(origin.path)
