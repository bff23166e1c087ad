"""`POST /adminapi/beta/{tenant}/InvokeCommand`: operations in the shape that Exchange's own module speaks.

Rule 1: tenant is the name or GUID of an organisation. What is asked for is narrowed to it; the default one is what
everything belongs to that names none, and narrows nothing.
Rule 2: the shapes are those that are on record: values with their types beside them, errors as `|type|text`.
Rule 3: what is more than a page goes on by `@odata.nextLink`, to which the same command is sent again.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from staffetta.admin.office import Office, Unreadable, carry_out, json_object, who_calls
from staffetta.admin.paging import Pages, Row, page_rows
from staffetta.admin.paths import INVOKE_COMMAND
from staffetta.admin.problems import HEADERS, status_of
from staffetta.admin.rest import guarded
from staffetta.operations.binding import take_what_if
from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.organizations import organization_named
from staffetta.operations.registry import Output, Result, check_role, find
from staffetta.operations.roles import Caller
from staffetta.settings.objects import DEFAULT_ORGANIZATION

_NAMESPACES = {
    "ManagementObjectNotFoundException": "Microsoft.Exchange.Configuration.Tasks",
    "ADObjectAlreadyExistsException": "Microsoft.Exchange.Data.Directory",
    "ParameterBindingException": "System.Management.Automation",
    "ParameterTransformationException": "System.Management.Automation",
}
# What every cmdlet of PowerShell takes, and what means nothing here.
_COMMON = {
    *("confirm", "verbose", "debug", "erroraction", "warningaction", "informationaction", "errorvariable"),
    *("warningvariable", "informationvariable", "outvariable", "outbuffer", "pipelinevariable"),
}


def routes(office: Office) -> list[Route]:
    """Return the one route."""

    pages = Pages()

    async def answer(request: Request) -> Response:
        caller = await who_calls(office, request)
        name, parameters = _command(await json_object(request))
        tenant = request.path_params["tenant"]
        base = f"{request.base_url}adminapi/beta/{quote(tenant, safe='')}"
        try:
            caller = await anyio.to_thread.run_sync(_narrowed, office, caller, tenant)
            owner = (caller.name, caller.roles, caller.organization, name.lower(), repr(sorted(parameters.items())))
            if token := request.query_params.get("$skiptoken"):
                check_role(find(name), caller)
                return _success(base, *await anyio.to_thread.run_sync(pages.next, owner, token))
            only_ask = take_what_if(parameters)
            result = await carry_out(office, caller, find(name), parameters, only_ask=only_ask)
        except OperationError as error:
            return _failure(error)
        size = page_rows(request.headers.get("prefer", ""))
        return _success(base, *await anyio.to_thread.run_sync(_first_page, pages, owner, result, size), result.warnings)

    return [Route(INVOKE_COMMAND, guarded(answer), methods=["POST"])]


def _command(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the cmdlet's name and its parameters. Raises Unreadable."""
    command = body.get("CmdletInput")
    if not isinstance(command, dict) or not isinstance(command.get("CmdletName"), str):
        raise Unreadable('Write {"CmdletInput": {"CmdletName": "…", "Parameters": {…}}}.')
    parameters = command.get("Parameters", {})
    if not isinstance(parameters, dict):
        raise Unreadable("Parameters must be an object; it may be empty.")
    return command["CmdletName"], {
        name: value
        for name, value in parameters.items()
        if name.lower() not in _COMMON and not name.endswith("@odata.type")
    }


def _narrowed(office: Office, caller: Caller, tenant: str) -> Caller:
    """Return the caller as one who sees this organisation alone. Raises NotFound."""
    organization = organization_named(office.context(caller), tenant)
    return caller if organization == DEFAULT_ORGANIZATION else replace(caller, organization=organization)


def _first_page(pages: Pages, owner: object, result: Result, size: int) -> tuple[Sequence[Row], str | None]:
    return pages.first(owner, [_typed(row) for row in result.rows], size)


def _success(base: str, rows: Sequence[Row], token: str | None, warnings: Sequence[str] = ()) -> Response:
    content = {
        "@odata.context": f"{base}/$metadata#Collection(Exchange.GenericHashTable)",
        "adminapi.warnings@odata.type": "#Collection(String)",
        "@adminapi.warnings": list(warnings),
        "value": rows,
    }
    if token is not None:
        content["@odata.nextLink"] = f"{base}/InvokeCommand?$skiptoken={quote(token, safe='')}"
    return JSONResponse(content, headers=HEADERS)


def _typed(row: Output) -> Row:
    """A row with the types of .NET beside what JSON cannot say."""
    values = row.model_dump(mode="python", by_alias=True)
    shown: Row = {}
    for name, value in row.model_dump(mode="json", by_alias=True).items():
        if isinstance(values[name], datetime):
            shown[f"{name}@data.type"] = "System.DateTime"
            value = f"{values[name].astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
        elif name == "Guid":
            shown[f"{name}@data.type"] = "System.Guid"
        shown[name] = value
    return shown


def _failure(error: OperationError) -> Response:
    status = status_of(error)
    kind = f"{_NAMESPACES.get(error.kind, 'System')}.{error.kind}"
    number = f"Ex{zlib.crc32(f'{kind}{error}'.encode()) & 0xFFFFFF:06X}"
    text = f"{number}|{kind}|{error}"
    is_missing = isinstance(error, NotFound)
    content = {
        "error": {
            "code": "NotFound" if is_missing else "BadRequest",
            "message": "Error executing request." if is_missing else "Invalid Operation",
            "details": [{"code": "Context" if is_missing else "Client", "target": "", "message": text}],
            "innererror": {
                "message": "Error executing cmdlet",
                "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
                "stacktrace": "",
                "internalexception": {"message": str(error), "type": kind, "stacktrace": ""},
            },
        }
    }
    return JSONResponse(content, status_code=status if status in (403, 404, 503) else 400, headers=HEADERS)
