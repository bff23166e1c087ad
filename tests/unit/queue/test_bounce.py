"""What a notification returns of the message (RFC 3461 §4.3)."""

import asyncio
from collections.abc import AsyncIterator

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.envelope import Envelope, Ret
from staffetta.mail.report import Action, RecipientReport
from staffetta.queue.bounce import WHOLE_OCTETS_MAX, write_notification
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, NewMessage

SETTINGS = Settings(hostname="relay.example", data_dir="/nowhere")  # type: ignore[arg-type]


class Unreadable:
    """Content whose file is damaged."""

    size = 1_000_000
    whole = None

    async def chunks(self) -> AsyncIterator[bytes]:
        raise OSError(5, "Input/output error")
        yield b""


def notification(content: Content, *, action: Action = Action.FAILED, ret: Ret | None = None) -> bytes:
    claim = Claim(
        number=1,
        queue_id="0000000000001",
        message_id="<m@client.example>",
        subject="Hello",
        envelope=Envelope(parse_mailbox("ada@contoso.test"), (), ret=ret),
        recipients=(),
        content=content,
        has_eight_bit=False,
        route="outside",
        destination="outside",
        connector=None,
        is_once=False,
        received_at=0.0,
    )
    report = RecipientReport(final="eve@outside.example", action=action, status="5.1.1", diagnostic="550 no")
    message = asyncio.run(
        write_notification(
            claim,
            [report],
            number=2,
            now=1.0,
            settings=SETTINGS,
            route_notification=lambda mailbox: ("mailboxes", "mailboxes"),
        )
    )
    assert isinstance(message, NewMessage) and message.content.whole is not None
    return message.content.whole


SMALL = MemoryContent(b"Subject: Hello\r\n\r\nthe body\r\n")


def test_a_failure_returns_small_content_whole() -> None:
    assert b"the body" in notification(SMALL)


def test_ret_hdrs_returns_the_header_section_alone() -> None:
    returned = notification(SMALL, ret=Ret.HEADERS)
    assert b"Subject: Hello" in returned and b"the body" not in returned


def test_a_success_returns_the_header_section_alone() -> None:
    assert b"the body" not in notification(SMALL, action=Action.DELIVERED, ret=Ret.FULL)


def test_large_content_is_not_returned_whole() -> None:
    large = MemoryContent(b"Subject: Hello\r\n\r\n" + b"x" * WHOLE_OCTETS_MAX)
    assert len(notification(large, ret=Ret.FULL)) < 10_000


def test_content_that_cannot_be_read_still_gets_its_notification() -> None:
    assert b"eve@outside.example" in notification(Unreadable())
