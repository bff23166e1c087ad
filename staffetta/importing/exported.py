"""What PowerShell writes of objects: ConvertTo-Json and Export-Csv, as rows of properties."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from staffetta.importing.draft import CannotImport

_TYPE_NAME = re.compile(r"(System|Microsoft|Deserialized)\.[\w.]+(`\d+)?(\[.*\])?")
_TEXTS = ("expression", "value", "name", "domain", "address")  # of an object, the one that says it all
_YES = ("true", "yes", "1", "-1", "$true")


class Row:
    """One object. Names of properties do not differ by case, as in PowerShell."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = {name.lower(): value for name, value in properties.items()}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._properties

    def names(self) -> Iterable[str]:
        """Yield the names, in lower case."""
        return self._properties.keys()

    def value(self, name: str) -> Any:
        """Return a property as it came; None where it is missing or null."""
        return self._properties.get(name.lower())

    def text(self, name: str) -> str:
        """Return a property as text; empty where it is missing. Raises CannotImport where it is only a type's name."""
        return _text(name, self.value(name))

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        value = self.value(name)
        return value if isinstance(value, bool) else _text(name, value).lower() in _YES

    def number(self, name: str) -> int | None:
        """Return a number; None where there is none, or where it is unlimited. Of `36 MB (37,748,736 bytes)` octets."""
        text = self.text(name)
        if octets := re.search(r"\(([\d,. ]+) bytes\)", text):
            return int(re.sub(r"\D", "", octets[1]))
        return int(text) if re.fullmatch(r"\d+", text) else None

    def list(self, name: str) -> list[str]:
        """Return the entries of a list, however it was written: an array, or a text with separators."""
        value = self.value(name)
        if isinstance(value, Mapping) and "value" in {str(key).lower() for key in value}:
            value = next(each for key, each in value.items() if str(key).lower() == "value")
        if isinstance(value, list):
            return [text for each in value if (text := _text(name, each))]
        return [each for part in re.split(r"[;,\r\n|{}]+", _text(name, value)) if (each := part.strip())]


def rows(text: str, what: str) -> list[Row]:
    """Return the objects of an export. what: the cmdlet that writes such, for the error. Raises CannotImport."""
    begin = text.lstrip()[:1]
    if begin in ("[", "{"):
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise CannotImport(f"this is no JSON: {error}; write it by: {what} | ConvertTo-Json -Depth 4") from None
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(each, Mapping) for each in found):
            raise CannotImport(f"these are no objects; write them by: {what} | ConvertTo-Json -Depth 4")
        return [Row(each) for each in found]
    lines = [line for line in text.splitlines() if not line.startswith("#TYPE")]
    if not lines or not re.search(r"[,;\t]", lines[0]):
        raise CannotImport(f"this is neither JSON nor CSV; write it by: {what} | ConvertTo-Json -Depth 4")
    separator = max(",;\t", key=lines[0].count)
    return [Row(each) for each in csv.DictReader(io.StringIO("\n".join(lines)), delimiter=separator)]


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):  # of ranges and sizes, ConvertTo-Json writes the fields, too
        known = {str(key).lower(): each for key, each in value.items()}
        inside = next(
            (known[key] for key in ("expression", "value", "name", "domain", "address") if key in known), None
        )
        if inside is None:
            raise CannotImport(f"{name} came as an object without a text; write it by ConvertTo-Json -Depth 4")
        return _text(name, inside)
    text = str(value).strip()
    if _TYPE_NAME.fullmatch(text):
        how = f"@{{n='{name}';e={{$_.{name} -join ';'}}}}"
        raise CannotImport(
            f"{name} came as the name of a type; use ConvertTo-Json, or Select-Object *,{how} -Exclude {name}"
        )
    return text
