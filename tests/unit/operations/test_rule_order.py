"""The order of route rules, written in one transaction around the rules of the file."""

import pytest

from staffetta.operations.errors import BadValue
from staffetta.settings.roads import RouteRule
from tests.unit.operations.office import Office


def order(office: Office) -> list[tuple[str, int]]:
    return [(row["Name"], row["Priority"]) for row in office("Get-RouteRule")]


@pytest.fixture
def ruled(office: Office) -> Office:
    """With a rule of the file at 50, and three of the directory behind it."""
    office.settings = office.settings.model_copy(
        update={"route_rules": (RouteRule(name="file", route="inside", priority=50),)}
    )
    for name in ("a", "b", "c"):
        office("New-RouteRule", Name=name, Route="inside")
    return office


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["c", "a", "file", "b"], [("c", 9), ("a", 19), ("file", 50), ("b", 60)]),
        (["file", "c"], [("file", 50), ("c", 60), ("a", 70), ("b", 80)]),
        (["c"], [("c", 9), ("file", 50), ("a", 60), ("b", 70)]),
        (["A", "B", "C", "FILE"], [("a", 9), ("b", 19), ("c", 29), ("file", 50)]),
    ],
)
def test_rules_stand_as_they_were_named(ruled: Office, names: list[str], expected: list[tuple[str, int]]) -> None:
    ruled("Set-RouteRuleOrder", Names=names)
    assert order(ruled) == expected
    changed = {row["CmdletName"] for row in ruled("Search-AdminAuditLog")}
    assert changed == {"New-RouteRule", "Set-RouteRuleOrder"}


def test_a_rule_of_the_file_does_not_move_and_nothing_is_half_written(ruled: Office) -> None:
    first = RouteRule(name="first", route="inside", priority=0)
    ruled.settings = ruled.settings.model_copy(update={"route_rules": (first, *ruled.settings.route_rules)})
    before = order(ruled)
    with pytest.raises(BadValue, match="'first' stands in the settings file with priority 0"):
        ruled("Set-RouteRuleOrder", Names=["a", "first"])
    assert order(ruled) == before
