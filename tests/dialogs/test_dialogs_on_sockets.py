"""Each dialog once more, on a listener: with policy, spool and sockets the client hears the same."""

import asyncio
import datetime
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from staffetta.net.tls import ServerContext, self_signed
from staffetta.net.tokens import TokenRefused, Tokens, TrustedIssuer
from staffetta.reception.authentication import Authenticator
from staffetta.settings.objects import Account, InboundConnector, TokenIssuer
from staffetta.settings.passwords import hash_password
from tests.dialogs import replay
from tests.reception_sockets.dialog import PATIENCE_SECONDS, Client, listening, run


@pytest.fixture(scope="module")
def tls() -> ServerContext:
    pair = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))
    return ServerContext.load(*pair)


async def start_tls(client: Client) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await client.writer.start_tls(context)


async def play(client: Client, path: Path) -> None:
    """Replay a dialog. After it the session is in step: QUIT is answered, or the server has closed."""
    steps = replay.steps(path)
    for step in steps:
        if step.kind == "C":
            client.send(replay.octets(step))
        elif step.kind == "TLS":
            await start_tls(client)
        elif step.kind == "S":
            line = (await client.reader.readuntil(b"\r\n")).decode("ascii").removesuffix("\r\n")
            assert replay.matches(step.text, line), f"{path.name}:{step.line_number}: {line!r} is not {step.text!r}"
    if steps[-1].kind != "close":
        client.send(b"QUIT\r\n")
        assert (await client.reader.readline())[:4] == b"221 ", (
            f"{path.name}: more was said, or QUIT was not understood"
        )
    assert await client.reader.read() == b"", f"{path.name}: the server says more than the dialog"


class RightTokens(Tokens):
    """What is right is said in replay.py."""

    def user_of(self, token: str, issuers: Iterable[TrustedIssuer]) -> str:
        if not token.startswith("right"):
            raise TokenRefused("it does not begin with right")
        return replay.USER_NAME


async def at_once(seconds: float) -> None:
    """Who guesses need not wait here."""


ACCOUNT = Account(user_name=replay.USER_NAME, password_hashes=(hash_password(replay.PASSWORD),))
ISSUER = TokenIssuer(issuer="https://issuer.example", audience=("us",), keys="/unused")
TOLERANT = InboundConnector(name="Old", sender_ip_addresses=("127.0.0.1",), allow_authentication_without_tls=True)


def declared(listener: str) -> dict[str, Any]:
    return {
        "kind": "relay" if listener == "relay" else "submission",
        "implicit_tls": listener == "submissions",
    }


@pytest.mark.parametrize("path", replay.dialogs(), ids=lambda path: path.stem)
def test_dialog(path: Path, tls: ServerContext) -> None:
    listener = replay.listener(path)
    changed: dict[str, Any] = {"accounts": (ACCOUNT,), "token_issuers": (ISSUER,)}
    if listener == "AUTH in clear":
        changed["inbound_connectors"] = (TOLERANT,)

    async def main() -> None:
        async with (
            listening(
                tls=tls,
                declared=declared(listener),
                changed=changed,
                authenticator=Authenticator(tokens=RightTokens(), pause=at_once),
                message_octets_max=2000,
                recipients_max=3,
                errors_max=4,
            ) as bench,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            client = await bench.connect()
            if listener == "submissions":
                await start_tls(client)
            await play(client, path)

    run(main)
