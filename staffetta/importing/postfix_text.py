"""The text of main.cf and master.cf: logical lines, parameters, `$name` with its conditions, services with `-o`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from staffetta.importing.draft import CannotImport

_PARAMETER = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)\s*=\s*(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH_MAX = 20
_COMPARED = re.compile(r"\s*(<=level|>=level|<level|>level|==level|!=level|==|!=|<=|>=|<|>)\s*")
_INSIDE_OPENERS = {"{": "}", "(": ")"}

Lookup = Callable[[str], str]
"""The value of a parameter by its name, already expanded; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Service:
    """A line of master.cf. name: `smtp`, `587`, `127.0.0.1:10025`. kind: `inet`, `unix`, `pass`, …"""

    name: str
    kind: str
    command: str
    options: Mapping[str, str]


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their number, continuations joined; comments and empty lines do not end one."""
    number, gathered = 0, ""
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and gathered:
            gathered += " " + line.strip()
            continue
        if gathered:
            yield number, gathered
        number, gathered = at, line.strip()
    if gathered:
        yield number, gathered


def parameters(text: str) -> dict[str, str]:
    """Return main.cf, or what `postconf -n` prints, by name; the last of a name counts. Raises CannotImport."""
    found: dict[str, str] = {}
    for number, line in logical_lines(text):
        match = _PARAMETER.fullmatch(line)
        if match is None:
            raise CannotImport(f"line {number} is not `name = value`; give main.cf, or the output of postconf -n")
        found[match[1]] = match[2].strip()
    return found


def services(text: str) -> Iterator[Service]:
    """Yield what master.cf says. Raises CannotImport."""
    for number, line in logical_lines(text):
        fields = line.split(None, 7)
        if len(fields) < 8:
            raise CannotImport(f"line {number} of master.cf has {len(fields)} of 8 columns; give the whole file")
        command, *arguments = words(fields[7], " \t")
        yield Service(fields[0], fields[1], command, dict(_options(arguments)))


def _options(arguments: list[str]) -> Iterator[tuple[str, str]]:
    following = iter(arguments)
    for argument in following:
        if argument.startswith("-o"):
            text = argument[2:] or next(following, "")
            inside = text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text
            name, _, value = inside.partition("=")
            yield name.strip(), value.strip()


def words(text: str, separators: str = ", \t\r\n") -> list[str]:
    """Return what separators separate; what stands in braces is one word, braces and all."""
    found, word, depth = [], "", 0
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        if sign in separators and depth <= 0:
            found.append(word)
            word = ""
        else:
            word += sign
    return [each for each in (*found, word) if each]


def expand(text: str, lookup: Lookup, depth: int = 0) -> str:
    """Return a value with `$name`, `${name}`, `${name?yes:no}`, `${{a} == {b} ? {yes} : {no}}` and `$$` filled in.

    Raises CannotImport where parameters go in a circle or a brace is open.
    """
    if depth > _DEPTH_MAX:
        raise CannotImport(f"parameters that name each other in a circle, at {text!r}; mend main.cf first")
    result, at = "", 0
    while (dollar := text.find("$", at)) >= 0:
        result += text[at:dollar]
        following = text[dollar + 1 : dollar + 2]
        if following in _INSIDE_OPENERS and following:
            end = _closing(text, dollar + 1)
            result += _macro(text[dollar + 2 : end], lookup, depth)
            at = end + 1
        elif name := _NAME.match(text, dollar + 1):
            result += lookup(name[0])
            at = name.end()
        else:
            result += "$"
            at = dollar + (2 if following == "$" else 1)
    return result + text[at:]


def _closing(text: str, opening: int) -> int:
    opener, closer, depth = text[opening], _INSIDE_OPENERS[text[opening]], 0
    for at in range(opening, len(text)):
        depth += (text[at] == opener) - (text[at] == closer)
        if depth == 0:
            return at
    raise CannotImport(f"a brace stays open in {text!r}; mend main.cf first")


def _macro(inside: str, lookup: Lookup, depth: int) -> str:
    if inside.lstrip().startswith("{"):
        return _comparison(inside.strip(), lookup, depth)
    match = _NAME.match(inside.strip())
    if match is None:
        return ""
    name, rest = match[0], inside.strip()[match.end() :].strip()
    value = lookup(name)
    if not rest:
        return value
    if rest[0] == ":":
        return value or expand(_unbraced(rest[1:]), lookup, depth + 1)
    yes, no = _alternatives(rest[1:])
    return expand(yes if value else no, lookup, depth + 1)


def _comparison(inside: str, lookup: Lookup, depth: int) -> str:
    """`{a} == {b} ? {yes} : {no}`."""
    end = _closing(inside, 0)
    left, rest = inside[1:end].strip(), inside[end + 1 :]
    operator = _COMPARED.match(rest)
    opening = rest.find("{", operator.end()) if operator else -1
    if operator is None or opening < 0:
        raise CannotImport(f"{inside!r} is no comparison that we know; write the value itself into main.cf")
    end = _closing(rest, opening)
    right, rest = rest[opening + 1 : end].strip(), rest[end + 1 :].strip()
    a, b = (expand(each, lookup, depth + 1) for each in (left, right))
    holds = _compare(a, b, operator[1])
    if rest.startswith(":"):
        return "" if holds else expand(_unbraced(rest[1:]), lookup, depth + 1)
    yes, no = _alternatives(rest.removeprefix("?"))
    return expand(yes if holds else no, lookup, depth + 1)


def _compare(a: str, b: str, operator: str) -> bool:
    by_level = operator.endswith("level")
    operator = operator.removesuffix("level")
    left: tuple[int, ...] | str = a
    right: tuple[int, ...] | str = b
    if by_level or operator not in ("==", "!="):
        left, right = _numbers(a), _numbers(b)
    return {
        "==": left == right,
        "!=": left != right,
        "<": left < right,  # type: ignore[operator]
        ">": left > right,  # type: ignore[operator]
        "<=": left <= right,  # type: ignore[operator]
        ">=": left >= right,  # type: ignore[operator]
    }[operator]


def _numbers(text: str) -> tuple[int, ...]:
    parts = [int(each) for each in re.findall(r"\d+", text)]
    return tuple((*parts, 0, 0, 0)[:3])


def _alternatives(text: str) -> tuple[str, str]:
    """Of `yes`, `{yes}`, `{yes}:{no}` and `{yes} : {no}`."""
    text = text.strip()
    if not text.startswith("{"):
        return text, ""
    end = _closing(text, 0)
    return text[1:end].strip(), _unbraced(text[end + 1 :].strip().removeprefix(":"))


def _unbraced(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text
