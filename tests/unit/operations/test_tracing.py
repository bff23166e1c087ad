"""Message trace by Exchange's cmdlets. Message numbers tell their time, so these messages are of now."""

import time
from xml.etree import ElementTree

import pytest

from staffetta.operations import tracing
from staffetta.operations.errors import OperationError
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.mail import kept
from tests.unit.operations.office import Office
from tests.unit.trace.written import START, written

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")


@pytest.fixture
def traced(office: Office) -> Office:
    office.now = time.time
    kept(office.settings, "bob@contoso.com", "eve@outside.example", subject="Monthly report")
    kept(office.settings, "eve@outside.example", sender="fay@fabrikam.com", subject="Offer", peer="192.0.2.8")
    kept(office.settings, "bob@contoso.com", sender=None, subject="Undeliverable: Offer", connector=None)
    return office


@pytest.mark.parametrize(
    ("parameters", "subjects"),
    [
        ({}, ["Undeliverable: Offer", "Offer", "Monthly report", "Monthly report"]),
        ({"SenderAddress": "FAY@fabrikam.com"}, ["Offer"]),
        ({"SenderAddress": "*@contoso.com"}, ["Monthly report", "Monthly report"]),
        ({"SenderAddress": "<>"}, ["Undeliverable: Offer"]),
        ({"RecipientAddress": "bob@contoso.com"}, ["Undeliverable: Offer", "Monthly report"]),
        ({"FromIP": "192.0.2.8"}, ["Offer"]),
        ({"ToIP": "192.0.2.9"}, []),
        ({"MessageId": "Offer@contoso.com"}, ["Offer"]),
        ({"Subject": "offer"}, ["Undeliverable: Offer", "Offer"]),
        ({"Subject": "offer", "SubjectFilterType": "StartsWith"}, ["Offer"]),
        ({"Subject": "OFFER", "SubjectFilterType": "EndsWith"}, ["Undeliverable: Offer", "Offer"]),
        ({"Subject": "%"}, []),
        ({"Search": "OFFER from:<>"}, ["Undeliverable: Offer"]),
        ({"Search": "subject:\u00d6ffer"}, []),
        ({"Search": "fay@fabrikam.com", "Connector": "smtp relay"}, ["Offer"]),
        ({"Search": "192.0.2.8", "RecipientAddress": "bob@contoso.com"}, []),
        ({"Status": "GettingStatus", "SenderAddress": "<>"}, ["Undeliverable: Offer"]),
        ({"Status": "Delivered"}, []),
        ({"Status": "Quarantined"}, []),
        ({"EndDate": "2020-01-01", "StartDate": "2019-12-01"}, []),
    ],
)
def test_messages_are_found_by_exchange_s_parameters(
    traced: Office, parameters: dict[str, object], subjects: list[str]
) -> None:
    assert [row["Subject"] for row in traced("Get-MessageTraceV2", **parameters)] == subjects


def test_a_row_has_exchange_s_properties_and_the_queue_id(traced: Office) -> None:
    (row,) = traced("Get-MessageTraceV2", Subject="Monthly", RecipientAddress="bob@contoso.com")
    assert (row["SenderAddress"], row["FromIP"], row["Status"]) == ("ada@contoso.com", "192.0.2.7", "GettingStatus")
    for identity in (row["MessageTraceId"], row["QueueId"], row["QueueId"].lower()):
        assert len(traced("Get-MessageTraceV2", MessageTraceId=identity)) == 2


def test_what_is_more_than_asked_for_comes_with_the_command_to_go_on(traced: Office) -> None:
    rows = traced("Get-MessageTraceV2", ResultSize=3)
    assert traced.warnings[0].startswith("There are more results, use the following command to get more.")
    end, recipient = traced.warnings[0].split('"')[1::2]
    more = traced("Get-MessageTraceV2", EndDate=end, StartingRecipientAddress=recipient)
    found = {(row["QueueId"], row["RecipientAddress"]) for row in (*rows, *more)}
    assert found == {(row["QueueId"], row["RecipientAddress"]) for row in traced("Get-MessageTraceV2")}


