"""The rules of the catalogue."""

import re

import pytest

from staffetta.smtp import reply
from staffetta.smtp.remote_reply import ReplyReader
from staffetta.smtp.reply import Reply

CATALOGUE = reply.catalogue()
WITHOUT_ENHANCED_CODE = {"greeting", "hello", "START_MAIL_INPUT", "challenge"}  # RFC 2034 §4
LINE_OCTETS_MAX = 512  # RFC 5321 §4.5.3.1.5


@pytest.mark.parametrize("name", CATALOGUE)
def test_enhanced_code_is_there_and_of_the_code_s_class(name: str) -> None:
    code, enhanced = CATALOGUE[name].code, CATALOGUE[name].enhanced_code
    if name in WITHOUT_ENHANCED_CODE:
        assert enhanced is None
    else:
        assert enhanced and re.fullmatch(rf"{code // 100}\.\d\.\d{{1,3}}", enhanced)


@pytest.mark.parametrize("name", CATALOGUE)
def test_reply_fits_on_the_wire_even_with_its_stamp(name: str) -> None:
    shown = CATALOGUE[name]
    assert all(text.isascii() and text.isprintable() and text == text.strip() for text in (shown.text, *shown.more))
    stamped = shown.stamped("a-long-name-of-some-relay.mail.department.example.org", 1.8e9, "0123456789ABC")
    assert max(map(len, stamped.wire.splitlines(keepends=True))) <= LINE_OCTETS_MAX


def test_the_same_thing_is_said_in_the_same_words() -> None:
    texts = [shown.text for shown in CATALOGUE.values()]
    assert len(texts) == len(set(texts))


def test_several_lines_have_hyphens_but_the_last() -> None:
    assert Reply(250, None, "a", ("B", "C")).wire == b"250-a\r\n250-B\r\n250 C\r\n"


def test_stamp_is_written_as_exchange_writes_it() -> None:
    stamped = reply.RELAY_DENIED.stamped("relay.example", 1_764_000_000.123, "0123456789ABC")
    assert (
        str(stamped) == "550 5.7.64 TenantAttribution; Relay Access Denied "
        "[relay.example 2025-11-24T16:00:00.123Z 0123456789ABC]"
    )


@pytest.mark.parametrize("message_id", [None, "", "<ü@example.org>", "<a\r\n250 x>", "<a\tb>", "<" + "x" * 500 + ">"])
def test_message_id_that_is_unfit_to_show_is_left_out(message_id: str | None) -> None:
    assert (
        str(reply.queued(message_id, "0123456789ABC", "relay.example"))
        == "250 2.6.0 [InternalId=0123456789ABC, Hostname=relay.example] Queued mail for delivery"
    )


@pytest.mark.parametrize("name", CATALOGUE)
def test_our_reader_reads_what_we_write(name: str) -> None:
    shown = CATALOGUE[name]
    (read,) = ReplyReader().receive(shown.wire)
    assert (read.code, read.enhanced_code) == (shown.code, shown.enhanced_code)
    assert read.lines[-1].endswith(shown.more[-1] if shown.more else shown.text)
