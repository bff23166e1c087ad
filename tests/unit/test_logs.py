import asyncio
import errno
import io
import json
import logging
import os
from collections.abc import Callable, Iterator

import pytest
import structlog

from staffetta import logs, metrics


@pytest.fixture(autouse=True)
def restored_log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def log_line(*, postfix: str | None, words: str, level: str = "info", **pairs: object) -> str:
    written = io.BytesIO()
    logs.configure(postfix=postfix, level=level, hostname="relay.example", write=written.write)
    structlog.get_logger().info(words, **pairs)
    return written.getvalue().decode()


def test_json_line_is_one_object_with_time_level_event_and_keywords() -> None:
    line = json.loads(log_line(postfix=None, words="delivered", queue_id="ABC", delay=1.5))
    assert line["at"].endswith("Z")
    assert (line["level"], line["event"], line["queue_id"], line["delay"]) == ("info", "delivered", "ABC", 1.5)


def test_postfix_line_starts_with_the_queue_id_and_wraps_addresses() -> None:
    line = log_line(
        postfix="staffetta", words="delivered", queue_id="ABC", to="bob@contoso.test", relay=None, status="sent"
    )
    assert line.endswith(": ABC: to=<bob@contoso.test>, status=sent (delivered)\n")
    assert " relay.example staffetta[" in line


@pytest.mark.parametrize("postfix", ["staffetta", None])
def test_what_a_peer_sent_cannot_split_a_line(postfix: str | None) -> None:
    line = log_line(postfix=postfix, words="connection broken", helo="evil\r\nNov 24 forged\x1b[31m\u2028")
    assert line.count("\n") == 1
    assert "\r" not in line and "\x1b" not in line and "\u2028" not in line


def test_lines_under_the_level_are_not_written() -> None:
    assert log_line(postfix=None, words="delivered", level="error") == ""


def test_line_that_cannot_be_written_harms_nobody_and_is_counted() -> None:
    def disk_full(_line: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    lost = metrics.LOG_LINES_LOST._value.get()
    logs.configure(postfix=None, level="info", hostname="relay.example", write=disk_full)
    structlog.get_logger().error("delivered")
    assert metrics.LOG_LINES_LOST._value.get() == lost + 1


def test_unpaired_surrogate_is_written_escaped() -> None:
    assert "\\udc80" in log_line(postfix="staffetta", words="connection broken", helo="\udc80")


def test_failed_library_call_keeps_its_traceback() -> None:
    written = io.BytesIO()
    logs.configure(postfix="staffetta", level="info", hostname="relay.example", write=written.write)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("library").exception("call failed")
    assert b"error: call failed: logger=library" in written.getvalue()
    assert b"RuntimeError: broken" in written.getvalue()


def lines_of_one_moment(monkeypatch: pytest.MonkeyPatch, write: Callable[[int, bytes], int]) -> None:
    async def say_both() -> None:
        written = asyncio.Event()

        def write_and_tell(descriptor: int, octets: bytes) -> int:
            written.set()
            return write(descriptor, octets)

        monkeypatch.setattr(os, "write", write_and_tell)
        logs.configure(postfix=None, level="info", hostname="relay.example")
        structlog.get_logger().info("first")
        structlog.get_logger().info("second")
        await written.wait()

    asyncio.run(say_both())


def test_lines_of_one_moment_are_one_write_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    lines_of_one_moment(monkeypatch, lambda _descriptor, octets: writes.append(octets) or len(octets))
    assert [json.loads(line)["event"] for line in writes[0].splitlines()] == ["first", "second"]
    assert len(writes) == 1


def test_gathered_lines_that_cannot_be_written_are_each_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(_descriptor: int, _octets: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    lost = metrics.LOG_LINES_LOST._value.get()
    lines_of_one_moment(monkeypatch, disk_full)
    assert metrics.LOG_LINES_LOST._value.get() == lost + 2
