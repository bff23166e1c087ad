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


@pytest.mark.parametrize("early", ["\n", "x\n.\n", "\nMAIL FROM:<ceo@contoso.test>\n.\n", "QUIT\n", "."])
def test_row_07_content_that_does_not_wait_for_354_ends_the_session(early: str) -> None:
    """Whoever sends blindly speaks another protocol, it may be, and reads no replies: 421, and nothing is kept."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            client.send(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n{early}".replace("\n", "\r\n").encode())
            assert [(await client.reply())[:9] for _ in range(3)] == ["250 2.1.0", "250 2.1.5", "421 4.5.0"]
            assert await client.rest() == ""
            assert not running.spool.recipients and running.reasons == ["early talk"]

    asyncio.run(main())


def test_row_07_chunks_may_come_before_they_are_asked_for() -> None:
    """RFC 3030 §4.2: BDAT is pipelined, since its size says where it ends."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            replies = await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nBDAT 3 LAST\nx\nNOOP\n", 4)
            assert [reply[:3] for reply in replies] == ["250", "250", "250", "250"]

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
