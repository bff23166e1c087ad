"""The message trace as a file: all rows, harmless in a spreadsheet, written down, and within bounds."""

import csv
import io
import time

import pytest

from staffetta.admin.web import csv_files
from staffetta.admin.web.pages import trace_file
from staffetta.operations import tracing
from tests.unit.admin.web.browser import Browser, Console, Form
from tests.unit.operations.mail import kept
from tests.unit.trace.written import written


@pytest.fixture
def site(site: Console) -> Console:
    site.office.now = time.time
    return site


def taken(browser: Browser, query: str = "") -> list[dict[str, str]]:
    action = next(each[""] for each in Form(browser.get(f"/trace{query}")).forms if "/export.csv" in (each[""] or ""))
    browser.post(action, browser.form(action))
    assert browser.status == 200
    assert browser.text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(browser.text.removeprefix("\ufeff"))))


def test_the_file_has_what_the_search_finds(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com", "eve@outside.example", subject='Say "hello", please')
    kept(site.office.settings, "bob@contoso.com", subject="Other")
    rows = taken(ada, "?Search=subject%3Ahello")
    assert [(row["QueueId"], row["RecipientAddress"]) for row in rows] == [
        (queue_id, "bob@contoso.com"),
        (queue_id, "eve@outside.example"),
    ]
    assert (rows[0]["Subject"], rows[0]["IsOutcomeUnknown"]) == ('Say "hello", please', "false")
    assert rows[0]["Received"].endswith("Z")
    assert ada.headers["content-disposition"].startswith('attachment; filename="message-trace-')


def test_rows_follow_each_other_over_several_reads_up_to_a_bound(
    ada: Browser, site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(site.office.settings, *(f"user{number}@example.net" for number in range(25)))
    monkeypatch.setattr(trace_file, "_ROWS_OF_A_READ", 10)
    assert [row["RecipientAddress"] for row in taken(ada)] == [f"user{number}@example.net" for number in range(25)]
    monkeypatch.setattr(trace_file, "ROWS_MAX", 20)
    rows = taken(ada)
    assert len(rows) == 21
    assert rows[-1]["MessageTraceId"].startswith("Cut after 20 rows: there are more.")


def test_a_search_that_is_answered_in_pieces_is_one_file(
    ada: Browser, site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(site.office.settings.data_dir / "spool", 700, end=time.time())
    whole = taken(ada, "?span=all")
    monkeypatch.setattr(tracing, "ROWS_READ_MAX", 1)
    assert taken(ada, "?span=all") == whole
    assert len(site.office("Search-AdminAuditLog", Cmdlets="Export-MessageTrace")) == 2


def test_it_is_written_down_once_who_took_what(ada: Browser, site: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(site.office.settings, *(f"user{number}@example.net" for number in range(5)))
    monkeypatch.setattr(trace_file, "_ROWS_OF_A_READ", 2)
    taken(ada, "?Search=from%3Aada@contoso.com")
    (row,) = site.office("Search-AdminAuditLog", Cmdlets="Export-MessageTrace")
    assert (row["Caller"], row["ObjectModified"]) == ("ada", "rows")
    assert row["After"] == {"Asked": {"Search": "from:ada@contoso.com"}}


def test_a_link_takes_nothing_and_who_may_not_trace_gets_nothing(site: Console, ada: Browser) -> None:
    assert ada.client.get("/trace/export.csv").status_code in (404, 405)
    kept(site.office.settings, "bob@contoso.com")
    assert len(taken(site.signed_in("hal", "Help Desk"))) == 1
    nobody = site.signed_in("nobody")
    nobody.get("/account")
    nobody.post("/trace/export.csv", {"csrf": nobody.form("/sign-out")["csrf"]})
    assert nobody.status == 403


def test_what_cannot_be_read_is_no_file(ada: Browser, site: Console) -> None:
    ada.get("/trace")
    ada.post("/trace/export.csv?Search=status:lost", {"csrf": ada.form("/sign-out")["csrf"]})
    assert ada.status == 400
    assert site.office("Search-AdminAuditLog", Cmdlets="Export-MessageTrace") == []


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+39 06", "'+39 06"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\u202e=1", "' =1"),
        ("\r\n=cmd|' /C calc'!A0", "'  =cmd|' /C calc'!A0"),
        ("\uff1d1", "'\uff1d1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, written: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_files.lines([[text]]), newline=""))
    assert (row or [""]) == [written]


def test_a_subject_that_is_a_formula_is_text_in_the_file(ada: Browser, site: Console) -> None:
    kept(site.office.settings, "bob@contoso.com", subject='=HYPERLINK("http://evil.test")')
    assert taken(ada)[0]["Subject"] == '\'=HYPERLINK("http://evil.test")'
