import asyncio
import re
import smtplib
import socket
from collections.abc import Callable
from pathlib import Path

from staffetta.reception.capture import CaptureHost
from staffetta.settings.model import Limits

RECEIVED = re.compile(rb"Received: from \S+ \(127\.0\.0\.1\)\r\n by outside\.example (?:.*\r\n )+.* \+0000\r\n")


def captured(folder: Path, visit: Callable[[int], None]) -> list[bytes]:
    """Run a capture host for one visit, and return what it kept, oldest first."""

    async def scene() -> None:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        host = CaptureHost(folder, "outside.example", Limits())
        await host.start(listening)
        await asyncio.to_thread(visit, listening.getsockname()[1])
        host.stop()

    asyncio.run(scene())
    assert list((folder / "tmp").iterdir()) == []
    return [path.read_bytes() for path in sorted((folder / "new").iterdir())]


def test_message_is_kept_with_its_envelope_in_front(tmp_path: Path) -> None:
    def visit(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail(
                "ada@contoso.test", ["eve@outside.example", "bob@else.example"], b"Subject: x\r\n\r\n.dot\r\n"
            )

    (message,) = captured(tmp_path, visit)
    message, received = RECEIVED.sub(b"", message), RECEIVED.findall(message)
    assert len(received) == 1
    assert message == (
        b"Return-Path: <ada@contoso.test>\r\n"
        b"X-Envelope-To: <eve@outside.example>\r\n"
        b"X-Envelope-To: <bob@else.example>\r\n"
        b"Subject: x\r\n\r\n.dot\r\n"
    )


def test_second_message_of_a_session_has_only_its_own_recipients(tmp_path: Path) -> None:
    def visit(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail("", ["one@outside.example"], b"\r\n1\r\n")
            client.sendmail("", ["two@outside.example"], b"\r\n2\r\n")

    first, second = captured(tmp_path, visit)
    assert b"one@" in first and b"two@" not in first
    assert b"two@" in second and b"one@" not in second


def test_nothing_is_kept_of_a_message_whose_client_went_away(tmp_path: Path) -> None:
    def visit(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
            reader = client.makefile("rb")
            while not reader.readline().startswith(b"354"):
                pass
            client.sendall(b"Subject: half")
            client.shutdown(socket.SHUT_WR)
            reader.read()

    assert captured(tmp_path, visit) == []
