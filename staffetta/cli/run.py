"""`staffetta run Verb-Noun …`: any operation by the names of its cmdlet."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.rows import print_result, print_values
from staffetta.cli.status import EX_OK
from staffetta.cli.tables import print_records
from staffetta.operations.local import local_office
from staffetta.operations.registry import BadParameter, Operation, ParameterKind, find, operations
from staffetta.operations.registry import Parameter as OperationParameter

_LIST_CHANGES = ("add", "remove")


def run_operation(
    cmdlet: Annotated[str, Parameter(help="Such as Get-InboundConnector; `staffetta operations` lists them.")],
    /,
    *arguments: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="As -Name value, --Name value or -Switch; lists with commas; -List.Add value, -List.Remove value.",
        ),
    ],
    config: ConfigFile,
    what_if: Annotated[bool, Parameter(negative="", help="Change nothing, and say what would be done.")] = False,
    json: Json = False,
) -> int:
    """Carry out any operation by its cmdlet's name. Options of this command stand before the cmdlet's."""
    operation = find(cmdlet)
    with local_office(config, "cli") as office:
        result = office.execute(operation, parameters_in(operation, arguments), only_ask=what_if)
    print_result(operation, result, is_list=not operation.is_change, as_json=json)
    return EX_OK


def list_operations(*, json: Json = False) -> None:
    """List the operations, which are the same for `run`, the shell, PowerShell and HTTP."""
    rows = [{"Name": each.name, "Roles": sorted(each.roles), "Summary": each.summary} for each in operations()]
    if json:
        print_values(rows)
    else:
        print_records({"Name": "Name", "Summary": "Summary"}, rows, if_empty="")


def parameters_in(operation: Operation, arguments: Sequence[str]) -> Mapping[str, object]:
    """Return parameters by name from what was typed. Raises BadParameter."""
    known = {each.name.lower(): each for each in operation.parameters}
    unnamed = [each for each in sorted(known.values(), key=_position) if each.position is not None]
    given: dict[str, object] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not _is_name(word):
            if not unnamed:
                raise BadParameter(f"A positional parameter cannot be found that accepts argument '{word}'.")
            parameter = unnamed.pop(0)
            given[parameter.name] = _value(parameter, word)
            continue
        name, colon, value = word.lstrip("-").partition(":")
        name, _, change = name.partition(".")
        named = known.get(name.lower())
        unnamed = [each for each in unnamed if each is not named]
        if not colon:
            is_switch = named is not None and named.kind is ParameterKind.SWITCH
            value = "true" if is_switch or not rest else rest.pop(0)
        read = value if named is None else _value(named, value)
        _note(given, named.name if named else name, change.lower(), read)
    return given


def listed(text: str) -> list[str]:
    """Return the texts between commas, without blanks around them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _note(given: dict[str, object], name: str, change: str, value: object) -> None:
    if change in _LIST_CHANGES:
        changes = given.setdefault(name, {})
        if not isinstance(changes, dict):
            raise BadParameter(f"-{name} is given whole and changed; do one of them.", parameter=name)
        more = value if isinstance(value, list) else [value]
        changes[change.capitalize()] = [*changes.get(change.capitalize(), []), *more]
    elif name in given:
        raise BadParameter(f"-{name} is given twice.", parameter=name)
    else:
        given[name] = value


def _value(parameter: OperationParameter, text: str) -> object:
    return listed(text) if parameter.kind is ParameterKind.TEXTS else text


def _is_name(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and (word[1].isalpha() or word[1] == "-")


def _position(parameter: OperationParameter) -> int:
    return -1 if parameter.position is None else parameter.position
