"""A relay whose mail goes out by MX, to hosts on port 25 of loopback addresses, and what its trace says of it."""

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from tests.live.clients import send_with_smtplib
from tests.live.mail import Mail, shapes
from tests.live.names import Names
from tests.live.relay import PATIENCE_SECONDS, Relay

ROUTE = """
[[routes]]
name = "outside"
transport = "mx"
allow_private_addresses = {allows}

"""
DOMAIN = """
[[accepted_domains]]
name = "{name}"
type = "InternalRelay"
route = "outside"
"""


def cannot_be_an_exchanger() -> str | None:
    """Say why nothing here can listen where exchangers do, or None."""
    try:
        socket.create_server(("127.0.2.250", 25)).close()
    except OSError as error:
        return f"port 25 of a loopback address cannot be had: {error.strerror}"
    return None


def relay_by_mx(folder: Path, names: Names, *, allows_private: bool = True) -> Relay:
    """Every zone is a domain whose mail goes by MX, and so is a name within one that is not there."""
    domains = "".join(DOMAIN.format(name=name) for name in (*names.zones, f"nowhere.{next(iter(names.zones))}"))
    return Relay(folder, 9, more=ROUTE.format(allows=str(allows_private).lower()) + domains + names.settings)


@dataclass(frozen=True)
class Told:
    """What the trace says of a recipient: its status, and the last event of an attempt."""

    status: str
    event: dict[str, object]


def sent_to(relay: Relay, recipient: str) -> Told:
    """Send a message, and return what became of it: delivered, failed, or deferred for the first time."""
    name = recipient.replace("@", "-at-")
    plain = shapes(name)["plain"]
    send_with_smtplib(Mail(plain.message_id, plain.content, recipients=(recipient,)), relay.port)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for row in relay.trace("--message-id", plain.message_id):
            events = row["events"]
            assert isinstance(events, list)
            ends = [event for event in events if event["event"] in ("Send", "Fail", "Defer")]
            if ends:
                return Told(str(row["status"]), ends[-1])
    raise AssertionError(relay.log)
