"""InvokeCommand, in the shapes on record of Exchange's own."""

import re

import pytest

from tests.unit.admin.serving import Answer, Web

CONNECTOR = {
    "Name": "SMTP Relay",
    "ConnectorType": "OnPremises",
    "SenderDomains": "*",
    "SenderIPAddresses": "192.0.2.7",
}


def invoke(web: Web, cmdlet: str, tenant: str = "default", token: str = "all", **parameters: object) -> Answer:
    body = {"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}}
    return web("POST", f"/adminapi/beta/{tenant}/InvokeCommand", body, token=token)


def names(answer: Answer) -> list[str]:
    return [row["Name"] for row in answer.json["value"]]


def test_success_has_warnings_and_types_beside_the_values(web: Web) -> None:
    answer = invoke(web, "New-InboundConnector", **CONNECTOR)
    assert answer.status == 200
    assert list(answer.json) == ["@odata.context", "adminapi.warnings@odata.type", "@adminapi.warnings", "value"]
    assert answer.json["adminapi.warnings@odata.type"] == "#Collection(String)"
    (row,) = answer.json["value"]
    assert row["WhenCreatedUTC@data.type"] == "System.DateTime"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", row["WhenCreatedUTC"])
    assert row["RequireTls"] is False


def test_lists_are_changed_by_tagged_tables(web: Web) -> None:
    invoke(web, "New-InboundConnector", **CONNECTOR)
    for change, expected in (
        ({"Add": "192.0.2.8"}, ["192.0.2.7", "192.0.2.8"]),
        ({"Add": ["192.0.2.9"], "Remove": ["192.0.2.7"]}, ["192.0.2.8", "192.0.2.9"]),
    ):
        tagged = {"@odata.type": "#Exchange.GenericHashTable", **change}
        assert invoke(web, "Set-InboundConnector", Identity="SMTP Relay", SenderIPAddresses=tagged).status == 200
        (row,) = invoke(web, "Get-InboundConnector", Identity="SMTP Relay").json["value"]
        assert row["SenderIPAddresses"] == expected


def test_the_common_parameters_of_powershell_are_taken(web: Web) -> None:
    asked = invoke(web, "New-InboundConnector", **CONNECTOR, WhatIf=True, Confirm=False, ErrorAction="Stop")
    first, *others = asked.json["@adminapi.warnings"]
    assert first == 'What if: Performing the operation "New-InboundConnector" on target "SMTP Relay".'
    assert any("may relay to every recipient" in line for line in others)
    assert names(invoke(web, "Get-InboundConnector")) == ["Declared"]


@pytest.mark.parametrize("value", [1, "TRUE", "$true", {"IsPresent": True}, None, "yes"])
def test_what_if_in_any_form_changes_nothing(web: Web, value: object) -> None:
    assert invoke(web, "New-InboundConnector", **CONNECTOR, whatIf=value).status in (200, 400)
    assert names(invoke(web, "Get-InboundConnector")) == ["Declared"]


def test_what_is_not_there_is_404_in_exchange_s_words(web: Web) -> None:
    answer = invoke(web, "Get-InboundConnector", Identity="x")
    assert (answer.status, answer.json["error"]["code"]) == (404, "NotFound")
    (detail,) = answer.json["error"]["details"]
    number, kind, text = detail["message"].split("|")
    assert re.fullmatch(r"Ex[0-9A-F]{6}", number)
    assert kind == "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"
    assert text == "The operation couldn't be performed because object 'x' couldn't be found on 'relay.example.org'."


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({"ConnectorType": "Internal"}, "System.Management.Automation.ParameterTransformationException"),
        ({"Nothing": 1}, "System.Management.Automation.ParameterBindingException"),
        ({"SenderIPAddresses": "192.0.2.300"}, "System.InvalidOperationException"),
    ],
)
def test_a_mistake_is_400_with_type_and_text(web: Web, parameters: dict[str, object], kind: str) -> None:
    answer = invoke(web, "New-InboundConnector", **CONNECTOR | parameters)
    assert (answer.status, answer.json["error"]["code"]) == (400, "BadRequest")
    assert answer.json["error"]["details"][0]["message"].split("|")[1] == kind
    assert answer.json["error"]["innererror"]["type"] == "Microsoft.Exchange.Admin.OData.Core.ODataServiceException"


