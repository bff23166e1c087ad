"""Row 9: no octet of a peer's becomes a command, a header field or a log line of ours.

Terada 2015 (SMTP injection via recipient addresses), CVE-2015-8476, CVE-2025-7962, CWE-93, CWE-117.
"""

import asyncio
import json

import pytest

from staffetta.logs import json_line
from staffetta.postfix_log import postfix_line
from tests.regress.relay import INSIDE, INSIDER, OUTSIDER, relay

CONTROLS = [bytes([octet]) for octet in (*range(10), 11, 12, *range(14, 32), 127)]
PLACES = [
    b"EHLO client%sexample",
    b"HELO client%sexample",
    b"MAIL FROM:<ada%s@contoso.test>",
    b'MAIL FROM:<"ada%sx"@contoso.test>',
    b"MAIL FROM:<ada@contoso.test> ENVID=x%sy",
    b"MAIL FROM:<ada@contoso.test>%sSIZE=1",
    b"RCPT TO:<eve@outside.example%s>",
    b'RCPT TO:<"eve%sx"@outside.example>',
    b"RCPT TO:<eve@outside.example> ORCPT=rfc822;x%sy",
    b"VRFY x%sy",
    b"NOOP x%sy",
]
HEADER = "X-Injected: yes"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.decode()[:24])
def test_row_09_a_control_octet_in_a_command_is_refused(place: bytes) -> None:
    """Octets 0x00-0x1f and 0x7f: 501 5.5.2, and the session is in step."""

    async def main() -> None:
        async with relay(limits={"errors_max": 1000}) as running:
            client = await running.connect()
            for control in CONTROLS:
                client.send(place % control + b"\r\n")
                assert (await client.reply()).startswith("501 5.5.2"), control
            assert (await client.say("NOOP\n"))[0].startswith("250")
            assert not running.spool.recipients

    asyncio.run(main())


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n"], ids=repr)
@pytest.mark.parametrize(
    "place",
    [b'RCPT TO:<"x%sRCPT TO:<victim@outside.example>"@contoso.test>', b"EHLO x%sMAIL FROM:<ceo@contoso.test>"],
    ids=["rcpt", "ehlo"],
)
def test_row_09_a_line_end_within_a_command_starts_no_other(place: bytes, end: bytes) -> None:
    """What a client was made to write into an address or name stays one refused command (no 2yz reply comes)."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\n")
            client.send(place % end + b"\r\nQUIT\r\n")
            answers = (await client.rest()).splitlines()
            assert answers[-1].startswith("221") and all(line[0] == "5" for line in answers[:-1])

    asyncio.run(main())


XTEXT_LINE_ENDS = ["+0D+0A", "+0A", "+0D", "+0D+0A+20", "+00", "+C2+85", "+E2+80+A8", "+1B[2J"]


@pytest.mark.parametrize("line_end", XTEXT_LINE_ENDS)
@pytest.mark.parametrize("is_dsn_next", [True, False], ids=["dsn next", "no dsn next"])
def test_row_09_xtext_is_decoded_into_no_command_and_no_field(line_end: str, is_dsn_next: bool) -> None:
    """ORCPT and ENVID travel as they came; in a notification a hidden line end stays hidden."""
    envid, orcpt = f"id{line_end}{HEADER.replace(' ', '+20')}", f"rfc822;eve{line_end}X-Injected:yes@outside.example"
    names = ("PIPELINING", "DSN") if is_dsn_next else ("PIPELINING",)

    def refuse(step: str, line: str) -> bytes | None:
        return b"550 5.1.1 no such user\r\n" if step == "RCPT" and OUTSIDER in line.split(" ORCPT")[0] else None

    async def main() -> None:
        async with relay(capabilities=names, script=refuse) as running:
            client = await running.connect()
            await client.say(
                f"MAIL FROM:<{INSIDER}> ENVID={envid} RET=HDRS\n"
                f"RCPT TO:<{OUTSIDER}> NOTIFY=FAILURE ORCPT={orcpt}\nDATA\n",
                3,
            )
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250")
            await running.settled()
            sent = [line for line in running.outside.lines if line.startswith(("MAIL FROM:<ada", "RCPT TO:<eve"))]
            if is_dsn_next:
                assert f" ENVID={envid}" in sent[0] and sent[1].endswith(f" ORCPT={orcpt}")
            else:
                assert "ENVID" not in sent[0] and "ORCPT" not in sent[1]
            (notification,) = running.left()
            fields = notification.content.split(b"\r\n")
            assert any(field.startswith(b"Original-Envelope-Id: ") for field in fields)
            assert not any(field.lstrip().lower().startswith(b"x-injected") for field in fields)
            assert b"\x1b" not in notification.content and b"\0" not in notification.content

    asyncio.run(main())


REPLIES = [
    b"550-5.1.1 one\r\n550 5.1.1 X-Injected: yes\r\n",
    b"550 5.1.1 a\rX-Injected: yes\r\n",
    b"550 5.1.1 a\x0bX-Injected: yes\x1b[2J\x00\r\n",
    "550 5.1.1 a\u2028X-Injected: yes\u0085X-Injected: yes\r\n".encode(),
    b"550 5.1.1 " + b"x" * 5000 + b"\r\n",
    b"550 5.1.1 \xff\xfe\r\n",
]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: repr(reply[:24]))
def test_row_09_a_next_hops_reply_adds_no_field_to_a_notification(reply: bytes) -> None:
    async def main() -> None:
        script = lambda step, line: reply if step == "RCPT" and OUTSIDER in line else None  # noqa: E731
        async with relay(script=script) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            await client.say("Subject: x\n\nx\n.\n")
            await running.settled()
            (notification,) = running.left()
            fields = notification.content.split(b"\r\n")
            assert not any(field.lower().startswith(b"x-injected") for field in fields)
            assert all(len(field) <= 998 for field in fields)
            assert not any(octet in notification.content.replace(b"\r\n", b"") for octet in b"\r\n\0\x0b\x1b")

    asyncio.run(main())


@pytest.mark.parametrize(
    "helo", ["x(by", "x)X-Injected:yes", "x;by", "<x@y>", '"x"', "x,y", "[127.0.0.1](", "x\\", "a" * 255, "-", "="]
)
def test_row_09_a_hello_name_cannot_leave_its_place_in_received(helo: str) -> None:
    """The field keeps its shape: the name is one word of name characters, the address in parentheses is the peer's."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect(hello=f"EHLO {helo}")
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\nDATA\n", 3)
            await client.say("Subject: x\n\nx\n.\n")
            (content,) = running.stored()
            first, by, *_ = content.split(b"\r\n")
            name, peer = first.removeprefix(b"Received: from ").split(b" ")
            assert peer == b"(127.0.0.1)" and by == b" by relay.contoso.test (127.0.0.1)"
            assert not set(name) & set(b'();<>,"\\= \t@')

    asyncio.run(main())


