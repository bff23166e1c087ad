"""People and tokens: added with a role at once, helped where something is lost; what is secret is shown once."""

import re

import pytest

from tests.unit.admin.web.browser import Browser, Console

ACT = "/people/act"


def person(site: Console, name: str) -> dict[str, object]:
    (row,) = site.office("Get-Administrator", Identity=name)
    return row


def do(browser: Browser, name: str, what: str, value: str = "") -> str:
    """Press the button in the panel of somebody."""
    browser.get(f"/people?show={name}")
    browser.post(ACT, {**browser.form(ACT), "once": f"{what} {value} {name}", "id": name, "value": value, "do": what})
    return browser.follow()


def test_somebody_is_added_with_a_role_and_his_password_is_shown_once(ada: Browser, site: Console) -> None:
    ada.send("/people/invite", Name="bea", Group="Help Desk")
    assert ada.location == "/people?show=bea"
    page = ada.follow()
    password = re.search(r"<dt>Password</dt><dd><bdi>([^<]+)</bdi>", page)
    assert password is not None
    assert "He has no role yet" not in page
    assert person(site, "bea")["Roles"] == ["Help Desk"]
    assert password[1] not in ada.get("/people?show=bea")
    other = site.browser()
    other.send("/sign-in", name="bea", password=password[1])
    assert other.location == "/"


def test_who_is_there_already_is_told_beside_the_name(ada: Browser, site: Console) -> None:
    site.person("bea")
    page = ada.send("/people/invite", Name="bea", Group="Help Desk")
    assert ada.status in (409, 422)
    assert "There is" in page or "already" in page
    assert 'value="Help Desk" checked' in page


def test_roles_come_and_go(ada: Browser, site: Console) -> None:
    site.person("bea")
    assert "may do nothing" in ada.get("/people?show=bea")
    assert "He is in the role group from now on." in do(ada, "bea", "join", "Help Desk")
    assert person(site, "bea")["Roles"] == ["Help Desk"]
    do(ada, "bea", "leave", "Help Desk")
    assert person(site, "bea")["Roles"] == []


def test_a_new_password_ends_the_sign_ins(ada: Browser, site: Console) -> None:
    bea = site.signed_in("bea", "Help Desk")
    panel = ada.get("/people?show=bea")
    assert "Where he is signed in" in panel and "Nowhere." not in panel
    page = do(ada, "bea", "password")
    assert "He has a new password" in page and "<dt>Password</dt>" in page
    bea.get("/queues")
    assert bea.status == 303
    assert "Nowhere." in ada.get("/people?show=bea")


def test_one_sign_in_is_ended(ada: Browser, site: Console) -> None:
    bea = site.signed_in("bea", "Help Desk")
    (row,) = site.office("Get-SignIn", Administrator="bea")
    assert "The sign-in has ended." in do(ada, "bea", "end", row["Identity"])
    bea.get("/queues")
    assert bea.status == 303


def test_the_second_factors_are_forgotten(ada: Browser, site: Console) -> None:
    site.person("bea")
    assert "No code is asked for any more" in do(ada, "bea", "factors")


def test_somebody_is_shut_out_and_let_in_again(ada: Browser, site: Console) -> None:
    site.person("bea")
    for to, enabled in (("off", False), ("on", True)):
        ada.get(f"/people/switch?id=bea&to={to}")
        ada.post("/people/switch", ada.form("/people/switch"))
        assert person(site, "bea")["Enabled"] is enabled


def test_who_may_only_look_is_offered_nothing_and_can_do_nothing(ada: Browser, site: Console) -> None:
    site.person("bea")
    viewer = site.signed_in("vic", "View-Only Organization Management")
    page = viewer.get("/people?show=bea")
    assert 'action="/people/act"' not in page and "/people/invite" not in page
    viewer.get("/people/invite")
    assert viewer.status == 403
    csrf = viewer.form("/sign-out")["csrf"] if 'action="/sign-out"' in viewer.text else ""
    viewer.post(ACT, {"csrf": csrf, "id": "bea", "do": "password", "value": ""})
    assert viewer.status == 403


@pytest.mark.parametrize("what", ["", "other"])
def test_what_is_no_deed_does_nothing(ada: Browser, site: Console, what: str) -> None:
    site.person("bea")
    before = person(site, "bea")
    do(ada, "bea", what)
    assert person(site, "bea") == before


def test_a_token_has_roles_and_an_end_and_is_shown_once(ada: Browser, site: Console) -> None:
    ada.send("/tokens/do/New-ApiToken", Name="monitoring", Roles="Help Desk", Days="30")
    page = ada.follow()
    token = re.search(r"<dt>Token</dt><dd><bdi>([^<]+)</bdi>", page)
    assert token is not None
    (row,) = site.office("Get-ApiToken", Identity="monitoring")
    assert row["Roles"] == ["Help Desk"]
    assert token[1] not in ada.get("/tokens?show=monitoring")


def test_a_token_without_a_role_is_refused_beside_the_roles(ada: Browser) -> None:
    page = ada.send("/tokens/do/New-ApiToken", Name="monitoring", Days="30")
    assert ada.status == 422
    assert 'id="field-Roles-error"' in page
    assert 'value="monitoring"' in page


def test_days_that_are_none_are_told_beside_the_field(ada: Browser) -> None:
    page = ada.send("/tokens/do/New-ApiToken", Name="monitoring", Roles="Help Desk", Days="many")
    assert ada.status == 422
    assert 'id="field-Days-error"' in page


def test_somebody_is_given_one_organisation_alone(ada: Browser, site: Console) -> None:
    site.office("New-Organization", Name="tailspin")
    assert '<option value="tailspin">' in ada.get("/people/invite")
    ada.send("/people/invite", Name="bea", Group="Help Desk", Organization="tailspin")
    assert person(site, "bea")["Organization"] == "tailspin"
    ada.send("/tokens/do/New-ApiToken", Name="theirs", Roles="Help Desk", Organization="tailspin")
    assert site.office("Get-ApiToken", Identity="theirs")[0]["Organization"] == "tailspin"
