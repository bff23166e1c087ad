"""Every page, for whom it is not."""

import pytest
from starlette.testclient import TestClient

from staffetta.admin.web.headers import CONTENT_SECURITY_POLICY
from staffetta.admin.web.menu import entries
from staffetta.admin.web.site import pages
from staffetta.operations.registry import operations
from tests.unit.admin.web.browser import Browser, Console

NEW = "/accepted-domains/do/New-AcceptedDomain"
ROUTES = sorted(
    {(page.path.replace("{cmdlet}", "New-AcceptedDomain"), way) for page in pages() for way in page.methods}
)
OPEN = {page.path for page in pages() if page.is_open}


def test_no_page_is_shown_and_no_form_taken_before_sign_in(site: Console) -> None:
    site.person("ada")
    browser = site.browser()
    for path, method in ROUTES:
        if path in OPEN:
            continue
        if method == "GET":
            browser.get(path)
            assert browser.location.startswith("/sign-in?next="), path
        else:
            browser.post(path)
            assert browser.status == 401, path


@pytest.mark.parametrize(
    "wrong",
    [
        {"csrf": ""},
        {"csrf": "0" * 64},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_not_taken(ada: Browser, wrong: dict[str, str]) -> None:
    ada.get("/")
    csrf = wrong.get("csrf", ada.form("/preferences")["csrf"])
    headers = {name: value for name, value in wrong.items() if name != "csrf"}
    for path, method in ROUTES:
        if method == "POST":
            ada.post(path, {"csrf": csrf, "Name": "tailspin.com", "name": "ada", "theme": "dark"}, **headers)
            assert (ada.status, "set-cookie" in ada.headers) == (403, False), path


@pytest.mark.parametrize(
    ("groups", "path", "may"),
    [
        ((), "/connectors", False),
        (("Help Desk",), "/connectors", False),
        (("Help Desk",), "/queues", True),
        (("Help Desk",), "/audit", False),
        (("Compliance Management",), "/audit", True),
        (("View-Only Organization Management",), "/connectors", True),
        (("View-Only Organization Management",), NEW, False),
        (("View-Only Organization Management",), "/audit", False),
    ],
)
def test_a_page_is_for_the_roles_of_its_operation(site: Console, groups: tuple[str, ...], path: str, may: bool) -> None:
    browser = site.signed_in("vic", *groups)
    browser.get(path)
    assert browser.status == (200 if may else 403)
    menu = browser.get("/sign-in") if not groups else browser.text
    assert (f'href="{path}"' in menu) == (may and path != NEW)


def test_who_has_no_role_sees_his_account_and_nothing_of_the_relay(site: Console) -> None:
    nobody = site.signed_in("nobody")
    seen: dict[str, str] = {}
    for path, method in ROUTES:
        if method == "GET" and path not in OPEN:
            page = nobody.get(path)
            assert nobody.status < 500, path
            seen |= {path: page} if nobody.status == 200 else {}
    assert seen.keys() <= {"/", "/account", "/search", "/connectors/check"}
    told = "".join([*seen.values(), nobody.get("/search?q=com")])
    assert "relay.example.org" not in told
    assert "show=" not in told


@pytest.mark.parametrize("group", ["View-Only Organization Management", "Help Desk", "Compliance Management"])
def test_no_role_does_by_a_form_what_its_operations_do_not_allow(site: Console, group: str) -> None:
    somebody = site.signed_in("vic", group)
    somebody.get("/account")
    csrf = somebody.form("/sign-out")["csrf"]
    tried = 0
    for entry in entries():
        for operation in operations():
            is_there = entry.operation is not None and operation.noun == entry.operation.noun
            if is_there and operation.is_change and not any(role == group for role in operation.roles):
                form = {each.name: "contoso.com" for each in operation.parameters}
                somebody.post(f"{entry.path}/do/{operation.name}", {"csrf": csrf, "id": "contoso.com", **form})
                assert somebody.status in (403, 404), operation.name
                tried += 1
    assert tried > 10
    by_vic = [row["CmdletName"] for row in site.office("Search-AdminAuditLog") if row["Caller"] == "vic"]
    assert set(by_vic) == {"Sign-In"}


def test_who_may_not_change_is_offered_no_change_and_none_is_taken(site: Console) -> None:
    vic = site.signed_in("vic", "View-Only Organization Management")
    page = vic.get("/accepted-domains?show=contoso.com")
    assert "/do/" not in page
    vic.post(NEW, {"csrf": vic.form("/sign-out")["csrf"], "Name": "tailspin.com"})
    assert vic.status == 403
    assert "tailspin" not in str(site.office("Get-AcceptedDomain"))


def test_an_organisation_s_administrator_sees_nothing_of_others(site: Console) -> None:
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    page = fay.get("/accepted-domains")
    assert "fabrikam.com" in page
    assert "contoso.com" not in page
    fay.get("/accepted-domains/do/Set-AcceptedDomain?id=contoso.com")
    assert fay.status == 404


def test_who_sees_all_may_look_at_one_organisation(ada: Browser) -> None:
    ada.get("/accepted-domains")
    ada.post("/preferences", {**ada.form("/preferences"), "organization": "fabrikam"})
    page = ada.get("/accepted-domains")
    assert "fabrikam.com" in page
    assert "contoso.com" not in page


def test_an_organisation_s_administrator_cannot_choose_another(site: Console) -> None:
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    fay.client.cookies.set("staffetta-organization", "default")
    assert "contoso.com" not in fay.get("/accepted-domains")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/accepted-domains", "/connectors/do/Remove-Everything"])
def test_every_answer_forbids_foreign_content_and_frames(site: Console, ada: Browser, path: str) -> None:
    for browser in (ada, site.browser()):
        browser.get(path)
        assert browser.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert browser.headers["x-frame-options"] == "DENY"
        assert browser.headers["x-content-type-options"] == "nosniff"
        assert browser.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/nowhere", "/static/0/../../secret", "/connectors/do/Get-InboundConnector"])
def test_what_is_not_there_has_a_page_that_says_so(ada: Browser, path: str) -> None:
    page = ada.get(path)
    assert ada.status == 404
    assert "<main" in page


def test_a_program_that_asks_for_what_is_not_there_gets_no_page(site: Console) -> None:
    browser = site.browser()
    assert "application/problem+json" in str(browser.client.get("/nowhere").headers["content-type"])


def test_a_form_that_is_too_large_is_refused(ada: Browser) -> None:
    ada.get("/")
    ada.post("/analyzer", {"csrf": ada.form("/sign-out")["csrf"], "Headers": "x" * 5_000_000})
    assert ada.status == 413


def test_static_files_are_kept_for_ever_under_the_hash_of_their_content(site: Console) -> None:
    browser = site.browser()
    page = browser.get("/first-administrator")
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    browser.get(address)
    assert browser.status == 200
    assert "immutable" in browser.headers["cache-control"]
    browser.get(address.replace("/static/", "/static/0"))
    assert browser.status == 404


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/accepted-domains"])
def test_a_directory_that_cannot_be_used_is_told_and_signs_nobody_out(ada: Browser, site: Console, path: str) -> None:
    ada.get("/")
    site.office.directory.close()
    page = ada.get(path)
    assert ada.status == 503
    assert "cannot be used" in page or "is damaged" in page
    assert "set-cookie" not in ada.headers


def test_a_mistake_of_ours_is_answered_without_its_words(ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the inside of the relay")

    monkeypatch.setattr("staffetta.admin.web.page.menu_of", broken)
    ada.client = TestClient(ada.client.app, raise_server_exceptions=False, cookies=ada.client.cookies)
    page = ada.get("/queues")
    assert ada.status == 500
    assert "inside of the relay" not in page
    assert ada.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7", "utf-16", "no-such-thing", ""])
def test_no_codec_that_a_sender_names_is_run(site: Console, charset: str) -> None:
    """Four megabytes of punycode took minutes, in the event loop that carries the mail, for whoever could connect."""
    browser = site.browser()
    part = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\\ud800\r\n--b--\r\n'
    content_type = f"multipart/form-data; boundary=b; charset={charset}"
    answer = browser.client.post("/sign-in", content=part, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert "is not UTF-8" in answer.text


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"'])
def test_a_form_in_utf_8_is_read(ada: Browser, charset: str) -> None:
    ada.get("/")
    csrf = ada.form("/preferences")["csrf"]
    part = f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n--b--\r\n'.encode()
    headers = {"Content-Type": f"multipart/form-data; boundary=b{charset}"}
    assert ada.client.post("/preferences", content=part, headers=headers, follow_redirects=False).status_code == 303


def test_a_stranger_sends_no_large_form(site: Console) -> None:
    site.person("ada")
    browser = site.browser()
    browser.send("/sign-in", name="ada", password="x" * 70_000)
    assert browser.status == 413
