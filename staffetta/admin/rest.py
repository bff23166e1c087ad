"""The REST interface: every operation of the registry under the path that paths.py gives it.

Rule: what succeeds is answered by `{"value": …, "warnings": […]}`; what does not, by problem details.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from staffetta.admin.office import NotAuthenticated, Office, Unreadable, carry_out, json_object, who_calls
from staffetta.admin.openapi import document
from staffetta.admin.paths import PREFIX, Place, places
from staffetta.admin.problems import HEADERS, not_authenticated, problem, refused
from staffetta.operations.binding import take_what_if
from staffetta.operations.errors import OperationError
from staffetta.operations.registry import Result, operations

Handler = Callable[[Request], Awaitable[Response]]


def routes(office: Office) -> list[Route]:
    """Return the routes of all operations, and of the document that describes them."""
    found = [
        Route(place.path.replace("{identity}", "{identity:path}"), _handler(office, place), methods=[place.method])
        for place in places(operations())
    ]
    return [Route(f"{PREFIX}/openapi.json", guarded(_describe(office)), methods=["GET"]), *found]


def guarded(handler: Handler) -> Handler:
    """Return a handler that answers what can go wrong on every way in."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except NotAuthenticated:
            return not_authenticated()
        except Unreadable as error:
            return problem(413 if error.is_too_large else 400, "BadRequest", str(error))
        except OperationError as error:
            return refused(error)

    return answer


def _handler(office: Office, place: Place) -> Handler:
    async def answer(request: Request) -> Response:
        caller = await who_calls(office, request)
        given: dict[str, object] = dict(_query(request))
        if place.in_body:
            given |= await json_object(request)
        if place.identity is not None:
            given = {name: value for name, value in given.items() if name.lower() != place.identity.name.lower()}
            given[place.identity.name] = request.path_params["identity"]
        only_ask = take_what_if(given)
        result = await carry_out(office, caller, place.operation, given, only_ask=only_ask)
        return _success(place, result)

    return guarded(answer)


def _describe(office: Office) -> Handler:
    async def answer(request: Request) -> Response:
        await who_calls(office, request)
        return JSONResponse(document(), headers=HEADERS)

    return answer


def _query(request: Request) -> Mapping[str, object]:
    values: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        values.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else each for name, each in values.items()}


def _success(place: Place, result: Result) -> Response:
    rows = [row.model_dump(mode="json", by_alias=True) for row in result.rows]
    value = rows if place.is_list else next(iter(rows), None)
    headers = dict(HEADERS)
    if place.status == 201 and rows and "Identity" in rows[0]:
        headers["Location"] = f"{place.path}/{quote(str(rows[0]['Identity']), safe='')}"
    return JSONResponse({"value": value, "warnings": list(result.warnings)}, status_code=place.status, headers=headers)
