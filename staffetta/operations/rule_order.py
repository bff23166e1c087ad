"""Set-RouteRuleOrder: all route rules in the order in which they are to be asked, changed in one transaction.

Rule: a rule of the settings file keeps its priority; the others get theirs around it, ten apart where there is room.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from staffetta.directory.store import Kind, Stored
from staffetta.operations.access import changing, found, listed
from staffetta.operations.duties import CHANGE
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import Input, MultiValued, Output
from staffetta.operations.registry import Context, Operation
from staffetta.settings.roads import RouteRule

_STEP = 10
_PRIORITY_MAX = 1_000_000


class SetRouteRuleOrder(Input):
    names: Annotated[MultiValued, Field(description="The rules, the first one first; those left out follow as before.")]


def run(context: Context, given: SetRouteRuleOrder) -> Iterable[Output]:
    first = [found(context, Kind.ROUTE_RULE, name) for name in given.names.applied_to(())]
    known = {each.guid for each in first}
    rest = [each for each in listed(context, Kind.ROUTE_RULE) if each.guid not in known]
    ordered = [*first, *sorted(rest, key=lambda each: _value(each).priority)]
    priorities = _priorities(ordered)
    with changing(context, "Set-RouteRuleOrder") as change:
        for stored, priority in zip(ordered, priorities, strict=True):
            if not stored.is_declared:
                change.put(Kind.ROUTE_RULE, _value(stored).model_copy(update={"priority": priority}), guid=stored.guid)
    return []


def _priorities(ordered: Sequence[Stored]) -> Sequence[int]:
    """Return one for each, growing. Raises BadValue where rules of the file stand in the way."""
    found: list[int] = []
    before = -1
    for place, stored in enumerate(ordered):
        ahead = [index for index in range(place, len(ordered)) if ordered[index].is_declared]
        if stored.is_declared:
            priority = _value(stored).priority
        elif ahead:
            room = _value(ordered[ahead[0]]).priority - before - 1
            priority = before + max(1, min(_STEP, room // (ahead[0] - place)))
        else:
            priority = before + (_STEP if before + _STEP * (len(ordered) - place) <= _PRIORITY_MAX else 1)
        if priority <= before:
            raise BadValue(
                f"Rule '{stored.name}' stands in the settings file with priority {priority}, and cannot come there: "
                "change its priority in the file, or leave it where it is.",
                parameter="Names",
            )
        found.append(priority)
        before = priority
    return found


def _value(stored: Stored) -> RouteRule:
    assert isinstance(stored.value, RouteRule)
    return stored.value


OPERATIONS = (
    Operation(
        "Set",
        "RouteRuleOrder",
        "Put route rules in the order in which they are asked.",
        SetRouteRuleOrder,
        None,
        CHANGE,
        run,
        is_change=True,
        positions=("names",),
        example="'Large mail','To Fabrikam'",
    ),
)
