"""What an import has come to so far: settings, what was understood, and what was not.

Rule 1: nobody is let in whom the old server refused; where that cannot be told, the connector is off.
Rule 2: everything that the old settings say ends as understood or as left; nothing is dropped in silence.
Rule 3: a secret of the old settings stands in neither the result nor the report; a reference stands there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from staffetta.settings.checks import check
from staffetta.settings.file import SettingsError, dotted, parse
from staffetta.settings.model import Listener, Settings
from staffetta.settings.objects import (
    AcceptedDomain,
    Account,
    InboundConnector,
    OutboundConnector,
    TrustedAuthority,
)
from staffetta.settings.roads import Route, RouteRule
from staffetta.settings.toml import toml_line, toml_value

NAME_LENGTH_MAX = 64

Object = TypeVar("Object", bound=BaseModel)


class CannotImport(Exception):
    """The old settings cannot be read at all. The text says why, and what to give instead."""


@dataclass(frozen=True, slots=True)
class Understood:
    """what: in the old server's words, such as `mynetworks`. became: what it is here."""

    what: str
    became: str


@dataclass(frozen=True, slots=True)
class Left:
    """what: in the old server's words. why: it could not be carried over. instead: what to do."""

    what: str
    why: str
    instead: str


@dataclass(slots=True)
class Draft:
    """Collects. source: what is imported, for people."""

    source: str
    hostname: str
    data_dir: str = "/var/lib/staffetta"
    default_route: str | None = None
    listeners: list[Listener] = field(default_factory=list)
    accepted_domains: list[AcceptedDomain] = field(default_factory=list)
    inbound_connectors: list[InboundConnector] = field(default_factory=list)
    trusted_authorities: list[TrustedAuthority] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    route_rules: list[RouteRule] = field(default_factory=list)
    outbound_connectors: list[OutboundConnector] = field(default_factory=list)
    queue: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    understood: list[Understood] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def note(self, what: str, became: str) -> None:
        """Say what something became."""
        self.understood.append(Understood(what, became))

    def leave(self, what: str, why: str, instead: str) -> None:
        """Say that something could not be carried over."""
        entry = Left(what, why, instead)
        if entry not in self.left:
            self.left.append(entry)


@dataclass(frozen=True, slots=True)
class Imported:
    """toml: a whole settings file, the report in front as comments."""

    toml: str
    understood: tuple[Understood, ...]
    left: tuple[Left, ...]


def finished(draft: Draft) -> Imported:
    """Return the result. Its settings are valid; what the settings' own check refuses would be a mistake of ours."""
    body = "\n".join(_settings(draft)) + "\n"
    try:
        settings = parse(body, draft.source, Settings, Path("/"))
        problems = [f"{dotted(where)}: {text}" for where, text in check(settings)]
    except SettingsError as error:
        problems = [f"{each.key}: {each.text}" for each in error.problems]
    for problem in problems:
        draft.leave("the settings below", problem, "mend that key before you start the relay")
    report = "\n".join(_report(draft))
    return Imported(f"{report}\n\n{body}", tuple(draft.understood), tuple(draft.left))


def said(model: type[Object], **keys: object) -> Object:
    """Return an object with what is said of it; None says nothing. Nothing else goes into the file."""
    return model.model_validate({key: value for key, value in keys.items() if value is not None})


def unused_name(wanted: str, taken: Iterator[str] | list[str]) -> str:
    """Return a name that nothing has yet, as like the wanted one as can be."""
    names = {name.casefold() for name in taken}
    wanted = _one_line(wanted).strip()[: NAME_LENGTH_MAX - 4] or "imported"
    candidates = (wanted if number == 1 else f"{wanted} {number}" for number in range(1, len(names) + 2))
    return next(each for each in candidates if each.casefold() not in names)


def _report(draft: Draft) -> Iterator[str]:
    yield f"# Imported from {_one_line(draft.source)}. Look through it, then: staffetta check --config THIS-FILE"
    if draft.understood:
        yield "#"
        yield "# What was understood:"
        yield from (_one_line(f"#   {each.what}: {each.became}") for each in draft.understood)
    if draft.left:
        yield "#"
        yield "# What was not carried over, and what to do:"
        for each in draft.left:
            yield _one_line(f"#   {each.what}: {each.why}")
            yield _one_line(f"#     -> {each.instead}")


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _settings(draft: Draft) -> Iterator[str]:
    yield toml_line("hostname", draft.hostname)
    yield toml_line("data_dir", draft.data_dir)
    if draft.default_route is not None:
        yield toml_line("default_route", draft.default_route)
    for name, keys in (("queue", draft.queue), ("limits", draft.limits)):
        if keys:
            yield ""
            yield f"[{name}]"
            yield from (toml_line(key, value) for key, value in keys.items())
    lists: tuple[tuple[str, list[Any]], ...] = (
        ("listeners", draft.listeners),
        ("accepted_domains", draft.accepted_domains),
        ("trusted_authorities", draft.trusted_authorities),
        ("accounts", draft.accounts),
        ("inbound_connectors", draft.inbound_connectors),
        ("routes", draft.routes),
        ("outbound_connectors", draft.outbound_connectors),
        ("route_rules", draft.route_rules),
    )
    for name, entries in lists:
        for entry in entries:
            yield ""
            yield f"[[{name}]]"
            yield from _keys(entry)


def _keys(entry: BaseModel) -> Iterator[str]:
    """What was said of an object, and no defaults."""
    for key in type(entry).model_fields:
        value = getattr(entry, key)
        if key in entry.model_fields_set and value is not None:
            yield f"{key} = {_inline(value)}" if _has_tables(value) else toml_line(key, _plain(value))


def _has_tables(value: Any) -> bool:
    return isinstance(value, BaseModel) or (isinstance(value, tuple) and any(isinstance(v, BaseModel) for v in value))


def _inline(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    keys = [key for key in type(value).model_fields if key in value.model_fields_set]
    return "{ " + ", ".join(f"{key} = {toml_value(_plain(getattr(value, key)))}" for key in keys) + " }"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else str(value) if isinstance(value, Path) else value
