"""The source of a message: who may read it, that it is written down, and that it is text and nothing else."""

import time

import pytest

from staffetta.admin.web.pages.source import OCTETS_SHOWN_MAX, readable
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import kept

AUDIT = {"Cmdlets": "Export-Message"}


@pytest.fixture
def site(site: Console) -> Console:
    site.office.now = time.time
    return site


def test_it_is_shown_once_asked_for_and_written_down(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    ada.get(f"/trace/source?id={queue_id}")
    assert "Subject: Hello" not in ada.text
    assert site.office("Search-AdminAuditLog", **AUDIT) == []
    page = ada.send("/trace/source", page=f"/trace/source?id={queue_id}")
    assert ada.status == 200
    assert "Subject: Hello\n\nHello\n</pre>" in page
    (row,) = site.office("Search-AdminAuditLog", **AUDIT)
    assert (row["Caller"], row["ObjectModified"], row["After"]) == ("ada", queue_id, {"Read": True})
    assert row["RunDate"]


def test_it_is_taken_along_whole_as_it_is(ada: Browser, site: Console) -> None:
    content = b"Subject: =?utf-8?q?x?=\r\n\r\n" + b"\xff\x00<b>\r\n" * 100_000  # large enough for a file of its own
    queue_id = kept(site.office.settings, "bob@contoso.com", content=content)
    ada.get(f"/trace/source?id={queue_id}")
    form = ada.form("/trace/source.eml")
    answer = ada.client.post("/trace/source.eml", data=form, headers={"Origin": str(ada.client.base_url)})
    assert answer.content == content
    assert answer.headers["content-disposition"] == f'attachment; filename="{queue_id}.eml"'
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = ada.send("/trace/source", page=f"/trace/source?id={queue_id}")
    assert f"The first {OCTETS_SHOWN_MAX} octets are shown" in page
    assert len(site.office("Search-AdminAuditLog", **AUDIT)) == 2


@pytest.mark.parametrize("group", ["Help Desk", "View-Only Organization Management"])
def test_who_may_not_read_mail_is_neither_shown_nor_led_there(site: Console, group: str) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    other = site.signed_in("hal", group)
    page = other.get(f"/trace?show={queue_id}/0")
    assert "What happened" not in page and "Accepted" in page
    assert "/trace/source" not in page
    other.get(f"/trace/source?id={queue_id}")
    assert other.status == 403
    form = {"csrf": other.form("/sign-out")["csrf"], "id": queue_id}
    for path in ("/trace/source", "/trace/source.eml"):
        assert "Subject: Hello" not in other.post(path, form)
        assert other.status == 403
    assert site.office("Search-AdminAuditLog", **AUDIT) == []


def test_compliance_reads_it_and_another_organisation_does_not(site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com", connector=None)
    cleo = site.signed_in("cleo", "Compliance Management")
    assert "Subject: Hello" in cleo.send("/trace/source", page=f"/trace/source?id={queue_id}")
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    page = fay.send("/trace/source", page=f"/trace/source?id={queue_id}")
    assert fay.status == 404 and "Subject: Hello" not in page


def test_what_is_gone_is_said_to_be_gone(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    site.office("Remove-Message", Identity=queue_id, WithNDR=False)
    assert "Its content is gone" in ada.get(f"/trace?show={queue_id}/0")
    assert "/trace/source?" not in ada.text
    page = ada.send("/trace/source", page=f"/trace/source?id={queue_id}")
    assert ada.status == 404
    assert "it is kept as long as a recipient waits" in page
    ada.send("/trace/source.eml", page=f"/trace/source?id={queue_id}")
    assert ada.status == 404


def test_markup_in_a_source_is_text(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com", content=b"Subject: </pre><script>x</script>\r\n\r\n")
    page = ada.send("/trace/source", page=f"/trace/source?id={queue_id}")
    assert "&lt;/pre&gt;&lt;script&gt;" in page and "<script>x" not in page


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"a\r\nb\tc", "a\nb\tc"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202egpj.exe".encode(), "\\u202egpj.exe"),
        (b"\x00\x1b[31m\r", "\\x00\\x1b[31m\\r"),
        ("\u00fcber".encode(), "\u00fcber"),
    ],
)
def test_each_sign_of_a_source_is_seen(octets: bytes, text: str) -> None:
    assert readable(octets) == text


def test_headers_are_analyzed_in_one_click(ada: Browser, site: Console) -> None:
    received = b"Received: from app (10.1.2.3) by relay.test with ESMTP; Fri, 3 Sep 2021 00:42:11 +0000\r\n"
    queue_id = kept(site.office.settings, "bob@contoso.com", content=received + b"Subject: Hello\r\n\r\n")
    ada.get(f"/trace?show={queue_id}/0")
    page = ada.post("/analyzer", {**ada.form("/analyzer"), "Offline": "true"})
    assert ada.status == 200 and "relay.test" in page
    (row,) = site.office("Search-AdminAuditLog", Cmdlets="Get-HeaderAnalysis")
    assert row["ObjectModified"] == queue_id
