"""Static files, under addresses with the hash of their content, which browsers keep for ever.

The hash is of all files together, since a module names its neighbours by relative addresses.
"""

import hashlib
from functools import cache
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.headers import ASSET

PATH = "/static/{digest}/{name}"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def _files() -> dict[str, bytes]:
    folder = resources.files("staffetta.admin.web").joinpath("static")
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES}


@cache
def _digest() -> str:
    whole = hashlib.sha256()
    for name, content in sorted(_files().items()):
        whole.update(f"{name} {len(content)} ".encode() + content)
    return whole.hexdigest()[:16]


def address_of(name: str) -> str:
    """Return where a browser finds this file. Raises KeyError where there is none."""
    _files()[name]
    return f"/static/{_digest()}/{name}"


async def answer(request: Request) -> Response:
    """Return a file; one of another version is not there."""
    name = request.path_params["name"]
    content = _files().get(name)
    if content is None or request.path_params["digest"] != _digest():
        raise HTTPException(404, "There is no such file.")
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=ASSET)
