"""Exchange's internal header fields go from the mail of everybody whom no connector trusts with them."""

from typing import Any

import pytest

from staffetta.mail.content import Content
from staffetta.settings.objects import InboundConnector
from tests.reception_sockets.dialog import listening, run

FORGED = "X-MS-Exchange-Organization-SCL: -1\nX-MS-Exchange-Organization-AuthAs:\n Internal\n"
HEADER = "Message-ID: <1@contoso.test>\n" + FORGED + "Subject: x\n"
KEPT = "Message-ID: <1@contoso.test>\nSubject: x\n"
SMALL, LARGE = "hello\n", "hello\n" * 1000
CONNECTOR = InboundConnector(name="Exchange", sender_ip_addresses=("127.0.0.1",))
TRUSTED = CONNECTOR.model_copy(update={"cloud_services_mail_enabled": True})


async def octets_of(content: Content) -> bytes:
    return b"".join([chunk async for chunk in content.chunks()])


@pytest.mark.parametrize("limits", [{}, {"content_in_memory_octets_max": 10}, {"content_in_memory_octets_max": 300}])
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("connectors", "expected", "removed"),
    [((), KEPT, 2), ((CONNECTOR,), KEPT, 2), ((TRUSTED,), HEADER, 0)],
    ids=["nobody", "untrusted", "trusted"],
)
def test_forged_fields_go(
    connectors: tuple[InboundConnector, ...], expected: str, removed: int, body: str, limits: dict[str, Any]
) -> None:
    async def main() -> None:
        async with listening(changed={"inbound_connectors": connectors}, **limits) as bench:
            client = await bench.greeted()
            await client.say("MAIL FROM:<a@contoso.test>\nRCPT TO:<b@contoso.test>\nDATA\n", 3)
            assert (await client.say(f"{HEADER}\n{body}.\n"))[0].startswith("250 2.6.0 ")
            (message,) = bench.messages
            octets = await octets_of(message.content)
            assert octets[octets.index(b"Message-ID:") :] == f"{expected}\n{body}".replace("\n", "\r\n").encode()
            assert message.events[0].detail.get("fields_removed", 0) == removed

    run(main)
