"""A person's own ways in: sign-ins, password, code app, passkeys."""

import re

import pyotp
import pytest

from staffetta.directory import second_factors
from staffetta.directory.sealing import KeyRing
from staffetta.directory.store import Author
from tests.unit.admin.web.browser import PASSWORD, Browser, Console
from tests.unit.operations.office import NOW


def _code(secret: str, at: float = NOW) -> str:
    return pyotp.TOTP(secret).at(int(at))


def _with_code_app(browser: Browser) -> str:
    browser.get("/account")
    form = browser.form("/account/codes")
    browser.post("/account/codes", {**form, "Code": _code(form["secret"]), "Password": PASSWORD})
    assert browser.status == 303, browser.text
    return str(form["secret"])


def _ask_code(browser: Browser) -> None:
    browser.send("/sign-in", name="ada", password=PASSWORD)
    assert (browser.status, browser.location) == (200, "")
    assert "one-time-code" in browser.text


def test_a_code_app_is_asked_for_after_the_password_and_a_code_opens_once(ada: Browser, site: Console) -> None:
    secret = _with_code_app(ada)
    assert second_factors.code_secret_of(site.office.directory, KeyRing.of(site.office.settings), "ADA") == secret
    browser = site.browser()
    _ask_code(browser)
    browser.get("/connectors")
    assert browser.location.startswith("/sign-in")
    _ask_code(browser)
    form = browser.form("/sign-in/code")
    browser.post("/sign-in/code", {**form, "code": _code(secret)})  # used up when the app was set up
    assert browser.status == 422
    assert "used already" in browser.text
    site.office.now = lambda: NOW + 30
    browser.post("/sign-in/code", {**browser.form("/sign-in/code"), "code": _code(secret, NOW + 30)})
    assert browser.status == 303
    other = site.browser()
    _ask_code(other)
    other.post("/sign-in/code", {**other.form("/sign-in/code"), "code": _code(secret, NOW + 30)})
    assert other.status == 422


@pytest.mark.parametrize("code", ["", "000000", "１２３４５６", "12345 6", "x" * 500])
def test_a_wrong_code_sets_nothing_up_and_opens_nothing(ada: Browser, site: Console, code: str) -> None:
    ada.get("/account")
    form = ada.form("/account/codes")
    ada.post("/account/codes", {**form, "Code": code, "Password": PASSWORD})
    assert ada.status == 422
    assert form["secret"] in ada.text
    assert not second_factors.has_code_app(site.office.directory, "ada")
    _with_code_app(ada)
    browser = site.browser()
    _ask_code(browser)
    browser.post("/sign-in/code", {**browser.form("/sign-in/code"), "code": code})
    assert browser.status == 422


def test_guessing_codes_is_guessing(ada: Browser, site: Console) -> None:
    _with_code_app(ada)
    browser = site.browser("192.0.2.9", "https")
    _ask_code(browser)
    form = browser.form("/sign-in/code")
    for number in range(25):
        browser.post("/sign-in/code", {**form, "code": f"{number:06}"})
    assert browser.status == 429


def test_one_code_typed_in_every_step_of_time_is_guessing_too(ada: Browser, site: Console) -> None:
    """A password that was wrong stays wrong, and a code does not: trying one for days would open in the end."""
    _with_code_app(ada)
    browser = site.browser("192.0.2.9", "https")
    _ask_code(browser)
    form = browser.form("/sign-in/code")
    for step in range(25):
        site.office.now = lambda at=NOW + 30 * step: at
        browser.post("/sign-in/code", {**form, "code": "123456"})
    assert browser.status == 429


def test_a_stolen_password_gives_no_address_codes_of_its_own_to_guess(ada: Browser, site: Console) -> None:
    _with_code_app(ada)
    for address in range(25):
        browser = site.browser(f"192.0.2.{address}", "https")
        browser.send("/sign-in", name="ada", password=PASSWORD)
        if browser.status == 429:
            break
        browser.post("/sign-in/code", {**browser.form("/sign-in/code"), "code": f"{address:06}"})
    assert browser.status == 429
    at_home = site.browser()  # where ada has signed in: nobody shuts her out there
    at_home.send("/sign-in", name="ada", password=PASSWORD)
    assert at_home.status == 200


