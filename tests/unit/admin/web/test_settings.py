"""Settings with search, each with what to write; and the audit with what a change changed."""

from staffetta.admin.web.pages.audit import differences
from tests.unit.admin.web.browser import Browser, Console


def test_settings_are_searched_and_say_what_to_write(ada: Browser) -> None:
    page = ada.get("/settings?q=message_octets_max")
    assert ada.status == 200
    assert "limits.message_octets_max" in page
    assert "queue.expire_seconds" not in page
    panel = ada.get("/settings?q=octets&show=limits.message_octets_max").split('class="fly-out"')[1]
    assert "[limits] message_octets_max = …" in panel


def test_what_the_console_can_change_leads_to_where_it_is_changed(ada: Browser) -> None:
    assert 'href="/settings/do/Set-TransportConfig"' in ada.get("/settings")
    assert 'href="/accepted-domains"' in ada.get("/settings?show=accepted_domains").split('class="fly-out"')[1]


def test_pages_of_settings_keep_the_words(ada: Browser) -> None:
    page = ada.get("/settings?q=a")
    assert "?q=a&amp;page=2" in page or "?page=2&amp;q=a" in page


def test_an_organization_s_administrator_sees_its_own_switches_alone(site: Console) -> None:
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    page = fay.get("/settings")
    assert fay.status == 200
    assert "SMTP client authentication disabled" in page
    assert "limits." not in page


def test_a_change_is_shown_with_what_it_was_before(ada: Browser) -> None:
    ada.send("/accepted-domains/do/New-AcceptedDomain", Name="tailspin.test")
    ada.send("/accepted-domains/do/Set-AcceptedDomain?id=tailspin.test", DomainType="InternalRelay")
    page = ada.get("/audit?Cmdlets=Set-AcceptedDomain")
    show = page.split('class="row-link" href="')[1].split('"')[0].replace("&amp;", "&")
    panel = ada.get(f"/audit{show}").split('class="fly-out"')[1]
    assert "Authoritative" in panel.split('class="was"')[1].split("</td>")[0]
    assert "InternalRelay" in panel.split('class="now"')[1].split("</td>")[0]
    assert panel.count('class="was"') == 1
    assert "/audit?ObjectIds=tailspin.test" in panel


def test_only_what_differs_is_a_difference() -> None:
    assert differences({"A": 1, "B": [], "C": "x"}, {"A": 2, "C": "x", "D": None}) == [("A", 1, 2)]
    assert differences(None, {"A": 1}) == [("A", None, 1)]
    assert differences({"A": 1}, None) == [("A", 1, None)]


def test_an_empty_audit_and_a_filter_that_finds_nothing_say_so(ada: Browser) -> None:
    assert "Nothing matches this filter" in ada.get("/audit?ObjectIds=nobody")
    assert "field-StartDate-error" in ada.get("/audit?StartDate=yesterday")
