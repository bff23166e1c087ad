"""Pages made of the registry alone."""

import re

import pytest
from markupsafe import escape

from staffetta.admin.web.menu import Entry, entries
from tests.unit.admin.web.browser import Browser, Console

NEW = "/accepted-domains/do/New-AcceptedDomain"
SET = "/accepted-domains/do/Set-AcceptedDomain"


@pytest.mark.parametrize("path", [entry.path for entry in entries() if entry.operation])
def test_every_entry_of_the_menu_has_a_page_and_every_form_on_it(ada: Browser, path: str) -> None:
    page = ada.get(path)
    assert ada.status == 200
    assert f'href="{path}" aria-current="page"' in page
    for link in set(re.findall(r'href="([^"?]*/do/[^"?]*)"', page)):
        ada.get(link)
        assert ada.status == 200, link


def test_what_is_made_by_a_form_is_in_the_list_and_its_details_beside_it(ada: Browser) -> None:
    ada.send(NEW, Name="tailspin.com", Recipients="a@tailspin.com\r\nb@tailspin.com")
    assert ada.status == 303, ada.text
    page = ada.follow()
    assert "Done: New-AcceptedDomain" in page
    ada.get("/accepted-domains?show=tailspin.com")
    assert "b@tailspin.com" in ada.text
    assert "Get-AcceptedDomain -Identity tailspin.com" in ada.text


def test_an_error_stands_beside_its_field_and_what_was_typed_is_kept(ada: Browser) -> None:
    ada.send(NEW, Name="not a domain", MatchSubDomains="true")
    assert ada.status == 422
    assert 'id="field-DomainName-error"' in ada.text
    form = ada.form(NEW)
    assert (form["Name"], form["MatchSubDomains"]) == ("not a domain", "true")


def test_a_form_that_is_sent_twice_is_carried_out_once(ada: Browser, site: Console) -> None:
    ada.get(NEW)
    form = {**ada.form(NEW), "Name": "tailspin.com"}
    ada.post(NEW, form)
    first = ada.location
    ada.post(NEW, form)
    assert (ada.status, ada.location) == (303, first)
    made = [row for row in site.office("Search-AdminAuditLog") if row["CmdletName"] == "New-AcceptedDomain"]
    assert len(made) == 1


def test_a_form_that_failed_may_be_sent_again(ada: Browser) -> None:
    ada.get(NEW)
    form = ada.form(NEW)
    ada.post(NEW, {**form, "Name": "not a domain"})
    assert ada.status == 422
    ada.post(NEW, {**form, "Name": "tailspin.com"})
    assert ada.status == 303


def test_a_change_sends_what_was_changed_and_nothing_else(ada: Browser, site: Console) -> None:
    ada.send(NEW, Name="tailspin.com", Recipients="a@tailspin.com")
    ada.send(SET, f"{SET}?id=tailspin.com", MatchSubDomains="true")
    assert (ada.status, ada.location) == (303, "/accepted-domains?show=tailspin.com")
    (row,) = [each for each in site.office("Search-AdminAuditLog") if each["CmdletName"] == "Set-AcceptedDomain"]
    changed = {name for name, value in row["After"].items() if value != row["Before"][name]}
    assert changed == {"IncludeSubdomains"}
    assert row["Source"] == "console"


def test_the_second_of_two_tabs_is_told_and_writes_only_when_it_says_so(ada: Browser, site: Console) -> None:
    ada.send(NEW, Name="tailspin.com", Recipients="a@tailspin.com")
    ada.get(f"{SET}?id=tailspin.com")
    second = ada.form(SET)
    ada.send(SET, f"{SET}?id=tailspin.com", Recipients="first@tailspin.com")
    ada.post(SET, {**second, "Recipients": "second@tailspin.com"})
    assert ada.status == 409
    assert "first@tailspin.com" in ada.text
    assert "second@tailspin.com" in ada.text
    assert "second@tailspin.com" not in str(site.office("Get-AcceptedDomain"))
    ada.post(SET, ada.form(SET))
    assert ada.status == 303
    assert "second@tailspin.com" in str(site.office("Get-AcceptedDomain"))


def test_several_are_removed_after_they_were_shown(ada: Browser, site: Console) -> None:
    for name in ("a.example", "b.example"):
        ada.send(NEW, Name=name)
    remove = "/accepted-domains/do/Remove-AcceptedDomain"
    page = ada.get("/accepted-domains")
    assert f'formaction="{remove}"' in page
    assert 'name="id" value="a.example" form="chosen"' in page
    assert 'name="Identity"' not in page
    ada.get(f"{remove}?id=a.example&id=b.example")
    assert "2 objects" in ada.text
    form = ada.form(remove)
    ada.post(remove, {**form, "id": ["a.example", "b.example"]})
    assert ada.status == 303
    assert ".example'" not in str([row["Name"] for row in site.office("Get-AcceptedDomain")])


def test_a_command_is_shown_without_anything_being_done(ada: Browser, site: Console) -> None:
    ada.send(NEW, Name="tailspin.com", step="command")
    assert ada.status == 200
    assert "New-AcceptedDomain -Name tailspin.com" in ada.text
    assert "tailspin" not in str(site.office("Get-AcceptedDomain"))


@pytest.mark.parametrize("entry", [each for each in entries() if each.operation and each.operation.is_change])
def test_what_has_an_effect_is_not_done_by_following_a_link(ada: Browser, entry: Entry) -> None:
    assert entry.operation is not None
    page = ada.get(f"{entry.path}?" + "&".join(f"{each.name}=1" for each in entry.operation.parameters))
    assert ada.status == 200
    assert f'method="post" action="{entry.path}"' in page


def test_a_secret_is_shown_once(ada: Browser) -> None:
    ada.send("/tokens/do/New-ApiToken", Name="monitoring", Roles="Help Desk")
    assert ada.status == 303, ada.text
    once = ada.follow()
    assert "it is shown this once" in once
    assert "it is shown this once" not in ada.get("/tokens")


def test_a_list_is_filtered_sorted_and_keeps_both_in_its_links(ada: Browser) -> None:
    for name in ("a.tailspin.com", "b.tailspin.com"):
        ada.send(NEW, Name=name)
    page = ada.get("/accepted-domains?q=TAILSPIN&sort=-Name")
    assert page.index("show=b.tailspin.com") < page.index("show=a.tailspin.com")
    assert "show=contoso.com" not in page
    assert "q=TAILSPIN&amp;sort=-Name&amp;show=a.tailspin.com" in page


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\u202egpj.exe", "x" * 5000, "'\"><img src=x>"])
def test_markup_directions_and_long_values_are_shown_safely(ada: Browser, text: str) -> None:
    new = "/connectors/do/New-InboundConnector"
    ada.send(new, Name="odd", SenderDomains="*", SenderIPAddresses="192.0.2.9", Comment=text)
    assert ada.status == 303, ada.text
    page = ada.get("/connectors?show=odd")
    assert f"<bdi>{escape(text)}</bdi>" in page or f'<bdi class="whole">{escape(text)}</bdi>' in page
    assert (text in page) == (escape(text) == text)
