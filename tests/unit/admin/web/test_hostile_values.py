"""Names, comments, subjects, addresses and headers as somebody would write them who means no good, on every page.

What is looked for is found by a parser, as a browser reads the page: no element and no attribute comes from a value, no
address that runs anything, and a mark that turns the direction of text stays within its <bdi>.
"""

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from staffetta.admin.web.menu import entries
from staffetta.operations.errors import OperationError
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.admin.web.test_refused import refusal
from tests.unit.operations.mail import kept, refused

TURN = "\u202e"
HOSTILE = {
    "element": "<evil onclick=evil()>x</evil>",
    "attribute": "\" evil='1' onfocus=\"evil()\" '",
    "comment": "--><evil></evil><!--",
    "end of a text": "</textarea></title></script><evil></evil>",
    "template": "{{ 7 * 7 }}{% evil %}%(evil)s{evil}",
    "direction": f"{TURN}gpj.exe\u2066\u200f",
    "length": "lang" * 600,
    "address": "javascript:evil()",
    "signs": "\u0007\ud7ff\ufeff\u2028&amp;lt;evil&gt;",
    "nothing": " ",
}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_ADDRESSES = ("href", "src", "action", "formaction")
_TEXT_ALONE = {"title", "textarea", "option", "script", "style"}
"""Elements in which nothing but text can stand; browsers isolate what is in them."""


