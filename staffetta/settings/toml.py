"""Values as TOML writes them."""

import json
from typing import Any

_LINE_MAX = 100


def toml_value(value: Any) -> str:
    """Return a text, path, number, switch, or list of them, on one line."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    # DEL is the one sign that JSON writes as it is and TOML refuses.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_line(key: str, value: Any) -> str:
    """Return `key = value`; a long list has a line for each entry, so that versions compare well."""
    line = f"{key} = {toml_value(value)}"
    if len(line) <= _LINE_MAX or not isinstance(value, tuple | list):
        return line
    return "\n".join([f"{key} = [", *(f"    {toml_value(each)}," for each in value), "]"])
