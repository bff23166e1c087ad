"""The header section: found, counted, never rewritten."""

import pytest

from staffetta.mail.header import HeaderSection, section_end

FIELDS = b"Received: a\r\nSubject: one\r\n\ttwo\r\nRECEIVED:b\r\nMessage-ID:\r\n <1@example.org>\r\n"


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (FIELDS + b"\r\nbody\r\n\r\nmore\r\n", len(FIELDS)),
        (FIELDS + b"\r\n", len(FIELDS)),
        (FIELDS, None),
        (b"", None),
        (b"\r\nbody\r\n", 0),
    ],
)
def test_the_section_ends_at_the_first_empty_line(content, end):
    assert section_end(content) == end


def test_values_come_unfolded_whatever_the_case_of_the_name():
    section = HeaderSection(FIELDS)
    assert section.first(b"subject") == "one\ttwo"
    assert section.first(b"message-id") == "<1@example.org>"
    assert section.first(b"received") == "a"
    assert section.first(b"to") is None


def test_fields_are_counted_by_their_whole_name():
    section = HeaderSection(FIELDS + b"X-Received: c\r\nReceived-SPF: d\r\nTo: x\r\n received: no\r\n")
    assert section.count(b"received") == 2


def test_a_field_without_its_end_is_read_to_the_end():
    assert HeaderSection(b"Subject: cut").first(b"subject") == "cut"
    assert HeaderSection(b"Subject:").first(b"subject") == ""


def test_a_hostile_value_is_bounded_and_never_raises():
    value = HeaderSection(b"Subject: \xff" + b"x" * 5000 + b"\r\n").first(b"subject")
    assert value is not None and len(value) <= 998 and value.startswith("\ufffd")


@pytest.mark.parametrize(
    ("section", "kept", "removed"),
    [
        (FIELDS, FIELDS, 0),
        (b"", b"", 0),
        (b"X-A-1: a\r\nTo: b\r\nx-a-2: c\r\n", b"To: b\r\n", 2),
        (b"To: b\r\nX-A-1: a\r\n\tfolded\r\n more\r\nCc: c\r\n", b"To: b\r\nCc: c\r\n", 1),
        (b"To: b\r\nX-A-1 : a\r\n", b"To: b\r\n", 1),
        (b"To: b\r\nX-A-1", b"To: b\r\n", 1),
        (b"To: b\r\n X-A-1: folded\r\nX-B-X-A-1: x\r\n", b"To: b\r\n X-A-1: folded\r\nX-B-X-A-1: x\r\n", 0),
    ],
)
def test_fields_are_left_out_as_a_whole(section: bytes, kept: bytes, removed: int) -> None:
    assert HeaderSection(section).without((b"x-a-", b"x-none")) == (kept, removed)
