"""Rows 29 and 33: no way in lets a role do what its operations do not allow; what is installed is what was locked.

Row 29 walks every path of the API's own document with every role, so that a new operation is in it by itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from staffetta.admin.openapi import document
from staffetta.admin.paths import Place, places
from staffetta.operations.registry import operations
from staffetta.operations.roles import Caller, Role
from tests.unit.admin import serving as side
from tests.unit.admin.serving import Web, serving

ROOT = Path(__file__).parents[2]
PLACES = list(places(operations()))


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    callers = {f"role {role}": Caller(f"role {role}", frozenset({role}), "api") for role in Role}
    side.CALLERS |= callers
    with serving(tmp_path_factory.mktemp("roles")) as web:
        yield web
    for name in callers:
        del side.CALLERS[name]


def test_row_29_the_document_has_every_operation() -> None:
    ways = {(method.upper(), path) for path, found in document()["paths"].items() for method in found}
    assert {(place.method, place.path) for place in PLACES} <= ways


@pytest.mark.parametrize("role", Role)
def test_row_29_no_role_gets_through_to_an_operation_that_is_not_its_own(web: Web, role: Role) -> None:
    """403 whatever is asked, and whether what is asked for exists or not."""
    tried = 0
    for place in PLACES:
        if role not in place.operation.roles:
            answer = web(place.method, path_of(place), body_of(place), token=f"role {role}")
            assert answer.status == 403, (place.operation.name, answer.status, answer.text)
            tried += 1
    assert tried or all(role in place.operation.roles for place in PLACES)


def path_of(place: Place) -> str:
    return place.path.replace("{identity}", "Declared")


def body_of(place: Place) -> dict[str, object] | None:
    return {} if place.in_body else None


LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-site.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_row_33_every_package_is_pinned_with_its_hashes(name: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / name).read_text(encoding="utf-8"))
    packages = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(packages) > 10
    for line in packages:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,0-9-]+\])?==[^ ]+ ", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_row_33_nothing_is_installed_without_its_hash() -> None:
    installing = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line and ".lock" in line
    ]
    assert installing and all("--require-hashes" in line for line in installing)
