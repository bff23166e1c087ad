"""ClientSession, without a socket: what it says, and what it makes of the answers."""

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient
from staffetta.smtp.capabilities import Capabilities, read_capabilities
from staffetta.smtp.client import ClientSession, Step
from staffetta.smtp.client_commands import mail_command, rcpt_command
from staffetta.smtp.remote_reply import REPLY_LINES_MAX, RemoteProtocolError, RemoteReply, ReplyReader
from staffetta.smtp.stuffing import DotStuffer, stuff

MAIL, RCPTS = b"MAIL FROM:<a@b.c>\r\n", (b"RCPT TO:<d@e.f>\r\n", b"RCPT TO:<g@h.i>\r\n")
EVERYTHING = Capabilities(True, True, True, True, True, True, 0)


def ready(*keywords: str, is_lmtp: bool = False) -> ClientSession:
    """A session that has said EHLO."""
    session = ClientSession("relay.example", is_lmtp=is_lmtp)
    assert session.receive(b"220 hop\r\n")
    session.hello()
    lines = ["hop", *keywords]
    reply = "".join(f"250{'-' if line is not lines[-1] else ' '}{line}\r\n" for line in lines)
    assert session.receive(reply.encode())
    return session


def test_ehlo_follows_the_greeting_and_tells_the_capabilities():
    session = ClientSession("relay.example")
    assert session.awaited is Step.GREETING
    assert not session.receive(b"220-welcome\r\n220 to")
    assert session.receive(b" hop\r\n")
    assert session.hello() == b"EHLO relay.example\r\n"
    assert session.receive(b"250-hop\r\n250-size 1000\r\n250-Pipelining\r\n250 X-OTHER a b\r\n")
    assert session.capabilities == Capabilities(pipelining=True, size=1000)


def test_the_reply_to_helo_announces_nothing():
    session = ClientSession("relay.example")
    session.receive(b"220 hop\r\n")
    session.helo()
    session.receive(b"250-hop\r\n250 PIPELINING\r\n")
    assert session.capabilities == Capabilities()


@pytest.mark.parametrize(
    ("text", "size"), [("SIZE", 0), ("SIZE 0", 0), ("SIZE 5", 5), ("SIZE x", 0), ("SIZE " + "9" * 30, 0)]
)
def test_a_size_that_is_no_number_is_no_limit(text, size):
    assert read_capabilities(RemoteReply(250, ("hop", text))).size == size


def test_with_pipelining_the_envelope_and_data_are_one_write():
    session = ready("PIPELINING")
    transaction = session.open_transaction(MAIL, RCPTS, is_chunked=False)
    assert session.is_data_next
    assert session.next_commands() == MAIL + b"".join(RCPTS) + b"DATA\r\n"
    assert not session.receive(b"250 ok\r\n250 ok\r\n550 no\r\n")
    assert session.receive(b"354 go\r\n")
    assert session.next_commands() == b""
    assert session.wants_content and transaction.accepted_count == 1
    session.content_complete()
    assert session.receive(b"250 done\r\n")
    assert [reply.code for reply in transaction.final] == [250]
    assert session.is_reusable
    session.open_transaction(MAIL, RCPTS, is_chunked=False)
    assert session.next_commands().startswith(b"MAIL")


