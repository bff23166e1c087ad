"""A console in this process, and browsers that keep cookies, fill forms in as people do, and follow where they lead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.testclient import TestClient

from staffetta.admin.http import create_app
from staffetta.directory.administrators import add_administrator
from staffetta.directory.role_groups import add_member
from staffetta.directory.store import Author
from staffetta.settings.passwords import hash_password
from tests.unit.admin.serving import FakeStatus, office_with_tokens
from tests.unit.operations.office import Office

PASSWORD = "correct horse battery"


class Form(HTMLParser):
    """The fields of the forms of a page, as a browser would send them back."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._select: str | None = None
        self._textarea: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "form":
            self.forms.append({"": found.get("action")})
        if not self.forms:
            return
        name, value = found.get("name"), found.get("value") or ""
        if tag == "input" and name and (found.get("type") not in ("checkbox", "radio") or "checked" in found):
            self.forms[-1][name] = value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in found or self._select not in self.forms[-1]):
            self.forms[-1][self._select] = value
        elif tag == "textarea" and name:
            self._textarea = name
            self.forms[-1][name] = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1][self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea:
            text = self.forms[-1][self._textarea]
            self.forms[-1][self._textarea] = text.removeprefix("\n")
            self._textarea = None


@dataclass
class Browser:
    """status, text, location: of the last answer. Redirections are followed only where asked."""

    client: TestClient
    status: int = 0
    text: str = ""
    location: str = ""

    def get(self, path: str, **headers: str) -> str:
        return self._took(self.client.get(path, headers={"Accept": "text/html", **headers}, follow_redirects=False))

    def follow(self) -> str:
        return self.get(self.location)

    def form(self, action: str) -> dict[str, Any]:
        """Return the fields of the last page's form with this action."""
        found = next(form for form in Form(self.text).forms if form[""] == action)
        return {name: value for name, value in found.items() if name}

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> str:
        sent = {"Accept": "text/html", "Origin": str(self.client.base_url), **headers}
        return self._took(self.client.post(path, data=data or {}, headers=sent, follow_redirects=False))

    def send(self, path: str, page: str = "", **typed: Any) -> str:
        """Load a page, fill in the form that leads to `path`, and send it. page: where it is, if elsewhere."""
        self.get(page or path)
        return self.post(path, {**self.form(path.partition("?")[0]), **typed})

    def _took(self, response: Any) -> str:
        self.status, self.text = response.status_code, response.text
        self.location = response.headers.get("location", "")
        self.headers = response.headers
        return str(response.text)


@dataclass
class Console:
    """pauses: how long answers waited, in seconds. meanwhile: what happens in the pauses to come, one in each."""

    office: Office
    app: Any
    pauses: list[float]
    meanwhile: list[Callable[[], object]]

    def browser(self, address: str = "127.0.0.1", scheme: str = "http") -> Browser:
        """Return a browser of its own, on this machine or elsewhere."""
        return Browser(TestClient(self.app, f"{scheme}://testserver", client=(address, 50000)))

    def person(self, name: str, *groups: str, organization: str | None = None) -> None:
        """Add somebody who can sign in."""
        author = Author("test", "cli", "test")
        with self.office.directory.change(self.office.settings, author) as change:
            add_administrator(change, name, organization=organization, password_hash=hash_password(PASSWORD))
            for group in groups:
                add_member(change, group, name)

    def signed_in(self, name: str, *groups: str, organization: str | None = None) -> Browser:
        self.person(name, *groups, organization=organization)
        browser = self.browser()
        browser.send("/sign-in", name=name, password=PASSWORD)
        assert browser.status == 303, browser.text
        return browser


@contextmanager
def console(folder: Path) -> Iterator[Console]:
    with Office(folder) as office:
        pauses: list[float] = []
        meanwhile: list[Callable[[], object]] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            assert len(pauses) < 100, "something goes on for ever"
            if meanwhile:
                await anyio.to_thread.run_sync(meanwhile.pop(0))

        app = create_app(FakeStatus(), office_with_tokens(office), pause=pause)
        yield Console(office, app, pauses, meanwhile)