class Page(HTMLParser):
    """What a page holds that came from a value and must not."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.stack.append(tag)
        if tag == "evil":
            self.wrong.append("an element")
        for name, value in attrs:
            if name == "evil" or name.startswith("on"):
                self.wrong.append(f"attribute {name} of {tag}")
            if name in _ADDRESSES and (value or "").strip().lower().startswith("javascript:"):
                self.wrong.append(f"{name} of {tag}: {value}")

    def handle_endtag(self, tag: str) -> None:
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if TURN in data and not {"bdi", "pre", *_TEXT_ALONE} & set(self.stack):
            self.wrong.append(f"direction is turned in {'/'.join(self.stack[-4:])}: {data[:60]!r}")
        if "49" in data and "evil" in data:
            self.wrong.append("a template was read")


@pytest.fixture
def site(site: Console) -> Console:
    site.office.now = time.time
    return site


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_value_is_more_than_a_value_on_any_page(ada: Browser, site: Console, text: str) -> None:
    keys = fill(site, text)
    for path in paths(text, keys):
        page = ada.get(path)
        assert ada.status < 500, path
        assert Page(page).wrong == [], path


def fill(site: Console, text: str) -> dict[str, list[str]]:
    """Make one of everything with the value where it is taken; return the names under which the lists show them."""
    office = site.office
    wanted = (
        ("New-InboundConnector", {"Name": text, "SenderDomains": "*", "SenderIPAddresses": "192.0.2.9"}),
        ("New-InboundConnector", {"Name": "In", "SenderDomains": "*", "SenderIPAddresses": "192.0.2.8"}),
        ("Set-InboundConnector", {"Identity": "In", "Comment": text}),
        ("New-OutboundConnector", {"Name": text, "RecipientDomains": "a.test", "Comment": text}),
        ("New-OutboundConnector", {"Name": "Out", "RecipientDomains": "b.test", "Comment": text}),
        ("New-RouteRule", {"Name": text, "Route": office.settings.routes[0].name, "OctetsMin": "1000000"}),
        ("New-SmtpAccount", {"UserName": text}),
        ("New-SmtpAccount", {"UserName": "scanner", "Comment": text}),
        ("New-Administrator", {"Name": text}),
        ("New-RoleGroup", {"Name": text, "Roles": "Help Desk"}),
        ("New-ApiToken", {"Name": text, "Roles": "Help Desk"}),
        ("New-Organization", {"Name": text}),
    )
    for cmdlet, parameters in wanted:
        try:
            office(cmdlet, **parameters)
        except OperationError:  # a name that cannot be is refused, which is as safe
            continue
    kept(office.settings, "bob@contoso.com", subject=text, connector=text)
    kept(office.settings, "bob@contoso.com", subject=text, sender=None)
    refused(office.settings, refusal("192.0.2.77", sender=text, certificate_names=text, nearest_connector=text))
    refused(office.settings, refusal("192.0.2.78", reason=text or "odd", trouble=text))
    return {"/connectors": ["In", text], "/outbound-connectors": ["Out", text]}


def paths(text: str, keys: dict[str, list[str]]) -> Iterator[str]:
    """Every page of the menu, filtered by the value and opened at it; and pages that take it in their address."""
    for entry in entries():
        if entry.operation is None or entry.path in ("/doctor", "/certificates"):
            continue
        yield entry.path
        yield f"{entry.path}?{urlencode({'q': text, 'show': text})}"
        for key in keys.get(entry.path, ()):
            yield f"{entry.path}?{urlencode({'show': key})}"
    yield f"/search?{urlencode({'q': text})}"
    yield f"/trace?{urlencode({'Search': text})}"
    yield f"/trace?{urlencode({'Subject': text})}"
    for need in ("printer", "mailbox"):
        yield f"/connectors/add?{urlencode({'Need': need, 'Name': text, 'Comment': text})}"
    yield f"/connectors/check?{urlencode({'name': 'SenderIPAddresses', 'value': text})}"
    yield f"/connectors/edit?{urlencode({'id': 'In', 'step': 'name'})}"
    yield f"/connectors/created?{urlencode({'id': 'In'})}"
    yield f"/connectors/switch?{urlencode({'id': 'In', 'to': 'off'})}"
    yield f"/people/switch?{urlencode({'id': text, 'to': 'off'})}"
    yield f"/accounts/card?{urlencode({'id': text})}"
    yield f"/accepted-domains/do/New-AcceptedDomain?{urlencode({'Name': text})}"
    yield f"/people/do/New-Administrator?{urlencode({'Name': text})}"
    yield f"/simulator?{urlencode({'IP': '192.0.2.9', 'From': text or 'a@b.test', 'To': text or 'a@b.test'})}"
    yield f"/refused/proposals?{urlencode({'PeerAddress': text})}"
    yield f"/{urlencode({'nowhere': text})}"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_opens_from_a_list_is_as_safe(ada: Browser, site: Console, text: str) -> None:
    fill(site, text)
    for path in ("/connectors", "/outbound-connectors", "/trace", "/refused", "/audit", "/tokens", "/messages"):
        links = re.findall(r'class="row-link" href="([^"]*)"', ada.get(path))
        for link in dict.fromkeys(links[:6]):
            page = ada.get(f"{path}{link.replace('&amp;', '&')}")
            assert ada.status == 200, link
            assert Page(page).wrong == [], (path, link)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_headers_are_read_and_not_believed(ada: Browser, text: str) -> None:
    fields = (f"Received: from {text} by {text}; {text}", f"From: {text}", f"Subject: {text}", f"{text}: {text}")
    headers = "\r\n".join((*fields, "", ""))
    ada.get("/analyzer")
    page = ada.post("/analyzer", {**ada.form("/analyzer"), "Headers": headers})
    assert ada.status in (200, 422)
    assert Page(page).wrong == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_form_refuses_it_shows_as_it_was_typed_and_no_more(ada: Browser, text: str) -> None:
    for path, typed in (
        ("/people/invite", {"Name": text}),
        ("/tokens/do/New-ApiToken", {"Name": text, "Days": text}),
        ("/accepted-domains/do/New-AcceptedDomain", {"Name": text}),
        ("/outbound-connectors/do/New-OutboundConnector", {"Name": text, "SmartHosts": text, "RecipientDomains": text}),
    ):
        page = ada.send(path, **typed)
        assert ada.status < 500, path
        if ada.status == 303:
            page = ada.follow()
        assert Page(page).wrong == [], path
