"""What every operation promises, and how parameters are read."""

import shlex
from datetime import UTC, datetime
from typing import Annotated

import pytest
from pydantic import Field

from staffetta.operations.binding import ParameterKind, bind, parameters
from staffetta.operations.errors import BadParameter, BadValue, NotFound, OperationError, RoleMissing
from staffetta.operations.inputs import Input, MultiValued, ResultSize, Switch
from staffetta.operations.registry import Operation, find, operations
from staffetta.operations.roles import Caller, Role
from staffetta.settings.objects import ConnectorType
from tests.unit.operations.office import Office

EVERY = pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)


class Sample(Input):
    name: Annotated[str, Field(description="A name.")]
    connector_type: ConnectorType = ConnectorType.PARTNER
    require_tls: bool | None = None
    sender_ip_addresses: MultiValued | None = None
    port: int = 25
    start_date: datetime | None = None
    result_size: ResultSize = 1000
    force: Switch = False


@EVERY
def test_every_operation_refuses_the_wrong_role_and_names_the_right_one(operation: Operation, office: Office) -> None:
    wrong = Caller("eve", frozenset(Role) - operation.roles, "api")
    with pytest.raises(RoleMissing) as refused:
        office.ask(operation.name, {}, wrong)
    assert all(role in str(refused.value) for role in operation.roles)


SENDS_MAIL = {"Test-Mailflow"}
"""Named by Exchange as a test, and all the same it does something that is to be written down."""


@EVERY
def test_every_operation_tells_what_it_is(operation: Operation) -> None:
    assert operation.summary.endswith(".")
    assert operation.roles
    assert not operation.output or set(operation.columns) <= set(operation.output.model_fields)
    assert bool(operation.output) == bool(operation.columns)
    assert set(operation.positions) <= set(operation.input.model_fields)
    assert all(each.description for each in operation.parameters)
    is_question = operation.verb in ("Get", "Search", "Test", "Export") and operation.name not in SENDS_MAIL
    assert operation.is_change == (not is_question)


@EVERY
def test_every_example_names_parameters_that_are_there(operation: Operation) -> None:
    names = {each.name.lower() for each in operation.parameters}
    words = shlex.split(operation.example.replace("@{", "").replace("}", ""))
    assert {word[1:].lower() for word in words if word.startswith("-")} <= names


@EVERY
def test_what_if_changes_nothing(operation: Operation, office: Office) -> None:
    if not operation.is_change:
        return
    before = office.directory.generation()
    required = {each.name: "x" for each in operation.parameters if each.is_required}
    try:
        result = office.ask(operation.name, required, only_ask=True)
    except (NotFound, BadParameter, BadValue):  # who only asks hears that, too
        pass
    else:
        assert result.rows == ()
        assert result.warnings[0].startswith(f'What if: Performing the operation "{operation.name}" on target "')
    assert office.directory.generation() == before


def test_names_are_found_in_any_case_and_a_wrong_one_gets_a_suggestion() -> None:
    assert find("get-inboundconnector").name == "Get-InboundConnector"
    with pytest.raises(NotFound, match="Did you mean New-InboundConnector\\?"):
        find("New-InboundConector")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"NAME": "a"}, {"name": "a"}),
        ({"Name": 7}, {"name": "7"}),
        ({"Name": "a", "ConnectorType": "onpremises"}, {"connector_type": ConnectorType.ON_PREMISES}),
        ({"Name": "a", "RequireTLS": True}, {"require_tls": True}),
        ({"Name": "a", "RequireTLS": 0}, {"require_tls": False}),
        ({"Name": "a", "RequireTLS": "$false"}, {"require_tls": False}),
        ({"Name": "a", "senderIPaddresses": "b"}, {"sender_ip_addresses": MultiValued(("b",))}),
        ({"Name": "a", "SenderIPAddresses": ["b", "c"]}, {"sender_ip_addresses": MultiValued(("b", "c"))}),
        ({"Name": "a", "SenderIPAddresses": None}, {"sender_ip_addresses": None}),
        ({"Name": "a", "SenderIPAddresses": []}, {"sender_ip_addresses": MultiValued(())}),
        (
            {"Name": "a", "SenderIPAddresses": {"@odata.type": "#Exchange.GenericHashTable", "add": "b"}},
            {"sender_ip_addresses": MultiValued(None, ("b",))},
        ),
        (
            {"Name": "a", "SenderIPAddresses": {"Add": ["b"], "Remove": "c"}},
            {"sender_ip_addresses": MultiValued(None, ("b",), ("c",))},
        ),
        ({"Name": "a", "Port": "587"}, {"port": 587}),
        ({"Name": "a", "StartDate": "2026-11-24"}, {"start_date": datetime(2026, 11, 24, tzinfo=UTC)}),
        (
            {"Name": "a", "StartDate": "2026-11-24T10:00:00+02:00"},
            {"start_date": datetime(2026, 11, 24, 8, tzinfo=UTC)},
        ),
        ({"Name": "a", "ResultSize": "unlimited"}, {"result_size": None}),
        ({"Name": "a", "ResultSize": 5}, {"result_size": 5}),
        ({"Name": "a", "Force": True}, {"force": True}),
    ],
)
def test_parameters_are_read_as_json_shell_and_command_line_write_them(
    given: dict[str, object], expected: dict[str, object]
) -> None:
    read = bind(Sample, given)
    assert {field: getattr(read, field) for field in expected} == expected


