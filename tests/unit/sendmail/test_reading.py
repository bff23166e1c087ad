"""What is written to standard input becomes a message that a relay can take."""

import pytest

from staffetta.sendmail.arguments import parse
from staffetta.sendmail.letter import Letter
from staffetta.sendmail.reading import Author, Unsendable, read_message

AUTHOR = Author("ada", "host.test", "Ada Lovelace")
WHOLE = b"From: a@b.test\nTo: Bob <bob@c.test>, carol\nDate: x\nMessage-ID: <1@b.test>\nSubject: s\n\nhello\n"


def read(octets: bytes, line: str = "-t") -> Letter:
    return read_message(octets, parse("sendmail", line.split()), AUTHOR, now=0.0)


def test_a_whole_message_passes_but_for_its_line_ends() -> None:
    assert read(WHOLE).content == WHOLE.replace(b"\n", b"\r\n")


RECIPIENTS = [
    ("-t", WHOLE, ("bob@c.test", "carol@host.test")),
    ("-t x@y.test", WHOLE, ("x@y.test", "bob@c.test", "carol@host.test")),
    ("x@y.test", WHOLE, ("x@y.test",)),
    ("root", b"text alone\n", ("root@host.test",)),
    ("a@b.test,c@d.test a@b.test", b"\n", ("a@b.test", "c@d.test")),
    ("-t", b"To: a@b.test\nCc: c@d.test\nBcc:\n e@f.test\n\n", ("a@b.test", "c@d.test", "e@f.test")),
    ("-t", b"Resent-To: z@y.test\nTo: a@b.test\n\n", ("z@y.test",)),
]


@pytest.mark.parametrize(("line", "octets", "recipients"), RECIPIENTS)
def test_recipients_come_from_the_line_and_with_t_from_the_header(
    line: str, octets: bytes, recipients: tuple[str, ...]
) -> None:
    assert read(octets, line).recipients == recipients


def test_nobody_sees_who_got_a_blind_copy() -> None:
    content = read(b"To: a@b.test\nBcc: secret@b.test,\n more@b.test\nSubject: s\n\nbody\n").content
    assert b"secret" not in content
    assert b"more" not in content
    assert b"Subject: s\r\n" in content


def test_text_without_a_header_gets_one() -> None:
    header, _, body = read(b"It is down.\nReally: yes\n", "root").content.partition(b"\r\n\r\n")
    assert body == b"It is down.\r\nReally: yes\r\n"
    names = [line.partition(b":")[0] for line in header.split(b"\r\n")]
    assert names == [b"From", b"Date", b"Message-ID"]
    assert b"From: Ada Lovelace <ada@host.test>" in header


ENDS = [
    ("x", b"S: 1\n\na\n.\nb\n", b"a\r\n"),
    ("x", b"S: 1\r\n\r\na\r\n.\r\nb\r\n", b"a\r\n"),
    ("-i x", b"S: 1\n\na\n.\nb\n", b"a\r\n.\r\nb\r\n"),
    ("x", b"S: 1\n\na\n..\n.x\n", b"a\r\n..\r\n.x\r\n"),
    ("x", b"S: 1\n\nno end", b"no end\r\n"),
]


@pytest.mark.parametrize(("line", "octets", "body"), ENDS)
def test_a_dot_alone_ends_it_unless_told_otherwise(line: str, octets: bytes, body: bytes) -> None:
    assert read(octets, line).content.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize(
    ("line", "sender"),
    [
        ("x", "ada@host.test"),
        ("-f bob@c.test x", "bob@c.test"),
        ("-f www-data x", "www-data@host.test"),
        ("-f <> x", ""),
    ],
)
def test_the_sender_is_who_calls_or_whom_it_names(line: str, sender: str) -> None:
    assert read(b"\n", line).sender == sender


def test_the_line_that_mailboxes_begin_with_is_left_out() -> None:
    assert read(b"From ada Tue Nov 24 20:00:00 2026\n" + WHOLE).content == WHOLE.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("line", ["-t", "", "-t no@@where.test", "a b@c..d"])
def test_what_goes_to_nobody_is_told(line: str) -> None:
    with pytest.raises(Unsendable):
        read(b"Subject: s\n\n", line)
