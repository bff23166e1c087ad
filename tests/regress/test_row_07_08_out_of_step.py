"""Rows 7 and 8: text that is not meant for us, or not yet, is never run as commands (RFC 2920 §3.1; HTTP to SMTP)."""

import asyncio

import pytest

from tests.regress.relay import INSIDER, OUTSIDER, STRANGER, relay

PAYLOAD = f"Subject: report\n\nMAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\nSubject: smuggled\n\nx\n.\n"


@pytest.mark.parametrize("recipient", [OUTSIDER, "a@@b"])
def test_row_07_content_sent_after_a_refused_data_is_not_obeyed(recipient: str) -> None:
    """A client that did not wait for 354 is sent away at the first line that is no command."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect(source=STRANGER)
            payload = f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{recipient}>\nDATA\n{PAYLOAD}".replace("\n", "\r\n")
            client.send(payload.encode())
            codes = [line[:3] for line in (await client.rest()).splitlines()]
            assert codes[:2] == ["250", codes[1]] and codes[1][0] == "5"
            assert codes[2:] == ["503", "421"]
            assert not running.spool.recipients and running.outside.connections == 0

    asyncio.run(main())


def test_row_07_an_attributed_session_gets_no_second_message_out_of_refused_data() -> None:
    """The payload would relay if it were obeyed: the session's sender and connector are right."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            client.send(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<a@@b>\nDATA\n{PAYLOAD}".replace("\n", "\r\n").encode())
            assert (await client.rest()).splitlines()[-1].startswith("421 ")
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_07_after_refused_data_a_command_is_still_a_command() -> None:
    """RFC 2920 §3.1: a client that pipelined correctly goes on with RSET or a new transaction."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            replies = await client.say(
                f"MAIL FROM:<{INSIDER}>\nRCPT TO:<a@@b>\nDATA\nRSET\n"
                f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n",
                7,
            )
            assert [reply[:3] for reply in replies] == ["250", "501", "503", "250", "250", "250", "354"]
            assert (await client.say("x\n.\n"))[0].startswith("250")

    asyncio.run(main())


def test_row_07_content_before_354_is_content_and_nothing_else() -> None:
    """Where DATA is accepted, early content becomes the one message, whatever commands it spells."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            early = f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n\nMAIL FROM:<ceo@contoso.test>\n.\n"
            replies = await client.say(early + "NOOP\n", 5)
            assert [reply[:3] for reply in replies] == ["250", "250", "354", "250", "250"]
            await running.settled()
            (message,) = running.left()
            assert INSIDER in message.mail and message.content.endswith(b"\r\n\r\nMAIL FROM:<ceo@contoso.test>\r\n")

    asyncio.run(main())


def test_row_07_a_session_of_nothing_but_nonsense_is_closed() -> None:
    async def main() -> None:
        async with relay(limits={"errors_max": 5}) as running:
            client = await running.connect()
            client.send(b"Subject: x\r\n" * 1000)
            codes = [line[:3] for line in (await client.rest()).splitlines()]
            assert codes == ["500"] * 6 + ["421"]

    asyncio.run(main())


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "get"]
)
@pytest.mark.parametrize("is_greeted", [False, True], ids=["at once", "after hello"])
def test_row_08_http_is_closed_at_its_first_line(method: str, is_greeted: bool) -> None:
    """Cross-protocol attack: a browser made to post SMTP commands gets one 421, and none of them is run."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect(hello="EHLO client.example" if is_greeted else "")
            client.send(
                f"{method} / HTTP/1.1\r\nHost: relay.contoso.test\r\n\r\nEHLO browser\r\nMAIL FROM:<{INSIDER}>\r\n"
                f"RCPT TO:<{OUTSIDER}>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n".encode()
            )
            rest = await client.rest()
            assert rest.startswith("421 ") and rest.count("\r\n") == 1
            assert not running.spool.recipients and running.reasons == ["protocol"]

    asyncio.run(main())


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,  # a TLS ClientHello
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        bytes(range(256)) * 300,
        b"\xff" * 100_000,
        b"\r\n" * 5000,
        b"\n" * 5000,
        b"\0" * 100_000 + b"\r\n",
    ],
    ids=["tls", "ssh", "all octets", "no line", "empty lines", "lf", "nul"],
)
def test_row_08_other_protocols_and_noise_end_or_are_refused(octets: bytes) -> None:
    """Nothing that is sent breaks the session's edge: it answers in SMTP, and other sessions live on."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect(hello="")
            client.send(octets + b"\r\nQUIT\r\n")
            answers = (await client.rest()).splitlines()
            assert answers and all(line[:3] in ("221", "421", "500", "501", "502", "503") for line in answers)
            assert not any("Internal error" in line for line in answers)
            assert (await (await running.connect()).say("NOOP\n"))[0].startswith("250")

    asyncio.run(main())
