"""Configuration as code: what the console can change, as a file of the settings' own form; compared, and applied.

Rule 1: a list that a file has is made exactly so; a list that it leaves out stays as it is.
Rule 2: applying is one transaction: an error applies nothing, and what is so already is not written again.
Rule 3: secrets are exported only when asked for; an account whose secrets the file leaves out keeps those it has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffetta.directory.database import is_there
from staffetta.directory.objects import outside
from staffetta.directory.problems import Declared
from staffetta.directory.sealing import KeyRing
from staffetta.directory.second_factors import trouble_of_key
from staffetta.directory.store import Author, Changing, Directory, Kind, NotConsistent, Stored, name_of
from staffetta.operations.access import told
from staffetta.operations.registry import Context
from staffetta.settings.file import Problem, SettingsError, dotted, parse
from staffetta.settings.model import Settings
from staffetta.settings.objects import (
    AcceptedDomain,
    Account,
    InboundConnector,
    Organization,
    OutboundConnector,
    Section,
    TrustedAuthority,
    outside_name,
)
from staffetta.settings.places import line_of
from staffetta.settings.references import SECRETS
from staffetta.settings.roads import RouteRule
from staffetta.settings.toml import toml_line, toml_value


class Configuration(Section):
    """A file of objects. None: the file has no such list. Keys and tables are those of the settings file."""

    organizations: tuple[Organization, ...] | None = None
    trusted_authorities: tuple[TrustedAuthority, ...] | None = None
    accepted_domains: tuple[AcceptedDomain, ...] | None = None
    accounts: tuple[Account, ...] | None = None
    inbound_connectors: tuple[InboundConnector, ...] | None = None
    outbound_connectors: tuple[OutboundConnector, ...] | None = None
    route_rules: tuple[RouteRule, ...] | None = None


KINDS = tuple(Kind(name) for name in Configuration.model_fields)
"""In the order of a file: what is named stands before what names it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying changes. change: "add", "change" or "remove"; the rest is empty where a whole object is meant."""

    change: str
    kind: str
    name: str
    property: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration as text. name: for messages. folder: where its relative paths start."""

    text: str
    name: str
    folder: Path


def export(context: Context, *, with_secrets: bool = False) -> str:
    """Return the directory's objects as TOML, the oldest first. Raises OperationError."""
    with told():
        everything = {kind: context.directory.objects(kind, context.settings) for kind in KINDS}
    ours = {kind: [each.value for each in objects if not each.is_declared] for kind, objects in everything.items()}
    lines = ["# What the directory of this relay holds, for: staffetta config diff|apply FILE"]
    lines += [f"{kind} = []" for kind, values in ours.items() if not values]
    for kind, values in ours.items():
        for value in values:
            lines += ["", f"[[{kind}]]", *_lines(kind, value, with_secrets=with_secrets)]
    return "\n".join(lines) + "\n"


def difference(context: Context, source: Source) -> Sequence[Difference]:
    """Return what applying would change, all of it checked. Raises SettingsError, OperationError."""
    return _made_so(context, source, only_try=True)


def apply(context: Context, source: Source) -> Sequence[Difference]:
    """Make the directory as the source says, all or nothing. Raises SettingsError, OperationError."""
    return _made_so(context, source, only_try=False)


def check_directory(settings: Settings) -> None:
    """Check the directory beside a settings file, where there is one. Raises SettingsError, Unavailable."""
    with told():
        if not is_there(settings.data_dir):
            return
        directory = Directory.open(settings.data_dir)
        try:
            directory.merged(settings)
        except NotConsistent as error:
            raise contradiction(settings, error) from error
        finally:
            directory.close()


def key_trouble(settings: Settings) -> str | None:
    """Return why sealed secrets of the directory cannot be opened; None where all can. Raises Unavailable."""
    with told():
        if not is_there(settings.data_dir):
            return None
        directory = Directory.open(settings.data_dir)
        try:
            return trouble_of_key(directory, KeyRing.of(settings))
        finally:
            directory.close()


def contradiction(settings: Settings, error: NotConsistent) -> SettingsError:
    """Return what an operator is told of a file that contradicts the directory beside it."""
    file = str(settings.origin.path) if settings.origin else "the settings"
    text = f"it contradicts the directory in {settings.data_dir}; change one of them:\n{error}"
    return SettingsError([Problem(file, None, "", text)])


