"""Who gets in, and how he gets out."""

import pytest

from staffetta.directory.sign_ins import IDLE_SECONDS, LENGTH_SECONDS, new_first_code
from tests.unit.admin.web.browser import PASSWORD, Browser, Console
from tests.unit.operations.office import NOW


def test_the_one_time_code_makes_the_first_administrator_and_signs_him_in(site: Console) -> None:
    code = new_first_code(site.office.directory)
    browser = site.browser()
    browser.get("/connectors")
    assert browser.location == "/sign-in?next=%2Fconnectors"
    browser.follow()
    assert browser.location == "/first-administrator"
    browser.send("/first-administrator", code="first-wrong", name="ada", password=PASSWORD)
    assert browser.status == 422
    browser.send("/first-administrator", code=code, name="ada", password="short")
    assert (browser.status, "12 characters" in browser.text) == (422, True)
    browser.send("/first-administrator", code=code, name="ada", password=PASSWORD)
    assert (browser.status, browser.location) == (303, "/")
    assert "ada" in browser.follow()
    other = site.browser()
    other.get("/first-administrator")
    assert other.location == "/sign-in"


@pytest.mark.parametrize(("name", "password"), [("ada", "guess"), ("eve", PASSWORD), ("", ""), ("ada\0", PASSWORD)])
def test_an_unknown_name_is_told_what_a_wrong_password_is_told(site: Console, name: str, password: str) -> None:
    site.person("ada")
    browser = site.browser()
    browser.send("/sign-in", name=name, password=password)
    assert browser.status == 422
    assert "Name or password is wrong." in browser.text
    assert password not in browser.text or not password


def test_sign_in_gives_another_secret_than_the_visitor_had(site: Console) -> None:
    site.person("ada")
    browser = site.browser()
    browser.get("/sign-in")
    before = browser.client.cookies["staffetta"]
    browser.send("/sign-in", name="ada", password=PASSWORD)
    assert browser.client.cookies["staffetta"] != before


def test_the_cookie_is_for_no_script_and_no_other_site(site: Console) -> None:
    browser = site.browser()
    browser.get("/sign-in")
    cookie = browser.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie


def test_sign_out_ends_the_sign_in_for_whoever_has_its_secret(ada: Browser, site: Console) -> None:
    ada.get("/")
    secret = ada.client.cookies["staffetta"]
    ada.post("/sign-out", ada.form("/sign-out"))
    assert ada.location == "/sign-in?out=1"
    thief = site.browser()
    thief.client.cookies.set("staffetta", secret)
    thief.get("/connectors")
    assert thief.location.startswith("/sign-in")


@pytest.mark.parametrize("later", [IDLE_SECONDS + 1, LENGTH_SECONDS + 1])
def test_a_session_that_ended_is_told_and_leads_back(ada: Browser, site: Console, later: float) -> None:
    ada.get("/accepted-domains/do/New-AcceptedDomain")
    form = ada.form("/accepted-domains/do/New-AcceptedDomain")
    site.office.now = lambda: NOW + later
    ada.get("/queues?q=a")
    assert ada.location == "/sign-in?next=%2Fqueues%3Fq%3Da&ended=1"
    assert "Your session has ended" in ada.follow()
    ada.post("/accepted-domains/do/New-AcceptedDomain", {**form, "Name": "tailspin.com"})
    assert ada.status == 401
    assert "tailspin.com" not in str(site.office("Get-AcceptedDomain"))


@pytest.mark.parametrize("after", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x()"])
def test_sign_in_leads_to_our_own_pages_alone(site: Console, after: str) -> None:
    site.person("ada")
    browser = site.browser()
    browser.send("/sign-in", name="ada", password=PASSWORD, next=after)
    assert browser.location == "/"


def test_guessing_waits_longer_each_time_and_is_in_the_end_not_heard(site: Console) -> None:
    site.person("ada")
    browser = site.browser()
    browser.get("/sign-in")
    form = browser.form("/sign-in")
    for number in range(25):
        browser.post("/sign-in", {**form, "name": "ada", "password": f"guess {number}"})
    assert 20 <= len(site.pauses) < 25
    assert site.pauses == sorted(site.pauses)
    assert (site.pauses[0], site.pauses[-1]) == (1.0, 15.0)
    browser.post("/sign-in", {**form, "name": "ADA", "password": PASSWORD})
    assert browser.status == 429


def test_nobody_is_shut_out_where_he_is_at_home_by_guesses_from_elsewhere(site: Console) -> None:
    site.signed_in("ada")
    stranger = site.browser("203.0.113.9", "https")
    stranger.get("/sign-in")
    form = stranger.form("/sign-in")
    for number in range(25):
        stranger.post("/sign-in", {**form, "name": "ada", "password": f"guess {number}"})
    assert stranger.status == 429
    browser = site.browser()
    browser.send("/sign-in", name="ada", password=PASSWORD)
    assert browser.status == 303


@pytest.mark.parametrize(
    ("address", "scheme", "is_private"),
    [
        ("127.0.0.1", "http", True),
        ("::1", "http", True),
        ("192.0.2.7", "http", False),
        ("192.0.2.7", "https", True),
        ("testclient", "http", False),
    ],
)
def test_no_password_is_asked_for_where_others_could_read_it(
    site: Console, address: str, scheme: str, is_private: bool
) -> None:
    site.person("ada")
    browser = site.browser(address, scheme)
    page = browser.get("/sign-in")
    assert ('type="password"' in page) == is_private
    assert browser.status == (200 if is_private else 403)
    csrf = browser.form("/preferences")["csrf"]
    browser.post("/sign-in", {"csrf": csrf, "name": "ada", "password": PASSWORD})
    assert browser.status == (303 if is_private else 403)
    other = site.browser(address, scheme)
    other.get("/nowhere")
    csrf = other.form("/preferences")["csrf"]
    other.post("/first-administrator", {"csrf": csrf, "code": "first-x", "name": "eve", "password": PASSWORD})
    assert other.status == (422 if is_private else 403)


def test_with_tls_the_cookie_is_this_host_s_alone_and_never_sent_in_clear(site: Console) -> None:
    browser = site.browser("192.0.2.7", "https")
    browser.get("/sign-in")
    cookie = browser.headers["set-cookie"]
    assert cookie.startswith("__Host-staffetta=")
    assert "Secure" in cookie
