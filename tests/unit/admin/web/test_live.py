"""Live pages: what is sent, when it ends, and how many there are at once."""

import asyncio
import re
import time

import pytest

from staffetta.admin.web.streams import AT_ONCE_MAX, OF_ONE_MAX, Streams
from staffetta.operations.errors import Unavailable
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import kept

LIVE = ("/live/trace", "/live/queues", "/live/home")


@pytest.fixture
def site(site: Console) -> Console:
    site.office.now = time.time
    return site


def sign_everybody_out(site: Console) -> None:
    for row in site.office("Get-SignIn"):
        site.office("Remove-SignIn", Identity=row["Identity"])


def events(text: str) -> list[tuple[str, str]]:
    """Return name and data of each event; what only keeps the line busy is none."""
    found = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if lines[0].startswith("event: "):
            data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines[1:])
            found.append((lines[0].removeprefix("event: "), data))
    return found


def test_what_comes_meanwhile_is_shown_and_the_stream_ends_with_the_sign_in(ada: Browser, site: Console) -> None:
    kept(site.office.settings, "bob@contoso.com", subject="First")
    site.meanwhile += [
        lambda: None,
        lambda: kept(site.office.settings, "bob@contoso.com", subject="Second"),
        lambda: sign_everybody_out(site),
    ]
    first, second, end = events(ada.get("/live/trace?Search=to:bob@contoso.com"))
    assert ada.headers["content-type"].startswith("text/event-stream")
    assert ada.headers["cache-control"] == "no-store"
    assert (first[0], second[0], end[0]) == ("part", "part", "end")
    assert "First" in first[1] and "Second" not in first[1]
    assert second[1].index("Second") < second[1].index("First")
    assert "<html" not in second[1]


@pytest.mark.parametrize("path", LIVE)
def test_a_live_part_is_what_its_page_has(ada: Browser, site: Console, path: str) -> None:
    kept(site.office.settings, "bob@contoso.com")
    site.meanwhile.append(lambda: sign_everybody_out(site))
    page = ada.get(path.removeprefix("/live").replace("/home", "/") + "?live=1")
    part = page.split(f'data-live="{path}')[1].split(">", 1)[1]
    first, end = events(ada.get(f"{path}?live=1"))
    assert end[0] == "end"
    assert re.sub(r"\s+", "", first[1]) in re.sub(r"\s+", "", part)


def test_looking_at_a_live_page_keeps_nobody_signed_in(ada: Browser, site: Console) -> None:
    began = time.time()

    def at(seconds: float) -> None:
        site.office.now = lambda: began + seconds

    site.meanwhile += [lambda: at(1000), lambda: at(1700), lambda: at(1900)]
    assert events(ada.get("/live/trace"))[-1][0] == "end"
    assert site.meanwhile == []
    ada.get("/trace")
    assert ada.location.startswith("/sign-in")


def test_who_loses_the_role_sees_no_more(ada: Browser, site: Console) -> None:
    browser = site.signed_in("vic", "View-Only Organization Management")
    site.meanwhile.append(
        lambda: site.office("Remove-RoleGroupMember", Identity="View-Only Organization Management", Member="vic")
    )
    assert [name for name, _ in events(browser.get("/live/trace"))] == ["part", "end"]


@pytest.mark.parametrize("path", LIVE)
def test_who_may_not_see_a_page_hears_of_no_change_of_it(site: Console, path: str) -> None:
    nobody = site.signed_in("nobody")
    nobody.get(path)
    assert nobody.status == 403
    stranger = site.browser()
    stranger.get(path)
    assert stranger.status == 303


def test_one_visitor_has_a_few_places_and_all_together_some(ada: Browser, site: Console) -> None:
    site.app.state.end_streams()
    for _ in range(OF_ONE_MAX + 1):  # each gives its place back
        assert events(ada.get("/live/trace"))[-1][0] == "end"
    streams = Streams()
    for _ in range(OF_ONE_MAX):
        streams.take("ada")
    with pytest.raises(Unavailable, match="Close one of them"):
        streams.take("ada")
    streams.give_back("ada")
    streams.take("ada")
    for number in range(AT_ONCE_MAX - OF_ONE_MAX):
        streams.take(f"visitor {number}")
    with pytest.raises(Unavailable):
        streams.take("one more")


def test_streams_end_at_once_when_the_relay_stops() -> None:
    async def scene() -> list[bool]:
        streams = Streams()
        resting = asyncio.create_task(streams.rest(lambda seconds: asyncio.Event().wait(), 1.0))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        streams.end()
        return [await resting, await streams.rest(asyncio.sleep, 1000.0)]

    assert asyncio.run(scene()) == [False, False]


def test_a_page_says_how_to_be_live_and_how_not_to_be(ada: Browser, site: Console) -> None:
    assert "data-live=" not in ada.get("/trace")
    assert 'href="?live=1"' in ada.text
    page = ada.get("/trace?live=1&Search=to:bob@contoso.com")
    assert 'data-live="/live/trace?live=1&amp;Search=to%3Abob%40contoso.com"' in page
    assert 'href="?Search=to%3Abob%40contoso.com"' in page
