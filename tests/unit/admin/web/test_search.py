"""One field finds whatever has a name, and shows nobody what he may not list."""

import re

from staffetta.admin.web.pages.search import SHOWN_MAX
from tests.unit.admin.web.browser import Browser, Console


def test_pages_objects_and_settings_are_found(ada: Browser, site: Console) -> None:
    site.office("New-InboundConnector", Name="Printers", SenderDomains=["*"], SenderIPAddresses=["192.0.2.9"])
    assert '/connectors?show=Printers"' in ada.get("/search?q=192.0.2.9")
    assert 'href="/queues"' in ada.get("/search?q=queues")
    assert "queue.expire_seconds" in ada.get("/search?q=expire+seconds")
    assert "Nothing has this name" in ada.get("/search?q=nothing-of-the-kind")
    assert "Type a name" in ada.get("/search")


def test_more_than_a_few_lead_to_their_list(ada: Browser, site: Console) -> None:
    for number in range(SHOWN_MAX + 2):
        site.office("New-AcceptedDomain", Name=f"d{number}.tailspin.com")
    page = ada.get("/search?q=tailspin")
    assert len(re.findall(r"show=d\d", page)) == SHOWN_MAX
    assert "/accepted-domains?q=tailspin" in page


def test_nobody_finds_what_he_may_not_list(site: Console) -> None:
    site.office("New-InboundConnector", Name="Printers", SenderDomains=["*"], SenderIPAddresses=["192.0.2.9"])
    hel = site.signed_in("hel", "Help Desk")
    assert "show=Printers" not in hel.get("/search?q=Printers")
    assert hel.status == 200
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    assert "show=Printers" not in fay.get("/search?q=Printers")
    page = fay.get("/search?q=.com")
    assert "show=fabrikam.com" in page
    assert "show=contoso.com" not in page


def test_what_was_typed_is_shown_as_text(ada: Browser) -> None:
    page = ada.get("/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page