@pytest.mark.parametrize("secret", ["JBSWY3DPEHPK3PXP", "not base32!", ""])
def test_a_secret_that_is_none_or_too_short_makes_no_code_app(ada: Browser, site: Console, secret: str) -> None:
    ada.get("/account")
    ada.post("/account/codes", {**ada.form("/account/codes"), "secret": secret, "Code": "123456", "Password": PASSWORD})
    assert ada.status == 422
    assert not second_factors.has_code_app(site.office.directory, "ada")


@pytest.mark.parametrize("part", ["password", "codes", "no-codes", "passkey", "no-passkey"])
def test_nothing_of_it_changes_without_the_password(ada: Browser, site: Console, part: str) -> None:
    secret = "" if part == "codes" else _with_code_app(ada)
    author = Author("test", "cli", "test")
    with site.office.directory.change(site.office.settings, author) as change:
        second_factors.add_passkey(change, "ada", "ring", b"\x01", b"key", 0)
    page = ada.get("/account")
    form = {"csrf": ada.form("/sign-out")["csrf"], "Password": "guess", "NewPassword": "another long password"}
    found = re.search(r'name="secret" value="(\w+)"', page)
    made = found[1] if found else secret
    ada.post(f"/account/{part}", {**form, "secret": made, "Code": _code(made), "credential": "01", "Name": "x"})
    assert ada.status == 422
    assert "Name or password is wrong." in ada.text
    assert second_factors.has_code_app(site.office.directory, "ada") == (part != "codes")
    assert len(second_factors.passkeys(site.office.directory, "ada")) == 1
    browser = site.browser()
    browser.send("/sign-in", name="ada", password=PASSWORD)
    assert browser.status in (200, 303)


def test_another_password_ends_every_other_sign_in_and_keeps_this_one(ada: Browser, site: Console) -> None:
    other = site.browser()
    other.send("/sign-in", name="ada", password=PASSWORD)
    ada.get("/account")
    ada.post("/account/password", {**ada.form("/account/password"), "Password": PASSWORD, "NewPassword": "short"})
    assert (ada.status, "12 characters" in ada.text) == (422, True)
    ada.post(
        "/account/password",
        {**ada.form("/account/password"), "Password": PASSWORD, "NewPassword": "another long password"},
    )
    assert ada.status == 303
    ada.follow()
    assert ada.status == 200
    other.get("/account")
    assert other.location.startswith("/sign-in")


def test_other_sign_ins_are_listed_and_ended(ada: Browser, site: Console) -> None:
    other = site.browser("192.0.2.44", "https")
    other.send("/sign-in", name="ada", password=PASSWORD)
    page = ada.get("/account")
    assert "192.0.2.44" in page
    ada.post("/account/end", ada.form("/account/end"))
    assert ada.status == 303
    other.get("/account")
    assert other.location.startswith("/sign-in")
    assert "192.0.2.44" not in ada.get("/account")


def test_another_administrator_resets_what_was_lost(ada: Browser, site: Console) -> None:
    _with_code_app(ada)
    rows = {row["Name"]: row for row in site.office("Get-Administrator")}
    assert rows["ada"]["HasCodeApp"] is True
    site.office("Set-Administrator", Identity="ada", ResetSecondFactors=True)
    browser = site.browser()
    browser.send("/sign-in", name="ada", password=PASSWORD)
    assert browser.status == 303


def test_no_secret_of_it_is_in_the_audit(ada: Browser, site: Console) -> None:
    secret = _with_code_app(ada)
    assert secret not in str(site.office("Search-AdminAuditLog"))
    assert "CodeApp" in str(site.office("Search-AdminAuditLog"))


@pytest.mark.parametrize("answer", ["", "{}", "[]", "null", '{"response": {"clientDataJSON": "e30"}}', "x" * 30_000])
def test_what_is_no_answer_of_a_passkey_opens_nothing(site: Console, answer: str) -> None:
    site.person("ada")
    browser = site.browser()
    browser.get("/sign-in")
    browser.post("/sign-in/passkey", {**browser.form("/sign-in/passkey"), "answer": answer})
    assert browser.status == 422
    assert "was not accepted" in browser.text
