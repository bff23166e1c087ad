"""Cmdlets that choose, order and count what comes through a pipe."""

from collections.abc import Iterable

from staffetta.shell import operators
from staffetta.shell.commands import Command, Invoked, Kind, Named
from staffetta.shell.members import get_property
from staffetta.shell.syntax import ScriptBlock
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import Bag, NetObject, Row, is_true, listed, number, text, unlisted, whole


def where(call: Invoked) -> list[object]:
    condition = call.given.get("FilterScript")
    if isinstance(condition, ScriptBlock):
        return [item for item in call.items if is_true(unlisted(call.block(condition, item)))]
    if condition is None:
        raise ShellError("Where-Object needs a condition: { $_.Name -eq 'x' }, or Name -EQ 'x'.")
    values = [(item, get_property(item, text(condition), call.session)) for item in call.items]
    comparison = _comparison(call)
    if comparison is None:
        return [item for item, value in values if is_true(value)]
    operator, wanted = comparison
    return [item for item, value in values if is_true(operators.binary(operator, value, wanted))]


def _comparison(call: Invoked) -> tuple[str, object] | None:
    """The operator and what it compares with; None where only the property itself counts."""
    given = [name for name in call.given if text(name).lower() in operators.WHERE_OPERATORS]
    if len(given) > 1:
        raise ShellError(f"Where-Object takes one comparison, and has {' '.join('-' + text(name) for name in given)}.")
    if given:
        return f"-{text(given[0]).lower()}", call.given[given[0]]
    return ("-eq", call.given["Value"]) if "Value" in call.given else None


def for_each(call: Invoked) -> list[object]:
    process = call.given.get("Process")
    if isinstance(process, ScriptBlock):
        return [result for item in call.items for result in call.block(process, item)]
    if process is None:
        raise ShellError("ForEach-Object needs what to do: { $_.Name }, or a property's name.")
    return [value for item in call.items for value in listed(get_property(item, text(process), call.session))]


def select(call: Invoked) -> list[object]:
    items = call.items
    if "Skip" in call.given:
        items = items[max(whole(call.given["Skip"]), 0) :]
    if "First" in call.given:
        items = items[: max(whole(call.given["First"]), 0)]
    elif "Last" in call.given:
        last = max(whole(call.given["Last"]), 0)
        items = items[len(items) - min(last, len(items)) :]
    if "ExpandProperty" in call.given:
        name = call.text("ExpandProperty")
        items = [value for item in items for value in _expanded(item, name, call)]
    elif "Property" in call.given or "ExcludeProperty" in call.given:
        without = [text(name) for name in listed(call.given.get("ExcludeProperty"))]
        items = [_selected(item, call, without) for item in items]
    return _once(items) if call.flag("Unique") else items


def _expanded(item: object, name: str, call: Invoked) -> list[object]:
    if isinstance(item, Bag) and name not in item:
        raise ShellError(f'Property "{name}" cannot be found.')
    return listed(get_property(item, name, call.session))


def _selected(item: object, call: Invoked, without: list[str]) -> Row:
    chosen = properties(item, listed(call.given.get("Property", "*")), call)
    return Row({name: value for name, value in chosen if not any(operators.like(name, pattern) for pattern in without)})


def _once(items: Iterable[object]) -> list[object]:
    seen: set[str] = set()
    kept: list[object] = []
    for item in items:
        key = text(item)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def properties(item: object, wanted: list[object], call: Invoked) -> list[tuple[str, object]]:
    """Return names and values of the wanted properties: names, wildcards, or @{Name='…'; Expression={…}}."""
    found: list[tuple[str, object]] = []
    for each in wanted:
        if isinstance(each, Bag):
            label = next((text(each[key]) for key in ("Name", "n", "Label", "l") if key in each), "")
            expression = next((each[key] for key in ("Expression", "e") if key in each), None)
            if expression is None:
                raise ShellError("A property that is computed is @{Name='…'; Expression={…}}.")
            name = label or text(expression)
            found.append((name, _computed(item, expression, call)))
        elif isinstance(each, ScriptBlock):
            found.append((text(each).strip(), _computed(item, each, call)))
        elif any(sign in text(each) for sign in "*?["):
            found += [(name, value) for name, value in all_properties(item) if operators.like(name, text(each))]
        else:
            spelt = next(
                (name for name, _ in all_properties(item) if name.casefold() == text(each).casefold()), text(each)
            )
            found.append((spelt, get_property(item, text(each), call.session)))
    return found


