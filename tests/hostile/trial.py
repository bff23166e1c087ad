"""Tries attacks on a server, and notes what leaves it."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.hostile.attacks import ATTACKS, CONNECTED, Attack
from tests.hostile.client import Say, Seen, converse
from tests.live.postfix import Postfix
from tests.live.relay import Relay, open_folder, server_tls
from tests.live.sink import Sink

LAST = "last@contoso.test"
CAPABILITIES = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 0")  # no chunks: content leaves by DATA, with dots
CONNECTOR = f"""
[[inbound_connectors]]
name = "Office"
sender_ip_addresses = ["{CONNECTED}"]
"""
# One host of loopback makes all the errors here; a limit on them by address would end the later attacks early.
PATIENT = """
[limits]
errors_per_minute_max = 1000000
"""
POSTFIX = f"""
mynetworks = {CONNECTED}/32
relay_domains = contoso.test
smtpd_tls_security_level = may
smtpd_tls_chain_files = {{folder}}/key.pem, {{folder}}/certificate.pem
"""


@dataclass(frozen=True, slots=True)
class Result:
    attack: Attack
    variant: str
    seen: Seen

    @property
    def is_as_expected(self) -> bool:
        try:
            return self.attack.is_as_expected(self.seen)
        except (IndexError, ValueError):  # fewer replies than it looks at
            return False


@contextmanager
def standing_relay() -> Iterator[tuple[int, Sink]]:
    """Our relay in a process of its own: its port, and what stands behind it."""
    folder = open_folder()
    with Sink(*CAPABILITIES) as sink, Relay(folder, sink.port, connectors=CONNECTOR, more=PATIENT) as relay:
        yield relay.port, sink
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standing_postfix() -> Iterator[tuple[int, Sink]]:
    """Debian's Postfix with its own defaults, told the same about who is who."""
    folder = open_folder()
    server_tls(folder)
    with Sink(*CAPABILITIES) as sink, Postfix(sink.port, more=POSTFIX.format(folder=folder)) as postfix:
        yield postfix.port, sink
    shutil.rmtree(folder, ignore_errors=True)


def tried(port: int, attack: Attack, variant: str, sink: Sink) -> Result:
    """Try one variant. Where content was taken, a message after it waits until what left has arrived."""
    before = len(sink.arrivals)
    seen = converse(port, attack.variants[variant], source=attack.client)
    taken = sum(line.startswith("250 ") and "ueued" in line for line in seen.lines)
    if taken:
        _send_last(port)
        sink.wait_until(lambda arrivals: len(arrivals) > before + taken)
    left = tuple(arrival.reverse_path.address for arrival in sink.arrivals[before:])
    return Result(attack, variant, replace(seen, left=tuple(path for path in left if path != LAST)))


def tried_all(port: int, sink: Sink, attacks: Sequence[Attack] = ATTACKS) -> Iterator[Result]:
    for attack in attacks:
        for variant in attack.variants:
            yield tried(port, attack, variant, sink)


def _send_last(port: int) -> None:
    envelope = f"MAIL FROM:<{LAST}>\r\nRCPT TO:<last@outside.example>\r\nDATA\r\n".encode()
    turns = (
        Say(b"EHLO last.example\r\n"),
        Say(envelope, 3),
        Say(b"Subject: last\r\n\r\nx\r\n.\r\n"),
        Say(b"QUIT\r\n", None),
    )
    seen = converse(port, turns, source=CONNECTED)
    assert seen.codes[-2] == "250", seen
