"""`POST /api/first-administrator`: the one-time code for an administrator and a token. The only way in without one.

Rule: code, password and token go over TLS, or come from this machine itself; else the body is not even read.
"""

from datetime import UTC, datetime

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from staffetta.admin.office import Office, Unreadable, is_private, json_object
from staffetta.admin.paths import FIRST_ADMINISTRATOR
from staffetta.admin.problems import HEADERS, problem
from staffetta.admin.rest import guarded


def routes(office: Office) -> list[Route]:
    """Return the one route."""

    async def answer(request: Request) -> Response:
        if not is_private(request):
            return problem(403, "Forbidden", _IN_CLEAR)
        body = await json_object(request)
        code, name, password = body.get("Code"), body.get("Name"), body.get("Password")
        if (
            not isinstance(code, str)
            or not isinstance(name, str)
            or not isinstance(password, str | None)
            or body.keys() - {"Code", "Name", "Password"}
        ):
            raise Unreadable('Write {"Code": "…", "Name": "…"}, and "Password" to choose one.')
        address = request.client.host if request.client else None

        def work() -> dict[str, object]:
            made = office.first_administrator(code=code, name=name, password=password, address=address)
            expires = datetime.fromtimestamp(made.expires_at, UTC).isoformat()
            return {"Name": made.name, "Password": made.password, "Token": made.token, "ExpiresUTC": expires}

        value = await anyio.to_thread.run_sync(work)
        return JSONResponse({"value": value, "warnings": []}, status_code=201, headers=HEADERS)

    return [Route(FIRST_ADMINISTRATOR, guarded(answer), methods=["POST"])]


_IN_CLEAR = (
    "Code, password and token could be read on their way. Call by https, which console.certificate and "
    "console.private_key in the settings file or a proxy of console.proxies give, or from the relay's own machine."
)