def _lines(kind: Kind, value: Section, *, with_secrets: bool) -> Iterator[str]:
    """What is not as by default, in the order of the declarations."""
    for key, given in value.model_dump(exclude_defaults=True).items():
        if key == SECRETS.get(kind) and not with_secrets:
            yield f"# {key}: {len(given)} kept by the relay; left out, they stay"
        else:
            yield toml_line(key, given)


def _made_so(context: Context, source: Source, *, only_try: bool) -> Sequence[Difference]:
    wanted = parse(source.text, source.name, Configuration, source.folder)
    if twice := list(_twice(wanted, source)):
        raise SettingsError(twice)
    caller = context.caller
    author = Author(caller.name, caller.source, "config apply", caller.address, caller.organization)
    found: list[Difference] = []
    with told():
        try:
            with context.directory.change(context.settings, author, only_try=only_try) as changing:
                for kind in KINDS:
                    if (values := getattr(wanted, kind)) is not None:
                        found += _make(changing, kind, values, context.settings)
        except NotConsistent as error:
            raise SettingsError(_placed(error, wanted, source)) from error
    return found


def _make(changing: Changing, kind: Kind, values: Sequence[Section], settings: Settings) -> Iterator[Difference]:
    """Make a list so. Raises Declared for what stands in the settings file, and is not as wanted."""
    there = {stored.name.casefold(): stored for stored in changing.objects(kind)}
    names = {name_of(value).casefold() for value in values}
    for name, stored in there.items():
        if name not in names and not stored.is_declared:
            changing.remove(stored)
            yield Difference("remove", kind.words, stored.name)
    for value in values:
        stored_ = there.get(name_of(value).casefold())
        if stored_ is None:
            changing.put(kind, value)
            yield Difference("add", kind.words, name_of(value))
            continue
        kept = _with_secrets_of(kind, value, stored_)
        if kept == stored_.value:
            continue
        if stored_.is_declared:
            raise Declared(stored_, settings)
        changing.put(kind, kept, guid=stored_.guid)
        yield from _properties(kind, stored_.value, kept)


def _with_secrets_of(kind: Kind, value: Section, stored: Stored) -> Section:
    key = SECRETS.get(kind)
    if key is None or key in value.model_fields_set:
        return value
    return value.model_copy(update={key: getattr(stored.value, key)})


def _properties(kind: Kind, before: Section, after: Section) -> Iterator[Difference]:
    shown_before, shown_after = outside(before), outside(after)
    for key in type(after).model_fields:
        if getattr(before, key) == getattr(after, key):
            continue
        name = outside_name(key)
        old, new = _shown(shown_before[name]), _shown(shown_after[name])
        if key == SECRETS.get(kind):
            new += " others" if old == new else ""
        yield Difference("change", kind.words, name_of(after), name, old, new)


def _shown(value: Any) -> str:
    return "" if value is None else toml_value(value)


def _twice(wanted: Configuration, source: Source) -> Iterator[Problem]:
    for kind in KINDS:
        seen: set[str] = set()
        for index, value in enumerate(getattr(wanted, kind) or ()):
            key = "user_name" if kind is Kind.ACCOUNT else "name"
            if (name := name_of(value)).casefold() in seen:
                yield _problem(source, (kind.value, index, key), f"{name!r} is there twice; names must differ")
            seen.add(name.casefold())


def _placed(error: NotConsistent, wanted: Configuration, source: Source) -> list[Problem]:
    """The problems by line, where the object stands in the source."""
    problems = []
    for each in error.problems:
        values = (getattr(wanted, each.kind) or ()) if each.kind else ()
        index = next((at for at, value in enumerate(values) if name_of(value).casefold() == each.name.casefold()), None)
        if each.kind is None or index is None:
            problems.append(Problem(source.name, None, "", str(each)))
        else:
            problems.append(_problem(source, (each.kind.value, index, each.key), each.text_by_keys))
    return problems


def _problem(source: Source, location: tuple[str | int, ...], text: str) -> Problem:
    return Problem(source.name, line_of(source.text, location), dotted(location), text)
