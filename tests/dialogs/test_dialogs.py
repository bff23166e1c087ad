"""Each dialog, replayed on a ServerSession whose driver says yes to everything but a wrong password."""

from pathlib import Path

import pytest

from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.auth import Offer
from staffetta.smtp.credentials import Credentials, Mechanism, PasswordLogin
from staffetta.smtp.events import (
    ANSWERED,
    Authenticate,
    ContentEnd,
    ContentFault,
    ContentStart,
    Event,
    Mail,
    Rcpt,
    StartTls,
    Want,
)
from staffetta.smtp.server import ServerSession
from tests.dialogs import replay

_FAULTS = {
    ContentFault.BARE_LINE_END: reply.BARE_LINE_END,
    ContentFault.NUL: reply.NUL_OCTET,
    ContentFault.TOO_LARGE: reply.MESSAGE_TOO_LARGE,
    ContentFault.LINE_TOO_LONG: reply.LINE_TOO_LONG,
}


def yes(event: Event) -> reply.Reply:
    match event:
        case Mail():
            return reply.SENDER_OK
        case Rcpt():
            return reply.RECIPIENT_OK
        case ContentStart():
            return reply.OK if event.is_chunked else reply.START_MAIL_INPUT
        case ContentEnd(fault=fault) if fault is not None:
            return _FAULTS[fault]
        case StartTls():
            return reply.TLS_READY
        case Authenticate(credentials=credentials):
            return reply.AUTHENTICATED if is_right(credentials) else reply.AUTHENTICATION_UNSUCCESSFUL
        case _:
            return reply.queued("<m@client.example>", "0123456789ABC", "relay.example")


def is_right(credentials: Credentials) -> bool:
    if isinstance(credentials, PasswordLogin):
        return credentials == PasswordLogin(replay.USER_NAME, replay.PASSWORD.encode())
    return credentials.user_name == replay.USER_NAME and credentials.token.startswith("right")


def turn(session: ServerSession) -> Want:
    """Let the session work, answering yes."""
    while not isinstance(event := session.next_event(), Want):
        if isinstance(event, ANSWERED):
            session.answer(yes(event))
    return event


@pytest.mark.parametrize("path", replay.dialogs(), ids=lambda path: path.stem)
def test_dialog(path: Path) -> None:
    listener = replay.listener(path)
    session = ServerSession(
        hostname="relay.example",
        client_address="192.0.2.1",
        limits=Limits(message_octets_max=2000, recipients_max=3, errors_max=4),
        is_tls_offered=True,
        session_id="0",
        postmaster_domain="contoso.test",
        is_tls_active=listener == "submissions",
        auth=Offer(tuple(Mechanism) if listener != "relay" else (), is_in_clear=listener == "AUTH in clear"),
    )
    session.greet()
    heard: list[str] = []
    want = turn(session)
    for step in replay.steps(path):
        place = f"{path.name}:{step.line_number}"
        if step.kind == "C":
            assert heard == [], f"{place}: the server said more than the dialog"
            session.receive(replay.octets(step))
            want = turn(session)
        elif step.kind == "TLS":
            session.tls_started()
        elif step.kind == "close":
            assert want is Want.NOTHING, f"{place}: the session goes on"
        else:
            heard += session.outgoing().decode("ascii").split("\r\n")[:-1]
            assert heard, f"{place}: the server says nothing; expected {step.text!r}"
            assert replay.matches(step.text, heard.pop(0)), f"{place}: expected {step.text!r}"
    heard += session.outgoing().decode("ascii").split("\r\n")[:-1]
    assert heard == [], "the server said more than the dialog"
