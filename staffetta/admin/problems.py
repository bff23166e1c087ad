"""What went wrong, as HTTP tells it: a status and problem details (RFC 9457 §3)."""

from starlette.responses import JSONResponse, Response

from staffetta.operations import errors
from staffetta.operations.errors import OperationError

MEDIA_TYPE = "application/problem+json"

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_STATUSES: tuple[tuple[type[OperationError], int], ...] = (
    (errors.NotFound, 404),
    (errors.AlreadyThere, 409),
    (errors.RoleMissing, 403),
    (errors.Unavailable, 503),
    (OperationError, 400),
)


def status_of(error: OperationError) -> int:
    """Return the HTTP status."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def refused(error: OperationError) -> Response:
    """Return the answer to an operation that cannot be done."""
    return problem(status_of(error), error.kind, str(error), parameter=error.parameter)


def not_authenticated() -> Response:
    """Return the answer to a caller whom we do not know."""
    text = "Send `Authorization: Bearer TOKEN`; New-ApiToken makes a token."
    answer = problem(401, "Unauthorized", text)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def problem(status: int, title: str, detail: str, *, parameter: str | None = None) -> Response:
    """Return problem details. title: the kind of trouble; detail: what it is this time, and what to do."""
    content: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if parameter is not None:
        content["parameter"] = parameter
    return JSONResponse(content, status_code=status, media_type=MEDIA_TYPE, headers=HEADERS)
