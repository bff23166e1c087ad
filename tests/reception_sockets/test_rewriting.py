"""A connector's sender goes in the place of the client's: in spool, trace, log and count, however large the message."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from staffetta.settings.objects import InboundConnector, SenderRewriting
from tests.reception_sockets.dialog import Bench, listening, run
from tests.reception_sockets.test_internal_fields import octets_of

RELAY = "relay@contoso.test"
FORCE = InboundConnector(
    name="Printers",
    sender_ip_addresses=("127.0.0.1",),
    sender_rewriting=SenderRewriting.FORCE,
    rewritten_sender=RELAY,
)
HEADER = "Message-ID: <1@lan.test>\nX-MS-Exchange-Organization-SCL: -1\nFrom: Printer 4 <p4@lan.test>\nSubject: x\n"
KEPT = "Message-ID: <1@lan.test>\nFrom: Printer 4 <relay@contoso.test>\nReply-To: Printer 4 <p4@lan.test>\nSubject: x\n"
SIGNATURE = "DKIM-Signature: v=1; d=lan.test; h=From:To; b=abc\n"


async def sent(bench: Bench, content: str, sender: str = "p4@lan.test") -> Any:
    client = await bench.greeted()
    replies = await client.say(f"MAIL FROM:<{sender}>\nRCPT TO:<b@outside.test>\nRCPT TO:<b@contoso.test>\nDATA\n", 4)
    assert replies[-1].startswith("354 "), replies
    assert (await client.say(f"{content}.\n"))[0].startswith("250 2.6.0 ")
    return bench.messages[-1]


def counts() -> tuple[float, float]:
    names = ("staffetta_senders_rewritten_total", "staffetta_signatures_broken_total")
    rewritten, broken = (REGISTRY.get_sample_value(name) or 0.0 for name in names)
    return rewritten, broken


@pytest.mark.parametrize("limits", [{}, {"content_in_memory_octets_max": 10}, {"content_in_memory_octets_max": 300}])
@pytest.mark.parametrize("body", ["hello\n", "hello\n" * 1000], ids=["small", "large"])
def test_envelope_and_from_are_kept_rewritten_and_all_else_as_it_came(body: str, limits: dict[str, Any]) -> None:
    async def main() -> None:
        async with listening(changed={"inbound_connectors": (FORCE,)}, **limits) as bench:
            before = counts()
            message = await sent(bench, f"{HEADER}\n{body}")
            octets = await octets_of(message.content)
            assert octets[octets.index(b"Message-ID:") :] == f"{KEPT}\n{body}".replace("\n", "\r\n").encode()
            assert message.content.size == len(octets)
            assert str(message.envelope.reverse_path) == RELAY
            told = message.events[0].detail
            assert (told["original_sender"], told["rewritten_sender"]) == ("p4@lan.test", RELAY)
            assert told["original_from"] == "Printer 4 <p4@lan.test>"
            assert (told["fields_removed"], "signatures_broken" in told) == (1, False)
            assert counts() == (before[0] + 1, before[1])

    run(main)


def test_a_broken_signature_is_never_silent() -> None:
    async def main() -> None:
        async with listening(changed={"inbound_connectors": (FORCE,)}) as bench:
            before = counts()
            with capture_logs() as lines:
                message = await sent(bench, f"{SIGNATURE}{HEADER}\nhello\n")
            assert message.events[0].detail["signatures_broken"] == "lan.test"
            (line,) = [line for line in lines if line["event"] == "signature broken"]
            assert (line["log_level"], line["domains"], line["connector"]) == ("warning", "lan.test", "Printers")
            assert counts() == (before[0] + 1, before[1] + 1)

    run(main)


@pytest.mark.parametrize("sender", ["", RELAY])
def test_the_envelope_stays_where_it_may(sender: str) -> None:
    async def main() -> None:
        connectors = (FORCE.model_copy(update={"sender_domains": ("*",)}),)
        async with listening(changed={"inbound_connectors": connectors}) as bench:
            client = await bench.greeted()
            await client.say(f"MAIL FROM:<{sender}>\nRCPT TO:<b@contoso.test>\nDATA\n", 3)
            await client.say("From: p4@lan.test\n\nhello\n.\n")
            (message,) = bench.messages
            assert str(message.envelope.reverse_path or "") == sender
            assert "original_sender" not in message.events[0].detail
            assert message.events[0].detail["original_from"] == "p4@lan.test"

    run(main)


def test_what_no_connector_lets_in_is_not_rewritten() -> None:
    async def main() -> None:
        elsewhere = FORCE.model_copy(update={"sender_ip_addresses": ("192.0.2.7",)})
        async with listening(changed={"inbound_connectors": (elsewhere,)}) as bench:
            client = await bench.greeted()
            await client.say("MAIL FROM:<x@lan.test>\nRCPT TO:<b@contoso.test>\nDATA\n", 3)
            await client.say("From: x@lan.test\n\nhello\n.\n")
            (message,) = bench.messages
            assert str(message.envelope.reverse_path) == "x@lan.test"
            assert (await octets_of(message.content)).endswith(b"\r\nFrom: x@lan.test\r\n\r\nhello\r\n")
            assert "rewritten_sender" not in message.events[0].detail

    run(main)
