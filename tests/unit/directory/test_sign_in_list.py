"""Sign-ins that go on: how many, whose, and ended by their names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from staffetta.directory import sign_ins
from staffetta.directory.administrators import add_administrator
from staffetta.directory.problems import ForeignOrganization, NotThere
from staffetta.directory.sign_ins import SIGN_INS_MAX
from staffetta.directory.store import Author, Directory
from tests.unit.operations.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path) as office:
        with office.directory.change(office.settings, Author("test", "cli", "test")) as change:
            add_administrator(change, "ada")
            add_administrator(change, "fay", organization="fabrikam")
        yield office


def _begin(office: Office, name: str) -> str:
    with office.directory.change(office.settings, Author(name, "console", "Sign-In", address="192.0.2.1")) as change:
        return sign_ins.begin(change, name)


def _who(directory: Directory, secrets: list[str]) -> list[bool]:
    return [sign_ins.signed_in(directory, secret) is not None for secret in secrets]


def test_with_one_too_many_the_one_that_was_not_used_for_the_longest_ends(office: Office) -> None:
    start = office.now()
    secrets = []
    for number in range(SIGN_INS_MAX + 1):
        office.now = lambda at=start + number: at  # type: ignore[misc]
        secrets.append(_begin(office, "ada"))
    assert _who(office.directory, secrets) == [False, *[True] * SIGN_INS_MAX]
    assert len(sign_ins.sign_ins(office.directory)) == SIGN_INS_MAX


def test_a_sign_in_is_named_by_what_opens_nothing_and_ended_by_that_name(office: Office) -> None:
    secret, other = _begin(office, "ada"), _begin(office, "ada")
    name = sign_ins.identity_of(secret)
    assert name in {each.identity for each in sign_ins.sign_ins(office.directory)}
    assert sign_ins.signed_in(office.directory, name) is None
    with office.directory.change(office.settings, Author("ada", "cli", "test")) as change:
        sign_ins.end_named(change, name.upper())
    assert _who(office.directory, [secret, other]) == [False, True]
    with (
        pytest.raises(NotThere),
        office.directory.change(office.settings, Author("ada", "cli", "test")) as change,
    ):
        sign_ins.end_named(change, name)


def test_an_organisation_s_administrator_sees_and_ends_those_of_his_own_people(office: Office) -> None:
    secret = _begin(office, "ada")
    _begin(office, "fay")
    assert [each.administrator for each in sign_ins.sign_ins(office.directory, "fabrikam")] == ["fay"]
    author = Author("fay", "console", "test", organization="fabrikam")
    with pytest.raises(ForeignOrganization), office.directory.change(office.settings, author) as change:
        sign_ins.end_named(change, sign_ins.identity_of(secret))
    assert _who(office.directory, [secret]) == [True]