def _computed(item: object, expression: object, call: Invoked) -> object:
    if isinstance(expression, ScriptBlock):
        return unlisted(call.block(expression, item))
    return get_property(item, text(expression), call.session)


def all_properties(item: object) -> list[tuple[str, object]]:
    """Return names and values of all properties of an item."""
    if isinstance(item, Bag):
        return [(text(name), value) for name, value in item.items()]
    if isinstance(item, NetObject):
        return [(name, item.get(name)) for name in (*item.readable, *item.writable)]
    if isinstance(item, str):
        return [("Length", len(item))]
    return []


def sort(call: Invoked) -> list[object]:
    wanted = listed(call.given.get("Property")) or [None]
    items = list(call.items)
    key = operators.sorting_key()
    for each in reversed(wanted):
        is_descending = call.flag("Descending")
        if isinstance(each, Bag):
            is_descending = is_true(each.get("Descending", is_descending))
            each = each.get("Expression", each.get("e"))
        items.sort(
            key=lambda item, each=each: key(item if each is None else _computed(item, each, call)),  # type: ignore[misc]
            reverse=is_descending,
        )
    return _once(items) if call.flag("Unique") else items


def measure(call: Invoked) -> list[object]:
    name = call.text("Property")
    values = [get_property(item, name, call.session) if name else item for item in call.items]
    measured = Row({"Count": len(values)})
    if not any(call.flag(each) for each in ("Sum", "Average", "Maximum", "Minimum")):
        return [measured]
    numbers = [number(value) for value in values if value is not None]
    total = sum(numbers)
    measured["Average"] = total / len(numbers) if numbers and call.flag("Average") else None
    measured["Sum"] = total if call.flag("Sum") else None
    measured["Maximum"] = max(numbers, default=None) if call.flag("Maximum") else None
    measured["Minimum"] = min(numbers, default=None) if call.flag("Minimum") else None
    measured["Property"] = name or None
    return [measured]


def group(call: Invoked) -> list[object]:
    groups: dict[str, list[object]] = {}
    wanted = listed(call.given.get("Property"))
    for item in call.items:
        values = [value for _, value in properties(item, wanted, call)] if wanted else [item]
        groups.setdefault(", ".join(text(value) for value in values), []).append(item)
    return [Row({"Count": len(items), "Name": name, "Group": items}) for name, items in groups.items()]


_COMPARISONS = tuple(Named(name.capitalize(), Kind.ANY) for name in sorted(operators.WHERE_OPERATORS))
COMMANDS = (
    Command(
        "Where-Object",
        where,
        "Keep the items that meet a condition.",
        (Named("FilterScript", position=0, aliases=("Property",)), Named("Value", position=1), *_COMPARISONS),
        aliases=("?", "where"),
        example="Get-InboundConnector | Where-Object { $_.Enabled -eq $false }",
    ),
    Command(
        "ForEach-Object",
        for_each,
        "Do something with each item.",
        (Named("Process", position=0, aliases=("MemberName",)),),
        aliases=("%", "foreach"),
        example="Get-InboundConnector | ForEach-Object { $_.Name }",
    ),
    Command(
        "Select-Object",
        select,
        "Choose items, and the properties that they keep.",
        (
            Named("Property", position=0),
            Named("First", Kind.NUMBER),
            Named("Last", Kind.NUMBER),
            Named("Skip", Kind.NUMBER),
            Named("ExpandProperty", Kind.TEXT),
            Named("ExcludeProperty"),
            Named("Unique", Kind.SWITCH),
        ),
        aliases=("select",),
        example="Get-InboundConnector | Select-Object Name, Enabled -First 5",
    ),
    Command(
        "Sort-Object",
        sort,
        "Put items in order.",
        (Named("Property", position=0), Named("Descending", Kind.SWITCH), Named("Unique", Kind.SWITCH)),
        aliases=("sort",),
        example="Get-InboundConnector | Sort-Object Name -Descending",
    ),
    Command(
        "Measure-Object",
        measure,
        "Count items, or add up a property.",
        (
            Named("Property", Kind.TEXT, position=0),
            *(Named(name, Kind.SWITCH) for name in ("Sum", "Average", "Maximum", "Minimum")),
        ),
        aliases=("measure",),
        example="Get-InboundConnector | Measure-Object",
    ),
    Command(
        "Group-Object",
        group,
        "Gather items with the same value of a property.",
        (Named("Property", position=0),),
        aliases=("group",),
        example="Get-InboundConnector | Group-Object ConnectorType",
    ),
)