@pytest.mark.parametrize(
    "message_id",
    ["<x@y>\x1b[2J", "<x\u202ey@z>", "<" + "x" * 900 + "@y>", "<x@y>\x0b250 2.0.0", "<x@y>\n 221 2.0.0 bye", "\u00ff"],
    ids=repr,
)
def test_row_09_a_message_id_adds_nothing_to_our_reply(message_id: str) -> None:
    """The final 250 echoes the Message-ID only where it is printable ASCII and the line stays within 512 octets."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}> BODY=8BITMIME\nRCPT TO:<{INSIDE}>\nDATA\n", 3)
            await client.say(f"Message-ID: {message_id}\n\nx\n.\nQUIT\n", 0)
            queued, bye = (await client.rest()).encode().split(b"\r\n")[:2]
            assert queued.startswith(b"250 2.6.0 ") and bye.startswith(b"221")
            assert len(queued) <= 510 and all(32 <= octet < 127 for octet in queued)

    asyncio.run(main())


HOSTILE = "x\r\nforged: line\x1b[31m\x00\x85\u2028\u202e" + "y" * 10


def test_row_09_a_log_line_stays_one_line() -> None:
    """CWE-117: in both forms; JSON escapes, the Postfix manner shows \\x escapes."""
    asked = {"sender": HOSTILE, "recipient": HOSTILE, "helo": HOSTILE, "peer": "192.0.2.1", "reply": HOSTILE}
    event = {"level": "info", "event": "refused", **asked}
    for line in (json_line(None, "info", dict(event)), postfix_line("relay", "staffetta")(None, "info", dict(event))):
        assert len(line.splitlines()) == 1
        assert not any(sign in line for sign in "\r\n\x1b\0\x85\u2028")
    assert json.loads(json_line(None, "info", dict(event)))["sender"] == HOSTILE
