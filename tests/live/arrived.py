"""What must be true of a message at the far end."""

import time

from tests.live.mail import Mail
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import Arrival, Sink


def copies(sink: Sink, mail: Mail) -> list[Arrival]:
    """Wait until every recipient of the message has it, and return the arrivals that hold it."""

    def belongs(arrival: Arrival) -> bool:
        # A notification names the message too: in In-Reply-To, in References and in its body.
        header_section = arrival.content.partition(b"\r\n\r\n")[0].lower()
        return f"\r\nmessage-id: <{mail.message_id}>".lower().encode() in b"\r\n" + header_section

    def is_complete(arrivals: list[Arrival]) -> bool:
        reached = {path.address for arrival in arrivals if belongs(arrival) for path in arrival.recipients}
        return reached == set(mail.recipients)

    return [arrival for arrival in sink.wait_until(is_complete) if belongs(arrival)]


def assert_unchanged(content: bytes, mail: Mail) -> None:
    """Only trace fields may stand in front of what was sent."""
    assert content.endswith(mail.content), (len(content), len(mail.content), content[:600], content[-100:])
    added = content[: len(content) - len(mail.content)]
    names = {line.partition(b":")[0] for line in added.split(b"\r\n") if line and line[:1] not in b" \t"}
    assert b"Received" in names
    assert names <= {b"Received", b"Return-Path", b"Delivered-To"}


def assert_traced_delivered(relay: Relay, mail: Mail) -> list[dict[str, object]]:
    """Wait until the trace says Delivered for every recipient; it is written just after the next hop's reply."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        rows = relay.trace("--message-id", mail.message_id)
        if {row["recipient"] for row in rows if row["status"] == "Delivered"} == set(mail.recipients):
            return rows
        assert time.monotonic() < deadline, rows
