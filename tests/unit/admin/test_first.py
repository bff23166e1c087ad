"""The one-time code of the first administrator."""

import pytest

from staffetta.admin.paths import FIRST_ADMINISTRATOR as PATH
from staffetta.directory.administrators import administrators
from staffetta.directory.sign_ins import new_first_code, password_hash_of
from staffetta.directory.tokens import holder
from staffetta.settings.passwords import verify
from tests.unit.admin.serving import Web


def test_the_code_opens_once(web: Web) -> None:
    code = new_first_code(web.office.directory)
    answer = web("POST", PATH, {"Code": code, "Name": "ada"}, token=None)
    assert answer.status == 201
    value = answer.json["value"]
    (ada,) = administrators(web.office.directory)
    assert (ada.name, ada.roles, ada.organization) == ("ada", {"Organization Management"}, None)
    token = holder(web.office.directory, value["Token"])
    assert token is not None
    assert token.roles == {"Organization Management"}
    hashed = password_hash_of(web.office.directory, "ada")
    assert hashed is not None
    assert verify(hashed, value["Password"].encode())
    again = web("POST", PATH, {"Code": code, "Name": "eve"}, token=None)
    assert (again.status, len(administrators(web.office.directory))) == (400, 1)
    assert value["Token"] not in str(web.office("Search-AdminAuditLog"))


def test_a_chosen_password_is_not_told_back(web: Web) -> None:
    code = new_first_code(web.office.directory)
    answer = web("POST", PATH, {"Code": code, "Name": "ada", "Password": "correct horse battery"}, token=None)
    assert (answer.status, answer.json["value"]["Password"]) == (201, None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Code": "x"},
        {"Code": 1, "Name": "eve"},
        {"Code": "first-x", "Name": "eve"},
        {"Code": "first-x", "Name": " "},
        {"Code": "first-x", "Name": "eve", "Password": "short"},
        {"Code": "first-x", "Name": "eve", "Role": "all"},
    ],
)
def test_nothing_else_opens(web: Web, body: dict[str, object]) -> None:
    new_first_code(web.office.directory)
    assert web("POST", PATH, body, token=None).status == 400
    assert administrators(web.office.directory) == []


def test_a_stranger_s_guess_costs_no_slow_hash(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(password: str) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr("staffetta.operations.first_administrator.hash_password", never)
    new_first_code(web.office.directory)
    assert web("POST", PATH, {"Code": "first-x", "Name": "eve"}, token=None).status == 400


def test_a_wrong_guess_leaves_the_code_as_it_is(web: Web) -> None:
    code = new_first_code(web.office.directory)
    assert web("POST", PATH, {"Code": "first-x", "Name": "eve"}, token=None).status == 400
    assert web("POST", PATH, {"Code": code, "Name": "ada"}, token=None).status == 201