def test_pages_by_the_last_row_neither_repeat_nor_leave_out_a_row(traced: Office) -> None:
    whole = [row["RowId"] for row in traced("Get-MessageTraceV2")]
    seen: list[str] = []
    while rows := traced("Get-MessageTraceV2", ResultSize=1, **({"StartingRow": seen[-1]} if seen else {})):
        seen += [row["RowId"] for row in rows]
    assert seen == whole
    with pytest.raises(OperationError, match="is no RowId"):
        traced("Get-MessageTraceV2", StartingRow="x/1")


def test_letters_beyond_ascii_are_found_in_any_case(office: Office) -> None:
    office.now = time.time
    kept(office.settings, "bob@contoso.com", subject="\u00dcbersicht")
    assert len(office("Get-MessageTraceV2", Search="subject:\u00fcBERSICHT")) == 1


def test_a_search_that_would_take_too_long_says_how_far_back_it_has_been(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "ROWS_READ_MAX", 1)
    office.now = lambda: START
    written(office.settings.data_dir / "spool", 700)
    asked: dict[str, object] = {"Search": "connector:nothing", "StartDate": "2026-01-01"}
    result = office.result("Get-MessageTraceV2", **asked)
    assert result.unread is not None
    assert not result.rows
    (warning,) = office.warnings
    assert f"before {result.unread.before:%Y-%m-%d %H:%M} UTC were not looked at yet" in warning
    assert warning.endswith(f'Get-MessageTraceV2 -StartingRow "{result.unread.after}"')
    rest = office.result("Get-MessageTraceV2", StartingRow=result.unread.after, **asked)
    assert (rest.unread, office.warnings) == (None, ())
    newest = office.result("Get-MessageTraceV2", StartDate="2026-01-01", ResultSize=10)
    assert (len(newest.rows), newest.unread) == (10, None)


def test_messages_are_found_by_the_next_hop_that_was_tried_last(office: Office) -> None:
    office.now = lambda: START
    written(office.settings.data_dir / "spool", 30)
    rows = office("Get-MessageTraceV2", ToIP="mx1.example.net", StartDate="2026-01-01")
    assert {row["ToIP"] for row in rows} == {"mx1.example.net"}
    every = office("Get-MessageTraceV2", StartDate="2026-01-01")
    assert len(rows) == sum(row["ToIP"] == "mx1.example.net" for row in every)


def test_the_detail_tells_the_connector(traced: Office) -> None:
    (row,) = traced("Get-MessageTraceV2", Subject="Monthly", RecipientAddress="bob@contoso.com")
    (event,) = traced(
        "Get-MessageTraceDetailV2", MessageTraceId=row["MessageTraceId"], RecipientAddress="BOB@contoso.com"
    )
    assert (event["Event"], event["MessageId"]) == ("Receive", "<Monthly report@contoso.com>")
    assert "SMTP Relay" in event["Detail"]
    named = {each.get("Name"): each.get("String") for each in ElementTree.fromstring(event["Data"])}
    assert named == {"ConnectorId": "SMTP Relay", "Helo": '"<&'}


def test_what_is_no_trace_id_is_told_so(traced: Office) -> None:
    with pytest.raises(OperationError, match="neither a trace id nor a queue id"):
        traced("Get-MessageTraceV2", MessageTraceId="x")


def test_an_organization_traces_its_own_mail_alone(traced: Office) -> None:
    assert [row["Subject"] for row in traced("Get-MessageTraceV2", FABRIKAM)] == ["Offer"]
    (row,) = traced("Get-MessageTraceV2", SenderAddress="<>")
    assert traced("Get-MessageTraceDetailV2", FABRIKAM, **detail_of(row)) == []
    assert len(traced("Get-MessageTraceDetailV2", **detail_of(row))) == 1


def detail_of(row: dict[str, object]) -> dict[str, object]:
    return {name: row[name] for name in ("MessageTraceId", "RecipientAddress")}


def test_nothing_is_traced_where_no_relay_has_ever_run(office: Office) -> None:
    assert office("Get-MessageTraceV2") == []
    assert office("Get-Queue") == []
    assert office("Get-Message") == []
