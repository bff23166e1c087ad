"""Whatever an administrator of one organisation asks for, what belongs to others or to all stays as it was."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from staffetta.directory.database import DATABASE_NAME
from staffetta.operations.errors import OperationError
from staffetta.operations.registry import Operation, operations
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.office import Office

FAY = Caller("fay", frozenset(Role), "api", organization="fabrikam")
OTHERS: Mapping[str, Mapping[str, object]] = {
    "New-InboundConnector": {"Name": "D1", "SenderIPAddresses": ["192.0.2.9"], "SenderDomains": ["*"]},
    "New-AcceptedDomain": {"Name": "d1.com", "Route": "inside"},
    "New-ApiToken": {"Name": "T1", "Roles": ["Organization Management"]},
    "New-Administrator": {"Name": "boss"},
    "New-RoleGroup": {"Name": "G1", "Roles": ["Help Desk"]},
}
NAMES = ("D1", "d1.com", "T1", "boss", "G1", "contoso.com", "Declared", "default", "Organization Management", "inside")
CHANGES = [each for each in operations() if each.is_change and not each.name.startswith(("Send-", "Start-", "Test-"))]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        for cmdlet, parameters in OTHERS.items():
            office.ask(cmdlet, parameters)
        yield office


def foreign(office: Office) -> set[tuple[str, str]]:
    """Every row that is not fabrikam's."""
    found: set[tuple[str, str]] = set()
    with closing(sqlite3.connect(Path(office.settings.data_dir) / DATABASE_NAME)) as connection:
        for number, value in connection.execute("SELECT number, value FROM object"):
            if json.loads(value).get("organization") != "fabrikam":
                found.add(("object", f"{number} {value}"))
        for table in ("administrator", "token"):
            rows = connection.execute(f"SELECT * FROM {table} WHERE organization IS NOT 'fabrikam'")
            found |= {(table, str(row)) for row in rows}
        members = "SELECT role_group, administrator FROM role_group_member JOIN administrator ON number = administrator"
        for query in ("SELECT * FROM role_group", f"{members} WHERE organization IS NOT 'fabrikam'"):
            found |= {("role group", str(row)) for row in connection.execute(query)}
    return found


def asked(operation: Operation, name: str) -> Iterator[dict[str, object]]:
    """What somebody may send who wants more than is his."""
    known = {each.name for each in operation.parameters}
    first: dict[str, object] = {key: name for key in ("Identity", "Name") if key in known}
    yield first
    more: dict[str, object] = {
        "Enabled": "false",
        "Organization": "default",
        "Member": "boss",
        "Roles": ["Organization Management"],
        "Routes": ["inside"],
        "Password": "correct horse battery",
    }
    yield from ({**first, key: value} for key, value in more.items() if key in known)


@pytest.mark.parametrize("operation", CHANGES, ids=lambda each: each.name)
def test_no_change_of_one_organisation_reaches_another(operation: Operation, office: Office) -> None:
    before = foreign(office)
    for name in NAMES:
        for parameters in asked(operation, name):
            try:
                office.ask(operation.name, parameters, FAY)
            except OperationError:
                continue
    assert foreign(office) == before


def test_the_same_by_who_may_does_change_them(office: Office) -> None:
    before = foreign(office)
    office.ask("Set-AcceptedDomain", {"Identity": "d1.com", "DomainType": "InternalRelay"})
    assert foreign(office) != before
