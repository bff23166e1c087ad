"""Each dialog once more, on a listener: with policy, spool and sockets the client hears the same."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from staffetta.net.tls import ServerContext, self_signed
from tests.dialogs import replay
from tests.reception_sockets.dialog import PATIENCE_SECONDS, Client, listening, run


@pytest.fixture(scope="module")
def tls() -> ServerContext:
    pair = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))
    return ServerContext.load(*pair, request_client_certificate=False)


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


@pytest.mark.parametrize(
    "path", [path for path in replay.dialogs() if replay.listener(path) == "relay"], ids=lambda path: path.stem
)
def test_dialog(path: Path, tls: ServerContext) -> None:
    async def main() -> None:
        async with (
            listening(tls=tls, message_octets_max=2000, recipients_max=3, errors_max=4) as bench,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            await play(await bench.connect(), path)

    run(main)