def test_with_chunking_the_envelope_is_one_write_and_content_follows_only_for_somebody():
    session = ready("PIPELINING", "CHUNKING")
    session.open_transaction(MAIL, RCPTS, is_chunked=True)
    assert not session.is_data_next
    assert session.next_commands() == MAIL + b"".join(RCPTS)
    session.receive(b"250 ok\r\n550 no\r\n550 no\r\n")
    assert not session.wants_content
    session.open_transaction(MAIL, RCPTS, is_chunked=True)
    assert session.next_commands() == b"RSET\r\n" + MAIL + b"".join(RCPTS)
    session.receive(b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n")
    assert session.wants_content
    assert session.chunk_head(12) == b"BDAT 12 LAST\r\n"


def test_without_pipelining_a_refused_mail_ends_the_transaction():
    session = ready()
    session.open_transaction(MAIL, RCPTS, is_chunked=False)
    assert session.next_commands() == MAIL
    session.receive(b"550 no\r\n")
    assert session.next_commands() == b"" and not session.wants_content


def test_without_pipelining_data_is_not_said_for_nobody():
    session = ready()
    session.open_transaction(MAIL, RCPTS, is_chunked=False)
    for reply in (b"250 ok\r\n", b"550 no\r\n", b"450 no\r\n"):
        assert not session.is_data_next
        assert session.next_commands()
        session.receive(reply)
    assert not session.is_data_next
    assert session.next_commands() == b""


def test_lmtp_awaits_a_reply_for_every_accepted_recipient():
    session = ready("PIPELINING", is_lmtp=True)
    transaction = session.open_transaction(MAIL, (*RCPTS, RCPTS[0]), is_chunked=False)
    session.next_commands()
    session.receive(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")
    session.content_complete()
    assert not session.receive(b"250 stored\r\n")
    assert session.receive(b"452 full\r\n")
    assert [reply.code for reply in transaction.final] == [250, 452]


@pytest.mark.parametrize("size", [1, 100])
def test_what_comes_in_clear_after_the_reply_to_starttls_is_forgotten(size):
    session = ready("STARTTLS")
    assert session.starttls() == b"STARTTLS\r\n"
    octets = b"220 go\r\n250 injected\r\n250 PIPE"
    for start in range(0, len(octets), size):
        session.receive(octets[start : start + size])
    session.tls_started()
    assert session.capabilities == Capabilities()
    session.hello()
    assert session.awaited is Step.EHLO
    session.receive(b"250 hop\r\n")
    assert session.is_reusable


def test_421_ends_the_session_whatever_else_was_asked():
    session = ready("PIPELINING")
    session.open_transaction(MAIL, RCPTS, is_chunked=False)
    session.next_commands()
    assert session.receive(b"250 ok\r\n421 closing\r\n")
    assert session.closing_reply == RemoteReply(421, ("closing",))
    assert not session.is_reusable and not session.wants_content and session.next_commands() == b""


def test_a_reply_that_nobody_asked_for_ends_the_session():
    session = ready()
    session.receive(b"250 why not\r\n")
    assert not session.is_reusable


def test_half_a_reply_that_nobody_asked_for_spoils_the_session():
    session = ready()
    session.receive(b"42")
    assert not session.is_reusable


@pytest.mark.parametrize(
    "reply", [b"354 go\r\n", b"199 x\r\n", b"600 x\r\n", b"25\r\n", b"250_ok\r\n", b"\r\n", b"2x0 ok\r\n"]
)
def test_what_is_no_answer_to_mail_is_a_protocol_error(reply):
    session = ready()
    session.open_transaction(MAIL, RCPTS, is_chunked=False)
    session.next_commands()
    with pytest.raises(RemoteProtocolError):
        session.receive(reply)
    assert session.awaited is Step.MAIL


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [
        ("5.7.1 no", "5.7.1"),
        ("5.7.1", "5.7.1"),
        ("4.7.1 no", None),
        ("5.7.1no", None),
        ("5.1000.1 x", None),
        ("", None),
    ],
)
def test_an_enhanced_code_counts_only_where_its_class_agrees(text, enhanced):
    assert RemoteReply(550, (text,)).enhanced_code == enhanced


def test_a_reply_may_have_many_lines_but_not_too_many():
    reader = ReplyReader()
    (reply,) = reader.receive(b"250-x\r\n" * (REPLY_LINES_MAX - 1) + b"250 end\r\n")
    assert len(reply.lines) == REPLY_LINES_MAX
    with pytest.raises(RemoteProtocolError):
        list(reader.receive(b"250-x\r\n" * REPLY_LINES_MAX))


def test_reply_text_cannot_steer_a_terminal():
    (reply,) = ReplyReader().receive(b"550 \x1b[31mred\x07 caf\xc3\xa9 \xff\r\n")
    assert str(reply) == "550 \\x1b[31mred\\x07 café \\xff"


def test_replies_cut_anywhere_are_the_same():
    octets = b"220-a\r\n220 b\r\n250\r\n550 5.1.1 x\r\n"
    whole = list(ReplyReader().receive(octets))
    reader = ReplyReader()
    assert [reply for index in range(len(octets)) for reply in reader.receive(octets[index : index + 1])] == whole
    assert [reply.lines for reply in whole] == [("a", "b"), ("",), ("5.1.1 x",)]


def test_parameters_are_sent_only_where_they_were_announced():
    envelope = Envelope(parse_mailbox("a@b.c"), (), smtputf8=True, envelope_id="id")
    assert mail_command(envelope, Capabilities(), size=9, has_eight_bit=True) == b"MAIL FROM:<a@b.c>\r\n"
    assert mail_command(envelope, EVERYTHING, size=9, has_eight_bit=True) == (
        b"MAIL FROM:<a@b.c> SIZE=9 BODY=8BITMIME SMTPUTF8 ENVID=id\r\n"
    )


def test_an_original_recipient_in_unicode_is_escaped_for_a_hop_without_smtputf8():
    recipient = Recipient(parse_mailbox("a@b.c"), Notify.FAILURE, "utf-8;josé@example.org")
    with_dsn = Capabilities(dsn=True)
    assert rcpt_command(recipient, with_dsn) == (
        b"RCPT TO:<a@b.c> NOTIFY=FAILURE ORCPT=utf-8;jos\\x{E9}@example.org\r\n"
    )
    assert rcpt_command(recipient, EVERYTHING).endswith("ORCPT=utf-8;josé@example.org\r\n".encode())


def test_a_parameter_that_would_be_a_second_command_is_never_printed():
    with pytest.raises(ValueError, match="one line"):
        rcpt_command(Recipient(parse_mailbox("a@b.c"), original="rfc822;x\r\nDATA"), EVERYTHING)


@pytest.mark.parametrize(
    ("octets", "stuffed"),
    [
        (b"a\r\n", b"a\r\n"),
        (b".\r\n", b"..\r\n"),
        (b"a\r\n.\r\n..b\r\n", b"a\r\n..\r\n...b\r\n"),
        (b"a", b"a\r\n"),
        (b"", b""),
        (b"a.b\r\n", b"a.b\r\n"),
    ],
)
def test_every_line_that_starts_with_a_dot_gets_another_wherever_it_is_cut(octets, stuffed):
    assert stuff(octets) == stuffed
    for size in range(1, len(octets) + 1):
        stuffer = DotStuffer()
        pieces = [stuffer.stuff(octets[start : start + size]) for start in range(0, len(octets), size)]
        assert b"".join(pieces) + stuffer.end() == stuffed