def test_an_unknown_cmdlet_gets_a_suggestion_and_the_wrong_role_403(web: Web) -> None:
    assert "Did you mean Get-InboundConnector?" in invoke(web, "Get-InboundConnectors").text
    assert invoke(web, "New-InboundConnector", token="view", **CONNECTOR).status == 403


@pytest.mark.parametrize("body", [{}, {"CmdletInput": {}}, {"CmdletInput": {"CmdletName": "x", "Parameters": None}}])
def test_a_body_of_another_shape_is_refused(web: Web, body: object) -> None:
    assert web("POST", "/adminapi/beta/default/InvokeCommand", body).status == 400


def test_the_tenant_narrows_what_is_seen(web: Web) -> None:
    assert names(invoke(web, "Get-AcceptedDomain")) == ["contoso.com", "fabrikam.com"]
    assert names(invoke(web, "Get-AcceptedDomain", "fabrikam")) == ["fabrikam.com"]
    assert names(invoke(web, "Get-AcceptedDomain", "fabrikam", "fabrikam")) == ["fabrikam.com"]
    assert invoke(web, "Get-AcceptedDomain", "default", "fabrikam").status == 404
    assert invoke(web, "Get-AcceptedDomain", "nobody").status == 404


def post(web: Web, path: str, cmdlet: str, token: str = "all", **parameters: object) -> Answer:
    body = {"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}}
    return web("POST", path, body, token=token, headers={"Prefer": "odata.maxpagesize=2"})


def next_path(answer: Answer) -> str:
    return "/" + str(answer.json["@odata.nextLink"]).split("/", 3)[3]


def make_connectors(web: Web, count: int) -> None:
    for place in range(count):
        one = {"Name": f"c{place}", "SenderIPAddresses": f"192.0.2.{place}"}
        assert invoke(web, "New-InboundConnector", **CONNECTOR | one).status == 200


def test_what_is_more_than_a_page_goes_on_at_its_link(web: Web) -> None:
    make_connectors(web, 4)
    answer = post(web, "/adminapi/beta/default/InvokeCommand", "Get-InboundConnector")
    found = names(answer)
    while "@odata.nextLink" in answer.json:
        path = next_path(answer)
        answer = post(web, path, "Get-InboundConnector")
        assert answer.json == post(web, path, "Get-InboundConnector").json  # a page may be fetched again
        assert 1 <= len(names(answer)) <= 2
        found += names(answer)
    assert found == names(invoke(web, "Get-InboundConnector"))
    assert len(found) == 5
    limited = post(web, "/adminapi/beta/default/InvokeCommand", "Get-InboundConnector", ResultSize=2)
    assert (len(names(limited)), "@odata.nextLink" in limited.json) == (2, False)


def test_a_page_is_nobody_else_s_and_for_no_other_command(web: Web) -> None:
    make_connectors(web, 3)
    path = next_path(post(web, "/adminapi/beta/default/InvokeCommand", "Get-InboundConnector"))
    assert post(web, path, "Get-InboundConnector").status == 200
    for answer in (
        post(web, path, "Get-InboundConnector", token="view"),
        post(web, path, "Get-InboundConnector", token="fabrikam"),
        post(web, path, "Get-InboundConnector", ResultSize="Unlimited"),
        post(web, path, "Get-AcceptedDomain"),
        post(web, path + "1", "Get-InboundConnector"),
        post(web, "/adminapi/beta/default/InvokeCommand?$skiptoken=x.0", "Get-InboundConnector"),
    ):
        assert answer.status in (400, 404)
        assert "value" not in answer.json
