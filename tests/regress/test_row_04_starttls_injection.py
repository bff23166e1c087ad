"""Row 4: what was sent in clear is never obeyed inside TLS (CVE-2011-0411, CVE-2024-34083; RFC 3207 §4.2)."""

import asyncio
import datetime
import ssl

import pytest

from staffetta.net.tls import ServerContext, self_signed
from tests.reception_sockets.dialog import Client
from tests.regress.relay import INSIDE, INSIDER, OUTSIDER, Running, relay


def server_context() -> ServerContext:
    certificate, key = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))
    return ServerContext.load(certificate, key)


async def secured(client: Client) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await client.writer.start_tls(context)


async def refused_first(running: Running, client: Client) -> None:
    """Inside TLS nothing has happened yet: not even hello."""
    (answer,) = await client.say(f"MAIL FROM:<{INSIDER}>\n")
    assert answer.startswith("503"), answer
    assert (await client.say("EHLO inside.example\n"))[0].startswith("250")
    (answer,) = await client.say(f"RCPT TO:<{OUTSIDER}>\n")
    assert answer.startswith("503"), answer
    assert not running.spool.recipients


INJECTED = [
    b"EHLO injected.example\r\n",
    b"EHLO injected.example\r\nMAIL FROM:<ada@contoso.test>\r\nRCPT TO:<eve@outside.example>\r\nDATA\r\n",
    b"RSET\r\n",
    b"EHLO inject",
    b"\r\n",
    b"\0" * 5000,
    b"X" * 5000,
]


@pytest.mark.parametrize("injected", INJECTED, ids=lambda octets: repr(octets[:24]))
def test_row_04_commands_after_starttls_in_the_same_segment_are_dropped(injected: bytes) -> None:
    """CVE-2011-0411: the plaintext buffer does not survive the handshake."""

    async def main() -> None:
        async with relay(tls=server_context()) as running:
            client = await running.connect()
            client.send(b"STARTTLS\r\n" + injected)
            assert (await client.reply()).startswith("220")
            await secured(client)
            await refused_first(running, client)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.reader.read(1)  # no late answer to what was injected

    asyncio.run(main())


def test_row_04_commands_between_the_220_and_the_handshake_break_the_connection() -> None:
    """Plaintext where TLS is due is a broken handshake, never a command."""

    async def main() -> None:
        async with relay(tls=server_context()) as running:
            client = await running.connect()
            await client.say("STARTTLS\n")
            client.send(f"MAIL FROM:<{INSIDER}>\r\nRCPT TO:<{OUTSIDER}>\r\n".encode())
            async with asyncio.timeout(5):
                assert b"250" not in await client.reader.read()
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_04_tls_forgets_hello_envelope_and_connector() -> None:
    """STARTTLS within a transaction ends it; the recipients named in clear get nothing."""

    async def main() -> None:
        async with relay(tls=server_context()) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\n", 2)
            (answer,) = await client.say("STARTTLS\n")
            if answer.startswith("220"):
                await secured(client)
                await refused_first(running, client)
            else:
                assert answer.startswith("503")

    asyncio.run(main())


def test_row_04_starttls_is_not_offered_and_not_taken_inside_tls() -> None:
    """A second handshake within the first is refused."""

    async def main() -> None:
        async with relay(tls=server_context()) as running:
            client = await running.connect()
            await client.say("STARTTLS\n")
            await secured(client)
            client.send(b"EHLO inside.example\r\n")
            offered = [(await client.reader.readline()).decode()]
            while offered[-1].startswith("250-"):
                offered.append((await client.reader.readline()).decode())
            assert not any("STARTTLS" in line for line in offered)
            assert (await client.say("STARTTLS\n"))[0].startswith("503")

    asyncio.run(main())
