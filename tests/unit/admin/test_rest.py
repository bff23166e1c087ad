"""The REST interface: every operation under its path, and nothing for who has no token."""

from collections.abc import Iterator

import pytest

from staffetta.admin.office import BODY_OCTETS_MAX
from staffetta.admin.openapi import document
from staffetta.admin.paths import INVOKE_COMMAND, places
from staffetta.operations.registry import operations
from tests.unit.admin.serving import Web, serving

CONNECTOR = {
    "Name": "SMTP Relay",
    "ConnectorType": "OnPremises",
    "SenderDomains": ["*"],
    "SenderIPAddresses": ["192.0.2.7"],
}
ALL = "/api/inbound-connectors"
ONE = f"{ALL}/SMTP%20Relay"

ENDPOINTS = [
    *((place.method, place.path.replace("{identity}", "x")) for place in places(operations())),
    ("GET", "/api/openapi.json"),
    ("POST", INVOKE_COMMAND.replace("{tenant}", "default")),
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web side for many calls, none of which gets through."""
    with serving(tmp_path_factory.mktemp("closed")) as web:
        yield web


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("token", [None, "unknown"])
def test_no_endpoint_answers_without_a_token(closed: Web, method: str, path: str, token: str | None) -> None:
    answer = closed(method, path, token=token)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic YWxs", "all"])
def test_only_a_bearer_token_names_a_caller(web: Web, authorization: str) -> None:
    assert web("GET", ALL, token=None, headers={"Authorization": authorization}).status == 401


def test_every_operation_has_a_path_of_its_own() -> None:
    ways = [(place.method, place.path) for place in places(operations())]
    assert len(ways) == len(set(ways))
    assert {place.operation.name for place in places(operations())} == {each.name for each in operations()}


def test_a_connector_is_made_seen_changed_and_removed(web: Web) -> None:
    made = web("POST", ALL, CONNECTOR)
    assert (made.status, made.headers["location"]) == (201, ONE)
    assert made.json["value"]["SenderDomains"] == ["smtp:*;1"]
    changed = web("PATCH", ONE, {"SenderIPAddresses": {"Add": "192.0.2.8"}, "RequireTLS": False})
    assert (changed.status, changed.json) == (200, {"value": None, "warnings": []})
    seen = web("GET", ONE)
    assert (seen.status, seen.json["value"]["SenderIPAddresses"]) == (200, ["192.0.2.7", "192.0.2.8"])
    assert [row["Name"] for row in web("GET", ALL).json["value"]] == ["Declared", "SMTP Relay"]
    assert web("DELETE", ONE).status == 200
    assert web("GET", ONE).status == 404


def test_what_if_changes_nothing(web: Web) -> None:
    asked = web("POST", f"{ALL}?WhatIf=true", CONNECTOR)
    first, *others = asked.json["warnings"]
    assert first == 'What if: Performing the operation "New-InboundConnector" on target "SMTP Relay".'
    assert any("may relay to every recipient" in line for line in others)
    assert web("GET", ONE).status == 404


@pytest.mark.parametrize("text", ["1", "$true", "TRUE", "true&WhatIf=false", "yes", ""])
def test_what_if_in_any_spelling_changes_nothing(web: Web, text: str) -> None:
    assert web("POST", f"{ALL}?whatif={text}", CONNECTOR).status in (200, 201, 400)
    assert web("POST", ALL, CONNECTOR | {"WhatIf": text}).status in (200, 201, 400)
    assert web("GET", ONE).status == 404


def test_an_identity_may_hold_what_a_path_gives_a_meaning(web: Web) -> None:
    name = "a/b c?d#e%2F/f"
    made = web("POST", ALL, CONNECTOR | {"Name": name})
    assert web("GET", made.headers["location"]).json["value"]["Name"] == name


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "title", "parameter"),
    [
        ("GET", f"{ALL}/x", None, 404, "ManagementObjectNotFoundException", "Identity"),
        ("POST", ALL, CONNECTOR | {"Name": "Declared"}, 409, "ADObjectAlreadyExistsException", "Name"),
        ("POST", ALL, {}, 400, "ParameterBindingException", "Name"),
        ("POST", ALL, CONNECTOR | {"Nmae": 1}, 400, "ParameterBindingException", "Nmae"),
        ("POST", ALL, CONNECTOR | {"ConnectorType": 1}, 400, "ParameterTransformationException", "ConnectorType"),
        ("GET", f"{ALL}?ResultSize=no", None, 400, "ParameterTransformationException", "ResultSize"),
        ("GET", f"{ALL}?Nothing=1", None, 400, "ParameterBindingException", "Nothing"),
        ("DELETE", f"{ALL}/Declared", None, 400, "InvalidOperationException", None),
        ("POST", ALL, b"{", 400, "BadRequest", None),
        ("POST", ALL, b"[]", 400, "BadRequest", None),
        ("POST", ALL, b'{"Name": NaN}', 400, "BadRequest", None),
        ("POST", ALL, b'{"Name": "\\ud800"}', 400, "BadRequest", None),
        ("POST", ALL, b"\xff", 400, "BadRequest", None),
        ("POST", ALL, b"[" * 100_000, 400, "BadRequest", None),
        ("POST", ALL, b" " * (BODY_OCTETS_MAX + 1), 413, "BadRequest", None),
    ],
)
def test_what_goes_wrong_is_told_as_problem_details(
    web: Web, method: str, path: str, body: object, status: int, title: str, parameter: str | None
) -> None:
    answer = web(method, path, body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, answer.json["status"], answer.json["title"]) == (status, status, title)
    assert answer.json.get("parameter") == parameter
    assert answer.json["detail"]


def test_the_wrong_role_is_told_which_one_may(web: Web) -> None:
    answer = web("POST", ALL, CONNECTOR, token="view")
    assert answer.status == 403
    assert "Organization Management" in answer.json["detail"]


def test_another_organization_s_object_is_not_there(web: Web) -> None:
    web("POST", ALL, CONNECTOR)
    assert web("GET", ALL, token="fabrikam").json["value"] == []
    for method in ("GET", "PATCH", "DELETE"):
        assert web(method, ONE, token="fabrikam").status == 404


def test_the_document_names_every_operation(web: Web) -> None:
    answer = web("GET", "/api/openapi.json", token="view")
    assert answer.json == document()
    named = {way["tags"][0] for path in answer.json["paths"].values() for way in path.values()}
    assert named == {each.noun for each in operations()} | {"InvokeCommand"}
