"""What a peer does wrong gets a clear reply and harms nobody: the relay stands and takes the next message."""

import random
import re
import socket
from collections.abc import Iterator

import pytest

from tests.live.arrived import copies
from tests.live.clients import send_with_smtplib
from tests.live.mail import shapes
from tests.live.relay import Relay
from tests.live.sink import Sink

pytestmark = pytest.mark.live

ENVELOPE = b"EHLO client.test\r\nMAIL FROM:<ada@contoso.test>\r\nRCPT TO:<bob@outside.example>\r\nDATA\r\n"
FIELDS = b"From: ada@contoso.test\r\nSubject: bad\r\n\r\n"
PATIENCE_SECONDS = 20
SMALL_LIMITS = """
[limits]
message_octets_max = 100000
data_timeout_seconds = 1
command_timeout_seconds = 1
"""
CASES = {
    "unknown-command": (b"EHLO client.test\r\nFROBNICATE\r\n", rb"500 5\.5\.\d"),
    "nul-in-a-command": (b"EHLO client.test\r\nMAIL FROM:<a\0b@contoso.test>\r\n", rb"50[01] 5\.5\.\d"),
    "eight-bit-command": (b"EHLO client.test\r\n\xff\xfe\xfd\r\n", rb"50[01] 5\.5\.\d"),
    "invalid-utf8-address": (b"EHLO client.test\r\nMAIL FROM:<\xff@contoso.test> SMTPUTF8\r\n", rb"50[01] 5"),
    "oversize-command-line": (b"EHLO client.test\r\nNOOP " + b"x" * 100_000 + b"\r\n", rb"500 5\.5\.\d"),
    "commands-out-of-order": (b"EHLO client.test\r\nRCPT TO:<bob@outside.example>\r\n", rb"503 5\.5\.1"),
    "recipient-is-not-a-path": (ENVELOPE[: ENVELOPE.index(b"RCPT")] + b"RCPT TO:<a@@b>\r\n", rb"50[01] 5\.1\.3|501 5"),
    "declared-too-large": (b"EHLO client.test\r\nMAIL FROM:<ada@contoso.test> SIZE=200000\r\n", rb"552 5\.3\.4"),
    "size-is-not-a-number": (
        b"EHLO client.test\r\nMAIL FROM:<ada@contoso.test> SIZE=\xd9\xa1\r\n",
        rb"50[01] 5\.5\.\d",
    ),
    "message-too-large": (ENVELOPE + FIELDS + b"x" * 78 + (b"\r\n" + b"x" * 78) * 2000 + b"\r\n.\r\n", rb"552 5\.3\.4"),
    "bare-lf": (ENVELOPE + FIELDS + b"one\ntwo\r\n.\r\n", rb"550 5\.\d\.\d"),
    "bare-cr": (ENVELOPE + FIELDS + b"one\rtwo\r\n.\r\n", rb"550 5\.\d\.\d"),
    "smuggling-lf-dot-crlf": (ENVELOPE + FIELDS + b"one\n.\r\nMAIL FROM:<x@y>\r\n.\r\n", rb"5[25][01] 5\.\d\.\d"),
    "smuggling-lf-dot-lf": (ENVELOPE + FIELDS + b"one\n.\nMAIL FROM:<x@y>\r\n.\r\n", rb"5[25][01] 5\.\d\.\d"),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rb"(421|500|501|521|554) "),
    "bdat-without-size": (ENVELOPE.replace(b"DATA", b"BDAT"), rb"(501 5|421 4)\.5\.\d"),
}


@pytest.fixture(scope="module")
def strict(folder: object, sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay with small limits."""
    with Relay(tmp_path_factory.mktemp("strict"), sink.port, more=SMALL_LIMITS) as strict:
        yield strict


def say(connection: socket.socket, octets: bytes) -> bytes:
    """Send all, what follows DATA not before 354 has come; return what has come so far."""
    answer = b""
    if octets.startswith(ENVELOPE):
        connection.sendall(ENVELOPE)
        while b"354 " not in answer:
            answer += connection.recv(65536)
        octets = octets.removeprefix(ENVELOPE)
    connection.sendall(octets)
    return answer


def dialog(port: int, octets: bytes) -> bytes:
    """Send all, say no more, and return all that comes until the relay closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        answer = b""
        try:
            answer = say(connection, octets)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the relay had heard enough
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def assert_unharmed(relay: Relay, sink: Sink, name: str) -> None:
    assert relay.is_running, relay.log
    mail = shapes(f"after-{name}")["plain"]
    send_with_smtplib(mail, relay.port)
    copies(sink, mail)
    assert "Traceback" not in relay.log


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_a_clear_reply_and_harms_nobody(name: str, strict: Relay, sink: Sink) -> None:
    octets, expected = CASES[name]
    answer = dialog(strict.port, octets)
    assert re.search(rb"^" + expected, answer, re.MULTILINE), answer
    assert_unharmed(strict, sink, name)


def test_nothing_refused_ever_reaches_the_next_hop(strict: Relay, sink: Sink) -> None:
    for octets, _ in CASES.values():
        dialog(strict.port, octets)
    assert_unharmed(strict, sink, "all")
    assert not any(b"Subject: bad" in arrival.content for arrival in sink.arrivals)


@pytest.mark.parametrize("length", [1, 20, len(ENVELOPE), len(ENVELOPE + FIELDS)])
def test_premature_close_leaves_nothing_behind(length: int, strict: Relay, sink: Sink) -> None:
    dialog(strict.port, (ENVELOPE + FIELDS)[:length])
    with socket.create_connection(("127.0.0.1", strict.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
        connection.sendall((ENVELOPE + FIELDS)[:length])
    assert_unharmed(strict, sink, f"close-{length}")
    assert not any(b"Subject: bad" in arrival.content for arrival in sink.arrivals)


@pytest.mark.parametrize("octets", [b"", b"EHLO client.test\r\n", ENVELOPE + FIELDS])
def test_slow_peer_is_let_go_with_421_while_others_are_served(octets: bytes, strict: Relay, sink: Sink) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=PATIENCE_SECONDS) as slow:
        answer = say(slow, octets)
        assert_unharmed(strict, sink, f"beside-slow-{len(octets)}")
        while piece := slow.recv(65536):
            answer += piece
    assert answer.splitlines()[-1].startswith(b"421 4.4.2"), answer


def test_random_octets_harm_nobody(strict: Relay, sink: Sink) -> None:
    source = random.Random(5321)
    for _ in range(50):
        dialog(strict.port, ENVELOPE[: source.randrange(len(ENVELOPE))] + source.randbytes(source.randrange(5000)))
    assert_unharmed(strict, sink, "random")
