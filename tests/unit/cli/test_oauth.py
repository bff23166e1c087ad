"""`staffetta oauth`, as it is typed, with a token endpoint of our own on the other side."""

import asyncio
import json
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from staffetta.cli.main import run
from staffetta.net.oauth import DeviceCode
from staffetta.operations import token_login
from staffetta.operations.errors import OperationError
from staffetta.settings.file import load
from tests.fakes.entra import OUTLOOK, Application, TokenEndpoint


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    """Listens in a thread, since a command has its own event loop."""
    made = TokenEndpoint([Application(client_id="app", secrets={"hunter2"}, is_public=True)])
    loop = asyncio.new_event_loop()
    is_up, is_over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with made.listening():
            is_up.set()
            await is_over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    is_up.wait()
    yield made
    loop.call_soon_threadsafe(is_over.set)
    thread.join()
    loop.close()


@pytest.fixture
def config(tmp_path: Path, endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(
        f"""
hostname = "relay.example"
data_dir = "data"

[[token_sources]]
name = "person"
token_endpoint = "{endpoint.url}"
client_id = "app"
refresh_token_file = "tokens/person"
scope = "{OUTLOOK}/SMTP.Send"

[[token_sources]]
name = "application"
token_endpoint = "{endpoint.url}"
client_id = "app"
client_secret = "${{M365_SECRET}}"
""",
        encoding="utf-8",
    )
    monkeypatch.setenv("STAFFETTA_CONFIG", str(path))
    monkeypatch.setenv("M365_SECRET", "hunter2")
    return path


def oauth(*words: str) -> int:
    return run(["oauth", *words], serve=lambda _: 70)


def at_once(config: Path, endpoint: TokenEndpoint, *, user: str | None = "scanner@contoso.com") -> Path:
    """Log in as a person who types the code while we wait for the first time."""
    waited: list[float] = []
    shown: list[DeviceCode] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2 and user is not None:
            endpoint.consent(shown[0].user_code, user)

    return token_login.log_in(load(config), "person", shown.append, sleep=sleep)


def test_a_person_consents_and_the_relay_has_tokens(
    config: Path, endpoint: TokenEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = at_once(config, endpoint)
    assert kept == config.parent / "tokens" / "person"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert oauth("check", "person") == 0
    said = capsys.readouterr().out
    assert re.search(r"permissions +SMTP\.Send\n", said)
    assert re.search(r"in name of +scanner@contoso\.com\n", said)
    assert kept.read_text().strip() not in said


def test_checking_uses_up_no_consent(config: Path, endpoint: TokenEndpoint) -> None:
    at_once(config, endpoint)
    assert [oauth("check", "person") for _ in range(3)] == [0, 0, 0]


def test_an_applications_rights_are_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert oauth("check", "application", "--json") == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert (facts["audience"], facts["permissions"], facts["user"]) == (OUTLOOK, ["SMTP.SendAsApp"], None)


def test_a_server_that_asks_for_patience_gets_it(config: Path, endpoint: TokenEndpoint) -> None:
    waited: list[float] = []
    shown: list[DeviceCode] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            endpoint.consent(shown[0].user_code, "scanner@contoso.com")

    token_login.log_in(load(config), "person", shown.append, sleep=sleep)
    assert waited == [5, 5, 5]


def test_who_declines_is_told_what_to_do(config: Path, endpoint: TokenEndpoint) -> None:
    async def sleep(seconds: float) -> None:
        endpoint.next = [65001]

    with pytest.raises(OperationError, match="Grant admin consent"):
        token_login.log_in(load(config), "person", lambda code: None, sleep=sleep)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("login", "nobody"), 66, "There is no token source nobody; known: person, application."),
        (("login", "application"), 64, "has no refresh_token_file"),
        (("check", "person"), 64, "run: staffetta oauth login person"),
    ],
)
def test_what_cannot_be_done_is_said(
    config: Path, words: tuple[str, ...], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert oauth(*words) == status
    assert text in capsys.readouterr().err


def test_a_wrong_secret_is_explained_and_not_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("M365_SECRET", "wrong-one")
    assert oauth("check", "application") == 64
    said = capsys.readouterr().err
    assert "AADSTS7000215" in said
    assert "Copy the secret's value" in said
    assert "wrong-one" not in said
