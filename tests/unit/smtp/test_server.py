"""What dialogs cannot show: answers other than yes, and what the driver is told."""

from collections.abc import Callable

from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.events import (
    Closing,
    ContentEnd,
    ContentPart,
    ContentStart,
    Event,
    Mail,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    Want,
)
from staffetta.smtp.server import ServerSession
from staffetta.smtp.server_state import PART_OCTETS

ENVELOPE = b"EHLO client.example\r\nMAIL FROM:<a@contoso.test>\r\nRCPT TO:<b@example.org>\r\n"
YES: dict[type[Event], reply.Reply] = {
    Mail: reply.SENDER_OK,
    Rcpt: reply.RECIPIENT_OK,
    ContentEnd: reply.OK,
    StartTls: reply.TLS_READY,
}


def new_session(*, errors_max: int = 20) -> ServerSession:
    return ServerSession(
        hostname="relay.example",
        client_address="192.0.2.1",
        limits=Limits(errors_max=errors_max),
        is_tls_offered=True,
        session_id="0",
        postmaster_domain="contoso.test",
    )


def talk(
    session: ServerSession, octets: bytes, answer: Callable[[Event], reply.Reply | None] = lambda event: None
) -> tuple[list[Event], list[bytes]]:
    """Return the events and the reply lines; `answer` returns None where the driver says yes."""
    session.receive(octets)
    events: list[Event] = []
    while not isinstance(event := session.next_event(), Want):
        events.append(event)
        if isinstance(event, ContentStart):
            session.answer(answer(event) or (reply.OK if event.is_chunked else reply.START_MAIL_INPUT))
        elif type(event) in YES:
            session.answer(answer(event) or YES[type(event)])
    return events, session.outgoing().splitlines()


def refuse(kind: type[Event], with_reply: reply.Reply) -> Callable[[Event], reply.Reply | None]:
    return lambda event: with_reply if isinstance(event, kind) else None


def test_nothing_is_read_past_an_unanswered_event() -> None:
    session = new_session()
    session.receive(ENVELOPE)
    assert isinstance(session.next_event(), Mail)
    assert session.next_event() is Want.ANSWER
    session.receive(b"NOOP\r\n")
    assert session.next_event() is Want.ANSWER
    session.answer(reply.SENDER_OK)
    assert isinstance(session.next_event(), Rcpt)


def test_refused_mail_starts_no_transaction() -> None:
    events, lines = talk(new_session(), ENVELOPE, refuse(Mail, reply.SPOOL_TROUBLE))
    assert [type(event) for event in events] == [Mail, Refused]
    assert lines[-2].startswith(b"452 4.3.1") and lines[-1].startswith(b"503 5.5.1")


def test_refused_recipient_is_not_a_recipient() -> None:
    _, lines = talk(new_session(), ENVELOPE + b"DATA\r\n", refuse(Rcpt, reply.RELAY_DENIED))
    assert lines[-1] == b"503 5.5.1 Send RCPT first"


def test_refused_data_keeps_the_envelope_and_stays_in_step() -> None:
    session = new_session()
    _, lines = talk(session, ENVELOPE + b"DATA\r\nNOOP\r\n", refuse(ContentStart, reply.SPOOL_TROUBLE))
    assert [line[:3] for line in lines[-2:]] == [b"452", b"250"]
    _, lines = talk(session, b"DATA\r\n")
    assert lines[-1].startswith(b"354")


def test_refused_first_chunk_is_read_and_ends_the_transaction() -> None:
    """Chunks that were pipelined behind it must not become a message without its beginning."""
    answers = iter([reply.SPOOL_TROUBLE])
    events, lines = talk(
        new_session(),
        ENVELOPE + b"BDAT 6\r\nNOOP\r\nBDAT 4 LAST\r\nab\r\nNOOP\r\n",
        lambda event: next(answers, None) if isinstance(event, ContentStart) else None,
    )
    assert [line[:3] for line in lines[-3:]] == [b"452", b"503", b"250"]
    assert [type(event) for event in events] == [Mail, Rcpt, ContentStart, Reset, Refused]


def test_small_content_is_one_part_just_before_its_end() -> None:
    session = new_session()
    talk(session, ENVELOPE + b"DATA\r\n")
    assert talk(session, b"one\r\n")[0] == []
    assert talk(session, b"two\r\n.\r\n")[0] == [ContentPart(b"one\r\ntwo\r\n"), ContentEnd(10, None)]


def test_large_content_comes_in_parts_and_whole() -> None:
    session = new_session()
    talk(session, ENVELOPE + b"DATA\r\n")
    content = b"".join(b"%076d\r\n" % number for number in range(3 * PART_OCTETS // 78))
    events: list[Event] = []
    for start in range(0, len(content), 60_000):
        events += talk(session, content[start : start + 60_000])[0]
    events += talk(session, b".\r\n")[0]
    parts = [event.octets for event in events if isinstance(event, ContentPart)]
    assert b"".join(parts) == content
    assert len(parts) >= 3 and all(len(part) <= PART_OCTETS + 60_000 for part in parts)


def test_rset_tells_the_driver_only_within_a_transaction() -> None:
    session = new_session()
    assert Reset() in talk(session, ENVELOPE + b"RSET\r\n")[0]
    assert talk(session, b"RSET\r\n")[0] == []


def test_quit_closes_and_nothing_after_it_is_read() -> None:
    session = new_session()
    events, lines = talk(session, b"QUIT\r\nNOOP\r\n")
    assert events == [Closing(is_quit=True)]
    assert lines == [b"221 2.0.0 Service closing transmission channel"]
    assert session.next_event() is Want.NOTHING


def test_errors_close_with_421() -> None:
    events, lines = talk(new_session(errors_max=2), b"A\r\nB\r\nC\r\nNOOP\r\n")
    assert events[-1] == Closing(is_quit=False)
    assert lines[-1].startswith(b"421 4.7.0")


def test_clear_text_after_starttls_is_never_obeyed() -> None:
    session = new_session()
    _, lines = talk(session, ENVELOPE + b"RSET\r\nSTARTTLS\r\nNOOP\r\n")
    assert lines[-1] == b"220 2.0.0 SMTP server ready"
    assert talk(session, b"NOOP\r\n") == ([], [])
    session.tls_started()
    assert session.helo is None
    assert talk(session, b"MAIL FROM:<>\r\n")[1] == [b"503 5.5.1 Send HELO or EHLO first"]
    assert b"250-STARTTLS" not in talk(session, b"EHLO client.example\r\n")[1]


def test_refused_starttls_goes_on_in_clear() -> None:
    _, lines = talk(new_session(), b"EHLO x\r\nSTARTTLS\r\nNOOP\r\n", refuse(StartTls, reply.TLS_UNAVAILABLE))
    assert [line[:3] for line in lines[-2:]] == [b"454", b"250"]


def test_refused_line_is_told_in_part() -> None:
    (event,) = talk(new_session(), b"x" * 5000 + b"\r\n")[0]
    assert event == Refused(b"x" * 256, reply.LINE_OVERLONG)
