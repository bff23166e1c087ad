"""The same octets in any pieces give the same events and the same replies."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.auth import Offer
from staffetta.smtp.credentials import Mechanism, PasswordLogin
from staffetta.smtp.events import (
    ANSWERED,
    Authenticate,
    ContentEnd,
    ContentPart,
    ContentStart,
    Event,
    Mail,
    Rcpt,
    Want,
)
from staffetta.smtp.server import ServerSession

LINES = [
    b"EHLO client.example\r\n",
    b"HELO x\r\n",
    b"MAIL FROM:<a@contoso.test>\r\n",
    b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
    b"RCPT TO:<b@example.org>\r\n",
    b"RCPT TO:<refuse@example.org>\r\n",
    b"DATA\r\n",
    b"content\r\n..dots\r\n.\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"bare\nlf\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\0",
    b"BDAT 7\r\nabc\r\nde",
    b"BDAT 4 LAST\r\nab\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT x\r\n",
    b"RSET\r\n",
    b"NOOP\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN AGEAcmlnaHQ=\r\n",
    b"AUTH PLAIN AGEAd3Jvbmc=\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHgBAQ==\r\n",
    b"YQ==\r\n",
    b"*\r\n",
    b"AUTH PLAIN " + b"A" * 2100 + b"\r\n",
    b"AUTH PLAIN " + b"A" * 12300 + b"\r\n",
    b"A" * 2100 + b"\r\n",
    b"x" * 2100 + b"\r\n",
    b"x" * 2048 + b"\r\n",
    b"x" * 2047 + b"\r\n",
    b"x" * 2100 + b"\n",
    b"NOOP\nRSET\nNOOP\r\n",
    b"GET / HTTP/1.0\r\n",
    b"QUIT\r\n",
]
LIMITS = Limits(message_octets_max=300, recipients_max=3, errors_max=10)


def yes_or_no(event: Event) -> reply.Reply:
    match event:
        case Mail():
            return reply.SENDER_OK
        case Rcpt(recipient=recipient):
            return reply.RELAY_DENIED if recipient.mailbox.local_part == "refuse" else reply.RECIPIENT_OK
        case ContentStart():
            return reply.OK if event.is_chunked else reply.START_MAIL_INPUT
        case ContentEnd(fault=fault):
            return reply.TRANSACTION_FAILED if fault else reply.OK
        case Authenticate(credentials=credentials):
            is_right = isinstance(credentials, PasswordLogin) and credentials.password == b"right"
            return reply.AUTHENTICATED if is_right else reply.AUTHENTICATION_UNSUCCESSFUL
        case _:
            return reply.TLS_UNAVAILABLE


def talk(pieces: list[bytes]) -> tuple[list[Event], bytes, Want]:
    """Return all events (parts of one content joined), all replies, and what the session wants at the end."""
    session = ServerSession(
        hostname="relay.example",
        client_address="192.0.2.1",
        limits=LIMITS,
        is_tls_offered=True,
        session_id="0",
        postmaster_domain="contoso.test",
        auth=Offer(tuple(Mechanism), is_in_clear=True),
    )
    session.greet()
    events: list[Event] = []
    want = Want.DATA
    for piece in pieces:
        session.receive(piece)
        while not isinstance(event := session.next_event(), Want):
            if isinstance(event, ContentPart) and events and isinstance(events[-1], ContentPart):
                event = ContentPart(events.pop().octets + event.octets)  # type: ignore[union-attr]
            events.append(event)
            if isinstance(event, ANSWERED):
                session.answer(yes_or_no(event))
        want = event
    return events, session.outgoing(), want


@given(st.lists(st.sampled_from(LINES), max_size=14), st.lists(st.integers(1, 60), min_size=1, max_size=12))
@example([b"EHLO x\r\n", b"x" * 2100 + b"\r\n", b"NOOP\n"], [1])
@example([b"x" * 2047 + b"\r\n", b"NOOP\r\n", b"x" * 2048 + b"\r\n", b"x" * 2100 + b"\n", b"NOOP\r\n"], [1])
@settings(max_examples=400, deadline=None)
def test_pieces_make_no_difference(lines: list[bytes], sizes: list[int]) -> None:
    octets = b"EHLO x\r\n" + b"".join(lines)
    pieces = []
    position = turn = 0
    while position < len(octets):
        size = sizes[turn % len(sizes)]
        pieces.append(octets[position : position + size])
        position, turn = position + size, turn + 1
    assert talk([octets]) == talk(pieces)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_nothing_that_a_peer_sends_raises(octets: bytes) -> None:
    whole = talk([octets])
    assert whole == talk([octets[index : index + 1] for index in range(len(octets))] or [b""])
