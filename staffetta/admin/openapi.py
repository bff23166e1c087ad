"""The REST interface described in OpenAPI 3.1, from the registry."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from staffetta import __version__
from staffetta.admin.paths import FIRST_ADMINISTRATOR, INVOKE_COMMAND, Place, places
from staffetta.admin.problems import MEDIA_TYPE
from staffetta.operations.binding import Parameter
from staffetta.operations.registry import operations

Schema = dict[str, Any]

_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong, and what to do about it.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "parameter": {"type": "string", "description": "The parameter at fault."},
    },
    "required": ["type", "title", "status", "detail"],
}
_ANSWERS = {
    "400": "A parameter is wrong, or what is asked for contradicts what is there.",
    "401": "There is no token, or none that we know.",
    "403": "The caller has not the role that this needs.",
    "404": "There is no such object.",
    "409": "The name is taken.",
    "413": "The body is too large.",
    "503": "Not now; the same may work later.",
}
_WHAT_IF: Schema = {
    "name": "WhatIf",
    "in": "query",
    "description": "Change nothing, and say what would be done.",
    "schema": {"type": "boolean", "default": False},
}


@cache
def document() -> Schema:
    """Return the document."""
    ways = places(operations())
    schemas = _schemas(ways)
    paths: dict[str, Schema] = {}
    for way in ways:
        paths.setdefault(way.path, {})[way.method.lower()] = _operation(way, schemas)
    paths[FIRST_ADMINISTRATOR] = {"post": _first_administrator()}
    paths[INVOKE_COMMAND] = {"post": _invoke_command()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Staffetta", "version": __version__, "description": "Every operation of an administrator."},
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas, "Problem": _PROBLEM},
        },
    }


def _first_administrator() -> Schema:
    text = {"type": "string", "minLength": 1}
    return {
        "operationId": "FirstAdministrator",
        "tags": ["Administrator"],
        "summary": "Make the first administrator with the one-time code that the relay printed.",
        "security": [],
        "requestBody": _json_body(
            {
                "type": "object",
                "properties": {"Code": text, "Name": text, "Password": {"type": ["string", "null"], "minLength": 12}},
                "required": ["Code", "Name"],
                "additionalProperties": False,
            }
        ),
        "responses": {
            "201": _done({"type": "object", "required": ["value", "warnings"]}),
            **{code: _refusal(_ANSWERS[code]) for code in ("400", "404", "409", "413", "503")},
        },
    }


def _invoke_command() -> Schema:
    command = {
        "type": "object",
        "properties": {"CmdletName": {"type": "string"}, "Parameters": {"type": "object"}},
        "required": ["CmdletName"],
    }
    failure = {"type": "object", "required": ["error"]}
    return {
        "operationId": "InvokeCommand",
        "tags": ["InvokeCommand"],
        "summary": "Any operation, in the shape that Exchange's own module speaks.",
        "parameters": [
            {
                "name": "tenant",
                "in": "path",
                "required": True,
                "description": "Name or GUID of an organisation.",
                "schema": {"type": "string", "minLength": 1},
            }
        ],
        "requestBody": _json_body(
            {"type": "object", "properties": {"CmdletInput": command}, "required": ["CmdletInput"]}
        ),
        "responses": {
            "200": _done({"type": "object", "required": ["@odata.context", "@adminapi.warnings", "value"]}),
            **{
                code: {
                    "description": _ANSWERS[code],
                    "content": {
                        "application/json": {"schema": failure},
                        MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
                    },
                }
                for code in ("400", "403", "404", "503")
            },
            **{code: _refusal(_ANSWERS[code]) for code in ("401", "413")},
        },
    }


def _json_body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _done(schema: Schema) -> Schema:
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _schemas(ways: Sequence[Place]) -> Schema:
    """Schemas of all inputs and outputs, and of the enumerations in them, by name."""
    models: dict[str, type[BaseModel]] = {}
    for way in ways:
        models[way.operation.input.__name__] = way.operation.input
        if way.operation.output:
            models[way.operation.output.__name__] = way.operation.output
    _, found = models_json_schema(
        [(model, "serialization" if model.__name__.endswith("Row") else "validation") for model in models.values()],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    schemas: Schema = found["$defs"]
    return schemas


def _operation(way: Place, schemas: Schema) -> Schema:
    operation = way.operation
    described: Schema = {
        "operationId": operation.name + ("" if way.identity or not way.is_list else "List"),
        "tags": [operation.noun],
        "summary": operation.summary,
        "description": f"Roles: {', '.join(sorted(operation.roles))}.",
        "parameters": [
            *([_identity(way.identity)] if way.identity else []),
            *(_query(each, schemas[operation.input.__name__]["properties"][each.name]) for each in way.in_query),
            *([_WHAT_IF] if operation.is_change else []),
        ],
        "responses": {
            str(way.status): _done(_success(way)),
            **{code: _refusal(text) for code, text in _ANSWERS.items()},
        },
    }
    if way.in_body:
        described["requestBody"] = {
            "required": any(each.is_required for each in way.in_body),
            "content": {"application/json": {"schema": _body(way, schemas)}},
        }
    return described


def _identity(parameter: Parameter) -> Schema:
    return {
        "name": "identity",
        "in": "path",
        "required": True,
        "description": parameter.description,
        "schema": {"type": "string", "minLength": 1},
    }


def _query(parameter: Parameter, schema: Schema) -> Schema:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": {key: value for key, value in schema.items() if key not in ("title", "description")},
    }


def _body(way: Place, schemas: Schema) -> Schema:
    """The input without what stands in the path."""
    name = way.operation.input.__name__
    if way.identity is None:
        return {"$ref": f"#/components/schemas/{name}"}
    whole = schemas[name]
    return {
        "type": "object",
        "properties": {each.name: whole["properties"][each.name] for each in way.in_body},
        "required": [each.name for each in way.in_body if each.is_required],
        "additionalProperties": False,
    }


def _success(way: Place) -> Schema:
    output = way.operation.output
    row: Schema = {"$ref": f"#/components/schemas/{output.__name__}"} if output else {"type": "object"}
    value = {"type": "array", "items": row} if way.is_list else {"anyOf": [row, {"type": "null"}]}
    return {
        "type": "object",
        "properties": {"value": value, "warnings": {"type": "array", "items": {"type": "string"}}},
        "required": ["value", "warnings"],
    }


def _refusal(description: str) -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
