"""Get-Setting: every setting with its value, what it means, and where it stands in the file."""

from pathlib import Path

import pytest

from staffetta.directory.store import Directory
from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.registry import Context, execute, find
from staffetta.operations.roles import Caller, Role
from staffetta.settings.documents import declared_keys
from staffetta.settings.file import load
from tests.unit.operations.office import ADMINISTRATOR, Office, shown

FILE = """# Of a test.
hostname = "relay.test"
data_dir = "data"
default_route = "next"

[[listeners]]
name = "relay"
address = "127.0.0.1:2525"

[[listeners]]
name = "second"
address = "127.0.0.1:2526"

[[accepted_domains]]
name = "contoso.test"
route = "next"

[[routes]]
name = "next"
next_hops = [{ host = "127.0.0.1", port = 2626 }]

[limits]
recipients_max = 7
"""


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, dict[str, object]]:
    path = tmp_path / "relay.toml"
    path.write_text(FILE)
    directory = Directory.open(tmp_path)
    context = Context(load(path).with_objects({"accepted_domains": ()}, {}), directory, ADMINISTRATOR, lambda: 0.0)
    result = execute(find("Get-Setting"), context, {})
    directory.close()
    return {row["Identity"]: row for row in map(shown, result.rows)}


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("hostname", '"relay.test"', 2),
        ("listeners[1].address", '"127.0.0.1:2526"', 12),
        ("routes[0].next_hops", '[{ host = "127.0.0.1", port = 2626 }]', 20),
        ("limits.recipients_max", "7", 23),
        ("accepted_domains", "1", 14),
        ("queue.expire_seconds", "172800", None),
        ("console.address", "", None),
    ],
)
def test_a_setting_has_its_value_and_line(
    rows: dict[str, dict[str, object]], key: str, value: str, line: int | None
) -> None:
    assert (rows[key]["Value"], rows[key]["Line"], rows[key]["IsSet"]) == (value, line, line is not None)
    assert str(rows[key]["File"]).endswith("relay.toml")


def test_what_to_write_names_the_table(rows: dict[str, dict[str, object]]) -> None:
    assert rows["limits.recipients_max"]["ToWrite"] == "[limits] recipients_max = …"
    assert rows["listeners[0].kind"]["ToWrite"] == "[[listeners]] kind = …"
    assert rows["accepted_domains"]["Cmdlet"] == "New-AcceptedDomain"


def test_every_key_of_the_whole_file_and_of_single_tables_is_there(rows: dict[str, dict[str, object]]) -> None:
    tables = {key.partition(".")[0] for key in rows}
    for key, _about in declared_keys():
        assert key.partition(".")[0] in {table.partition("[")[0] for table in tables}, key


def test_settings_are_found_by_words_and_by_key_without_numbers(office: Office) -> None:
    found = {row["Identity"] for row in office("Get-Setting", Like="message octets")}
    assert "limits.message_octets_max" in found
    assert {row["Identity"] for row in office("Get-Setting", Like="routes.next_hops")} == {"routes[0].next_hops"}
    assert all(row["IsSet"] for row in office("Get-Setting", Changed=True))
    assert [row["Identity"] for row in office("Get-Setting", Identity="hostname")] == ["hostname"]
    with pytest.raises(NotFound):
        office("Get-Setting", Identity="nonsense")


def test_an_organization_s_administrator_sees_no_setting_of_the_relay(office: Office) -> None:
    with pytest.raises(OperationError, match="whole relay"):
        office("Get-Setting", Caller("fay", frozenset(Role), "api", organization="fabrikam"))


def test_what_is_set_beside_the_file_is_shown_as_it_holds(office: Office) -> None:
    office("Set-TransportConfig", MessageExpiration="24:00:00")
    (row,) = office("Get-Setting", Identity="queue.expire_seconds")
    assert (row["Value"], row["IsSet"], row["Cmdlet"]) == ("86400", False, "Set-TransportConfig")
    (other,) = office("Get-Setting", Identity="queue.retry_first_seconds")
    assert other["Value"] == other["Default"]
