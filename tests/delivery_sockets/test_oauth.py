"""Access tokens, from a token endpoint on a real socket: cached, renewed in time, asked for once, explained."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from staffetta import metrics
from staffetta.delivery.oauth import AccessTokens, TokenUnavailable
from staffetta.settings.model import Settings
from staffetta.settings.roads import TokenSource
from staffetta.settings.token_files import keep_refresh_token
from tests.certificates import Made, make, pem
from tests.delivery_sockets.carrying import run
from tests.fakes.entra import GRAPH, OUTLOOK, Application, TokenEndpoint
from tests.fakes.web import Answer, Fault

NOW = 1_800_000_000.0
SECRET = "8Q~not-to-be-seen-anywhere"
SCOPE = f"{OUTLOOK}/.default"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    endpoint: TokenEndpoint
    application: Application
    clock: Clock
    tokens: AccessTokens
    settings: Settings

    async def get(self) -> str:
        return await self.tokens.token("m365")


@asynccontextmanager
async def world(application: Application, **source: Any) -> AsyncIterator[World]:
    clock = Clock()
    endpoint = TokenEndpoint([application], now=clock)
    async with endpoint.listening():
        declared = TokenSource(
            name="m365", token_endpoint=endpoint.url, client_id=application.client_id, scope=SCOPE, **source
        )
        settings = Settings(hostname="relay.example", data_dir=Path("var"), token_sources=(declared,))
        made = World(
            endpoint, application, clock, AccessTokens(lambda: made.settings, now=clock, draw=lambda: 0.5), settings
        )
        try:
            yield made
        finally:
            await made.tokens.close()


@pytest.fixture
def with_secret(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("M365_SECRET", SECRET)
    return lambda: world(Application(secrets={SECRET}), client_secret="${M365_SECRET}")


def test_a_token_is_asked_for_once_and_kept(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            first, second = await made.get(), await made.get()
            assert first == second
            assert made.endpoint.claims(first, OUTLOOK)["roles"] == ["SMTP.SendAsApp"]
            assert made.endpoint.asked == ["client_credentials"]

    run(scenario())


def test_a_thousand_messages_at_once_ask_once(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            assert len(set(await asyncio.gather(*(made.get() for _ in range(1000))))) == 1
            assert made.endpoint.asked == ["client_credentials"]

    run(scenario())


def test_a_token_is_renewed_after_three_quarters_of_its_life(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            first = await made.get()
            made.clock.now = NOW + 2690
            assert await made.get() == first
            made.clock.now = NOW + 2705
            assert await made.get() != first

    run(scenario())


def test_while_renewal_fails_the_old_token_is_used_until_shortly_before_its_end(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            first = await made.get()
            made.clock.now = NOW + 3000
            made.endpoint.next = [90033, Fault.CLOSE]
            assert await made.get() == first
            made.clock.now = NOW + 3538
            assert await made.get() == first
            made.clock.now = NOW + 3569
            assert await made.get() != first

    run(scenario())


def test_after_a_refusal_the_endpoint_is_left_alone_for_a_while(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            made.endpoint.next = [7000215]
            for _ in range(10):
                with pytest.raises(TokenUnavailable):
                    await made.get()
            assert len(made.endpoint.asked) == 1
            made.clock.now += 31
            await made.get()

    run(scenario())


def test_the_endpoint_says_how_long_it_wants_to_be_left_alone(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            made.endpoint.next = [Answer(429, b"", {"Retry-After": "120"})]
            with pytest.raises(TokenUnavailable) as refused:
                await made.get()
            assert refused.value.retry_after_seconds == 120
            made.clock.now += 119
            with pytest.raises(TokenUnavailable):
                await made.get()
            made.clock.now += 2
            await made.get()

    run(scenario())


def test_a_token_that_a_server_refused_is_not_used_again(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            first = await made.get()
            made.tokens.forget("m365", first)
            second = await made.get()
            assert second != first
            made.tokens.forget("m365", first)  # by an attempt that began with it
            assert await made.get() == second

    run(scenario())


def test_a_source_that_was_changed_gets_another_token(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            await made.get()
            (source,) = made.settings.token_sources
            other = source.model_copy(update={"scope": f"{GRAPH}/.default"})
            made.settings = made.settings.model_copy(update={"token_sources": (other,)})
            assert made.endpoint.claims(await made.get(), GRAPH)["roles"] == ["Mail.Send", "Mail.ReadWrite"]

    run(scenario())


def rsa_certificate(folder: Path) -> tuple[Made, Path]:
    held = make("relay", key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    file = folder / "app.pem"
    file.write_bytes(pem(held.certificate) + held.key_pem)
    return held, file


def test_a_certificate_signs_an_assertion_instead_of_a_secret(tmp_path: Path) -> None:
    held, file = rsa_certificate(tmp_path)

    async def scenario() -> None:
        async with world(Application(certificates=[held.certificate]), client_certificate=file) as made:
            first = await made.get()
            made.tokens.forget("m365", first)
            assert await made.get() != first  # the assertion is made anew: one is taken once

    run(scenario())


def test_a_certificate_that_is_not_registered_is_refused_with_what_to_do(tmp_path: Path) -> None:
    _, file = rsa_certificate(tmp_path)

    async def scenario() -> None:
        async with world(Application(), client_certificate=file) as made:
            with pytest.raises(TokenUnavailable) as refused:
                await made.get()
            assert refused.value.code == "AADSTS700027"

    run(scenario())


@pytest.fixture
def refresh_file(tmp_path: Path) -> Path:
    return tmp_path / "m365.token"


def test_a_refresh_token_that_rotates_is_kept_before_the_next_is_needed(refresh_file: Path) -> None:
    def kept() -> str:
        return refresh_file.read_text()

    async def scenario() -> None:
        application = Application(is_public=True)
        async with world(application, refresh_token_file=refresh_file) as made:
            keep_refresh_token(refresh_file, made.endpoint.give_refresh_token(application, "scanner@contoso.com"))
            first = kept()
            token = await made.get()
            assert made.endpoint.claims(token, OUTLOOK)["upn"] == "scanner@contoso.com"
            assert kept() != first
            made.tokens.forget("m365", token)
            await made.get()

    run(scenario())
    assert stat.S_IMODE(refresh_file.stat().st_mode) == 0o600
    assert [path.name for path in refresh_file.parent.iterdir()] == [refresh_file.name]


def test_where_nobody_has_logged_in_the_error_says_how(refresh_file: Path) -> None:
    async def scenario() -> None:
        async with world(Application(is_public=True), refresh_token_file=refresh_file) as made:
            with pytest.raises(TokenUnavailable, match="staffetta oauth login m365"):
                await made.get()
            assert made.endpoint.asked == []

    run(scenario())


@pytest.mark.parametrize("number", [7000215, 7000222, 700016, 65001, 50076, 90002, 1002012, 50173])
def test_no_error_shows_a_secret_or_a_token(with_secret: Any, number: int) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            made.endpoint.next = [number]
            with pytest.raises(TokenUnavailable) as refused:
                await made.get()
            assert f"AADSTS{number}" in str(refused.value)
            assert refused.value.code == f"AADSTS{number}"
            assert SECRET not in str(refused.value)

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [Fault.CLOSE, Fault.RESET, Answer(200, b"<html>"), Answer(200, b"{}"), Answer(502, b"bad gateway"), Answer(302)],
    ids=str,
)
def test_an_endpoint_that_makes_no_sense_is_trouble_and_no_crash(with_secret: Any, answer: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            made.endpoint.next = [answer]
            with pytest.raises(TokenUnavailable) as refused:
                await made.get()
            assert refused.value.code is None

    run(scenario())


def test_a_secret_that_is_not_there_is_named_by_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("M365_SECRET", raising=False)

    async def scenario() -> None:
        async with world(Application(), client_secret="${M365_SECRET}") as made:
            with pytest.raises(TokenUnavailable, match="M365_SECRET is not set"):
                await made.get()

    run(scenario())


def test_age_and_end_of_a_token_are_metrics(with_secret: Any) -> None:
    async def scenario() -> None:
        async with with_secret() as made:
            await made.get()
            made.clock.now += 100
            assert metrics.TOKEN_AGE.labels("m365").collect()[0].samples[0].value == 100
            assert metrics.TOKEN_EXPIRY.labels("m365").collect()[0].samples[0].value == NOW + 3599

    run(scenario())
