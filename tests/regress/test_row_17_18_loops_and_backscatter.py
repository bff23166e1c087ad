"""Rows 17 and 18: mail that goes round stops, and nobody is told of mail that they did not send (RFC 3834 §2)."""

import asyncio

import pytest

from staffetta.mail.dsn_reader import read_dsn
from staffetta.queue.bounce import WHOLE_OCTETS_MAX
from tests.regress.relay import INSIDE, INSIDER, OUTSIDER, STRANGER, Running, relay


async def send(running: Running, reverse_path: str, *recipients: str, content: str = "Subject: x\n\nx\n") -> str:
    client = await running.connect()
    rcpts = "".join(f"RCPT TO:<{recipient}>\n" for recipient in recipients)
    replies = await client.say(f"MAIL FROM:<{reverse_path}>\n{rcpts}DATA\n", len(recipients) + 2)
    assert replies[-1].startswith("354"), replies
    return (await client.say(f"{content}.\n"))[0]


def refusing(*addresses: str):
    """A next hop that knows none of these recipients."""

    def script(step: str, line: str) -> bytes | None:
        is_unknown = step == "RCPT" and any(f"<{address}>" in line for address in addresses)
        return b"550 5.1.1 no such user\r\n" if is_unknown else None

    return script


@pytest.mark.parametrize("name", ["Received", "received", "RECEIVED", "rEcEiVeD"])
@pytest.mark.parametrize(("hops", "code"), [(25, "250"), (50, "250"), (51, "554"), (500, "554")])
def test_row_17_too_many_hops_are_refused_however_they_are_spelt(name: str, hops: int, code: str) -> None:
    """At least 25 hops pass; above 50: 554 5.4.x."""

    async def main() -> None:
        async with relay() as running:
            fields = f"{name}: from a by b;\n\tMon, 1 Jan 2024 00:00:00 +0000\n" * hops
            answer = await send(running, INSIDER, INSIDE, content=f"{fields}Subject: x\n\nx\n")
            assert answer.startswith(code), answer
            assert code == "250" or answer.startswith("554 5.4.")

    asyncio.run(main())


def test_row_17_received_in_body_or_continuation_is_no_hop() -> None:
    async def main() -> None:
        async with relay() as running:
            lines = "Received: from a by b;\n" * 200
            content = "Subject: x\n" + " Received: from a\n" * 200 + "\n" + lines
            assert (await send(running, INSIDER, INSIDE, content=content)).startswith("250")

    asyncio.run(main())


def test_row_17_a_relay_that_is_its_own_next_hop_stops() -> None:
    """A message that comes back each time gains a Received field each time, and is refused in the end."""

    async def main() -> None:
        async with relay() as running:
            await send(running, INSIDER, INSIDE)
            for _ in range(60):
                await running.settled()
                content = running.left()[-1].content.decode().replace("\r\n", "\n")
                answer = await send(running, INSIDER, INSIDE, content=content)
                if answer.startswith("554 5.4."):
                    return
            raise AssertionError("the message went round 60 times")

    asyncio.run(main())


@pytest.mark.parametrize("notify", ["", "SUCCESS", "FAILURE", "SUCCESS,FAILURE,DELAY"])
@pytest.mark.parametrize("is_refused", [False, True], ids=["delivered", "failed"])
def test_row_18_a_null_reverse_path_is_never_told_anything(notify: str, is_refused: bool) -> None:
    """RFC 5321 §4.5.5: also where NOTIFY asks for it."""

    async def main() -> None:
        names = ("PIPELINING",)  # without DSN, so that "relayed" would be ours to tell
        async with relay(script=refusing(INSIDE) if is_refused else refusing(), capabilities=names) as running:
            client = await running.connect()
            parameter = f" NOTIFY={notify}" if notify else ""
            await client.say(f"MAIL FROM:<>\nRCPT TO:<{INSIDE}>{parameter}\nDATA\n", 3)
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250")
            await running.settled()
            assert len(running.left()) == (0 if is_refused else 1)
            assert len(running.stored()) == 1

    asyncio.run(main())