TRANSFORM = "Cannot process argument transformation on parameter "


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Cannot process command because of one or more missing mandatory parameters: Name."),
        ({"Name": None}, "Cannot bind argument to parameter 'Name' because it is null."),
        ({"Name": ""}, "Cannot bind argument to parameter 'Name' because it is an empty string."),
        (
            {"Name": "a", "Prot": 1},
            "A parameter cannot be found that matches parameter name 'Prot'. Did you mean 'Port'?",
        ),
        ({"Name": "a", "name": "b"}, "Cannot bind parameter because parameter 'Name' is specified more than once."),
        (
            {"Name": "a", "ConnectorType": "Internal"},
            (
                f'{TRANSFORM}\'ConnectorType\'. Cannot convert value "Internal" to type "ConnectorType". '
                'Error: "Unable to match the identifier name Internal to a valid enumerator name. '
                'Specify one of the following enumerator names and try again: OnPremises, Partner"'
            ),
        ),
        (
            {"Name": "a", "RequireTls": "yes"},
            (
                f'{TRANSFORM}\'RequireTls\'. Cannot convert value "yes" to type "System.Boolean". '
                "Boolean parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0."
            ),
        ),
        ({"Name": "a", "RequireTls": None}, "Cannot bind argument to parameter 'RequireTls' because it is null."),
        ({"Name": ["a", "b"]}, f"{TRANSFORM}'Name'. Cannot convert value \"['a', 'b']\" to type \"System.String\"."),
        ({"Name": "a", "Port": "smtp"}, f'{TRANSFORM}\'Port\'. Cannot convert value "smtp" to type "System.Int32".'),
        ({"Name": "a", "ResultSize": 0}, "Cannot validate argument on parameter 'ResultSize'."),
        ({"Name": "a", "StartDate": "soon"}, f"{TRANSFORM}'StartDate'. Cannot convert value \"soon\""),
        (
            {"Name": "a", "SenderIPAddresses": {"Added": "b"}},
            "Cannot validate argument on parameter 'SenderIPAddresses'. A list is changed by @{Add=…; Remove=…}",
        ),
        ({"Name": "a", "SenderIPAddresses": [1]}, "Cannot validate argument on parameter 'SenderIPAddresses'. Write"),
    ],
)
def test_a_mistake_gets_the_words_of_the_shell(given: dict[str, object], text: str) -> None:
    with pytest.raises(OperationError) as refused:
        bind(Sample, given)
    assert str(refused.value).startswith(text)
    assert refused.value.parameter or isinstance(refused.value, BadParameter)


@pytest.mark.parametrize(
    ("present", "given", "expected"),
    [
        (("a", "b"), MultiValued(("c",)), ("c",)),
        (("a", "b"), MultiValued(()), ()),
        (("a", "b"), MultiValued(None, ("c", "B"), ("A",)), ("b", "c")),
        (("a",), MultiValued(("x", "X", "y")), ("x", "y")),
    ],
)
def test_a_list_is_replaced_or_changed_in_place(
    present: tuple[str, ...], given: MultiValued, expected: tuple[str, ...]
) -> None:
    assert given.applied_to(present) == expected


def test_a_projection_learns_all_of_a_parameter() -> None:
    name, kind, *_, size, force = parameters(Sample, ("name",))
    assert (name.name, name.is_required, name.position, name.description) == ("Name", True, 0, "A name.")
    assert (kind.kind, kind.choices, kind.default) == (
        ParameterKind.CHOICE,
        ("OnPremises", "Partner"),
        ConnectorType.PARTNER,
    )
    assert (size.kind, force.kind) == (ParameterKind.SIZE, ParameterKind.SWITCH)
