"""The reference page and the annotated example, from the declarations in model.py."""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from staffetta.settings.model import Settings
from staffetta.settings.toml import toml_value

# What the example writes where there is no default.
_EXAMPLES: dict[str, str] = {
    "hostname": '"relay.example.org"',
    "data_dir": '"/var/lib/staffetta"',
    "name": '"a name"',
    "address": '"127.0.0.1:2525"',
    "route": '"a route"',
    "host": '"192.0.2.1"',
    "next_hops": '[{ host = "192.0.2.1", port = 25 }]',
    "authentication": '{ mechanism = "plain", user_name = "relay@example.org", password = "${SMARTHOST_PASSWORD}" }',
    "token_endpoint": '"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"',
    "client_id": '"00000000-0000-0000-0000-000000000000"',
    "certificates": '"/etc/staffetta/contoso-ca.pem"',
    "user_name": '"scanner@contoso.com"',
    "issuer": '"https://login.microsoftonline.com/TENANT/v2.0"',
    "audience": '["https://relay.example.org"]',
    "keys": '"https://login.microsoftonline.com/TENANT/discovery/v2.0/keys"',
    "tolerates": '["old-tls", "missing-fields"]',
    "until": "2027-06-30",
    "path": '"/var/lib/staffetta/mailboxes"',
}


def reference_page() -> str:
    """Return docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Generated from `staffetta/settings/model.py` by `make docs`. One TOML file; relative paths start at its",
        "folder. `staffetta check --config FILE` says what is wrong, by file, line and key.",
        "A file with every key: `examples/annotated.toml`.",
    ]
    for heading, model in sections():
        lines += ["", f"## {heading}", "", (model.__doc__ or "").strip().split("\n")[0], ""]
        lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for key, field in model.model_fields.items():
            if model is not Settings or model_of(field) is None:
                meaning = (field.description or "").replace("|", "\\|")
                lines.append(f"| `{key}` | {type_words(field.annotation)} | {default_words(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def annotated_example() -> str:
    """Return examples/annotated.toml: every key with its words, commented out with its default."""
    lines = ["# Every setting, with its default where it has one. Generated from the declarations by `make docs`."]
    for heading, model in sections():
        if model is not Settings and not heading.startswith("`{"):
            lines += ["", f"# {(model.__doc__ or '').strip()}", f"# {heading.strip('`')}"]
        for key, field in model.model_fields.items():
            if heading.startswith("`{"):
                continue  # stands in line where it is used
            if model is not Settings or model_of(field) is None:
                lines += ["", f"# {field.description}", f"# {key} = {_example(key, field)}"]
    return "\n".join(lines) + "\n"


def declared_keys() -> Iterator[tuple[str, str]]:
    """Yield every key with its table, such as `queue.expire_seconds`, and what it means."""
    for heading, model in sections():
        if heading.startswith("`{"):
            continue
        table = heading.strip("`[]") if model is not Settings else ""
        for key, field in model.model_fields.items():
            if model is not Settings or model_of(field) is None:
                yield f"{table}.{key}" if table else key, field.description or ""


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield headings and models in the order of the file: keys of the whole file first."""
    yield "The whole file", Settings
    for key, field in Settings.model_fields.items():
        model = model_of(field)
        if model is not None:
            is_list = get_origin(field.annotation) is tuple
            yield (f"`[[{key}]]`" if is_list else f"`[{key}]`"), model
            for inner, inner_field in model.model_fields.items():
                if (inner_model := model_of(inner_field)) is not None:
                    yield f"`{{ … }}` of `{inner}` in `{key}`", inner_model


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the table that a key opens, None for a plain value."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def type_words(annotation: Any) -> str:
    """Say of which kind values are."""
    if get_origin(annotation) is Annotated:
        return type_words(get_args(annotation)[0])
    if get_origin(annotation) in (UnionType, Union):
        return " or ".join(type_words(each) for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {type_words(get_args(annotation)[0])}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{member}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "`{ " + ", ".join(f"{key} = …" for key in annotation.model_fields) + " }`"
    words = {str: "text", Path: "path", int: "number", float: "number", bool: "true or false", date: "date"}
    return words[annotation]


def default_words(field: FieldInfo) -> str:
    """Say what holds where the key is left out."""
    if field.default is PydanticUndefined:
        return "required"
    return "–" if field.default is None or field.default == () else f"`{toml_value(field.default)}`"


def _example(key: str, field: FieldInfo) -> str:
    if field.default is PydanticUndefined or field.default is None or key in ("next_hops", "authentication"):
        return _EXAMPLES.get(key, '"…"')
    return toml_value(field.default)
