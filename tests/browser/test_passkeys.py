"""A passkey, made and used with the authenticator that Chromium plays."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import PASSWORD, Stage
from tests.browser.visitor import Visitor, follow, visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def holder(chromium: Browser, served: Stage) -> Iterator[Visitor]:
    """Somebody with an authenticator. Passkeys are for names, so he comes to localhost."""
    found = visitor(chromium, served.address.replace("127.0.0.1", "localhost"))
    session = found.page.context.new_cdp_session(found.page)
    session.send("WebAuthn.enable")
    authenticator = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": authenticator})
    yield found
    found.page.context.close()


def test_a_passkey_signs_its_holder_in_until_it_is_removed(holder: Visitor) -> None:
    holder.sign_in("com")
    page = holder.go("/account")
    page.get_by_label("Name of the passkey").fill("key on the ring")
    page.locator("#passkey-password").fill(PASSWORD)
    follow(page.get_by_role("button", name="Add a passkey"))
    expect(page.get_by_role("status")).to_contain_text("The passkey signs you in")
    page.locator("summary", has_text="com").first.click()
    follow(page.get_by_role("button", name="Sign out").first)
    follow(page.get_by_role("button", name="Sign in with a passkey"))
    expect(page.get_by_role("navigation", name="Menu")).to_be_visible()
    page = holder.go("/account")
    page.locator("summary", has_text="key on the ring").click()
    page.locator("#no-passkey-1-password").fill(PASSWORD)
    follow(page.get_by_role("button", name="Remove"))
    expect(page.get_by_role("status")).to_contain_text("opens no more")
    holder.page.context.clear_cookies()
    page = holder.go("/sign-in")
    follow(page.get_by_role("button", name="Sign in with a passkey"))
    expect(page.get_by_role("alert").first).to_contain_text("was not accepted")
    assert holder.troubles == []
