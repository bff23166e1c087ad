"""Lookup tables of Postfix, as the text that they are made from: `hash:`, `lmdb:`, `cidr:`, `inline:`, `static:`, …

A table whose file is not where main.cf says is looked for beside main.cf, under its own name: people copy a folder.
"""

from dataclasses import dataclass, field
from pathlib import Path

from staffetta.importing.draft import Draft
from staffetta.importing.postfix_text import logical_lines, words

_MADE_FROM_TEXT = ("hash", "texthash", "btree", "lmdb", "cdb", "dbm", "sdbm", "cidr")
_PATTERNS = ("regexp", "pcre")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a table."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Tables:
    """Reads them. folder: where main.cf is. instead: files that stand for tables, by parameter."""

    folder: Path
    draft: Draft
    instead: dict[str, Path] = field(default_factory=dict)

    def of(self, parameter: str, specification: list[str]) -> list[Entry]:
        """Return the lines of all tables that a parameter names; one that cannot be read is left, and said."""
        if parameter in self.instead:
            return self._lines(parameter, self.instead[parameter])
        return [entry for each in specification for entry in self.table(parameter, each)]

    def table(self, parameter: str, specification: str) -> list[Entry]:
        """Return the lines of `type:place`."""
        kind, colon, place = specification.removeprefix("proxy:").removeprefix("maybe:").partition(":")
        if not colon:
            self.draft.leave(parameter, f"{specification} is no table", "write it as type:/path, as Postfix does")
        elif kind in _MADE_FROM_TEXT:
            return self._lines(parameter, self.found(place))
        elif kind == "inline":
            return [Entry(*_pair(each)) for each in words(_inside(place), ", \t\r\n")]
        elif kind == "static":
            return [Entry("*", _inside(place))]
        elif kind in _PATTERNS:
            why = "its keys are patterns, and ours are names of domains"
            self.draft.leave(f"{parameter}, {specification}", why, "write a rule for each domain that it means")
        else:
            why = f"a table of type {kind} is asked over the network or made by a program"
            instead = "write its answers to a text file, and name that as texthash:/path"
            self.draft.leave(f"{parameter}, {specification}", why, instead)
        return []

    def found(self, place: str) -> Path:
        """Return where a file is: there, or beside main.cf."""
        path = Path(place)
        beside = self.folder / path.name
        return beside if beside.exists() and (not path.exists() or not path.is_absolute()) else path

    def text(self, parameter: str, path: Path) -> str:
        """Return what a file says; one that cannot be read is left, and said."""
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            instead = "put the file beside main.cf, and import again"
            self.draft.leave(parameter, f"{path} cannot be read: {why}", instead)
            return ""

    def _lines(self, parameter: str, path: Path) -> list[Entry]:
        entries = []
        for _, line in logical_lines(self.text(parameter, path)):
            key, *value = line.split(None, 1)
            entries.append(Entry(key, value[0].strip() if value else ""))
        return entries


def _inside(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text


def _pair(text: str) -> tuple[str, str]:
    key, _, value = _inside(text).partition("=")
    return key.strip(), value.strip()