def test_row_18_one_message_gets_one_report() -> None:
    """Twenty recipients that fail together are told of in one notification, from the null reverse-path."""
    unknown = [f"nobody{n}@contoso.test" for n in range(20)]

    async def main() -> None:
        async with relay(script=refusing(*unknown)) as running:
            await send(running, INSIDER, *unknown, INSIDE)
            await running.settled()
            delivered, notification = running.left()
            assert notification.mail.startswith("MAIL FROM:<>")
            assert [line.split(" ")[1] for line in notification.recipients] == [f"TO:<{INSIDER}>"]
            assert len(read_dsn(notification.content)) == 20
            assert delivered.recipients[0].startswith(f"RCPT TO:<{INSIDE}>")

    asyncio.run(main())


def test_row_18_a_report_that_cannot_be_delivered_is_reported_to_nobody() -> None:
    """A double bounce ends: two messages were ever kept."""

    async def main() -> None:
        async with relay(script=refusing(INSIDE, INSIDER)) as running:
            await send(running, INSIDER, INSIDE)
            await running.settled()
            assert len(running.stored()) == 2 and running.left() == []

    asyncio.run(main())


def test_row_18_a_report_says_that_a_machine_wrote_it() -> None:
    """Auto-Submitted (RFC 3834 §5), and the null reverse-path, so that no machine answers."""

    async def main() -> None:
        async with relay(script=refusing(INSIDE)) as running:
            await send(running, INSIDER, INSIDE)
            await running.settled()
            (notification,) = running.left()
            header = notification.content.partition(b"\r\n\r\n")[0].split(b"\r\n")
            assert b"Auto-Submitted: auto-replied" in header
            assert any(
                field.startswith(b"Content-Type: multipart/report; report-type=delivery-status") for field in header
            )

    asyncio.run(main())


@pytest.mark.parametrize(
    "content",
    [
        "Subject: x\n\n" + "a line of the message\n" * 20_000,
        "Subject: " + "x" * 60_000 + "\n\nbody\n",
        "Subject: x\n" + "X-A: b\n" * 30_000 + "\nbody\n",
    ],
    ids=["large body", "large subject", "large header"],
)
def test_row_18_a_report_is_small_whatever_the_message(content: str) -> None:
    """A DSN is no way to multiply traffic: the header section only above 50 KB, and that cut too."""

    async def main() -> None:
        async with relay(script=refusing(INSIDE)) as running:
            await send(running, INSIDER, INSIDE, content=content)
            await running.settled()
            (notification,) = running.left()
            assert len(notification.content) < WHOLE_OCTETS_MAX + 10_000
            assert b"a line of the message" not in notification.content

    asyncio.run(main())


def test_row_18_mail_that_we_do_not_want_is_refused_and_not_bounced() -> None:
    """What is refused at RCPT or after DATA leaves nothing in the queue, so that a forged sender hears nothing."""

    async def main() -> None:
        domain = {"name": "contoso.test", "route": "out", "recipients": ("bob",)}
        async with relay(accepted_domains=(domain,)) as running:
            client = await running.connect(source=STRANGER)
            for recipient in ("nobody@contoso.test", OUTSIDER):
                (_, refused) = await client.say(f"MAIL FROM:<victim@elsewhere.example>\nRCPT TO:<{recipient}>\n", 2)
                assert refused.startswith("550")
                await client.say("RSET\n")
            await client.say(f"MAIL FROM:<victim@elsewhere.example>\nRCPT TO:<{INSIDE}>\nDATA\n", 3)
            client.send(b"x\n.\r\n\r\n.\r\n")
            assert (await client.reply()).startswith("55")
            assert not running.spool.recipients

    asyncio.run(main())
