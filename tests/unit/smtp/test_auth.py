"""What dialogs cannot show of AUTH: what is told of refused lines, and that secrets are not."""

import base64

import pytest

from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.auth import Offer
from staffetta.smtp.credentials import Mechanism, PasswordLogin, TokenLogin
from staffetta.smtp.events import Authenticate, Event, Refused, Want
from staffetta.smtp.server import ServerSession

SECRET = base64.b64encode(b"\0scanner\0secret").decode()


def refused_lines(*lines: str, offer: Offer) -> list[str]:
    """What the session tells of the lines that it refuses."""
    session = ServerSession(
        hostname="relay.example",
        client_address="192.0.2.1",
        limits=Limits(),
        is_tls_offered=True,
        session_id="0",
        postmaster_domain="contoso.test",
        auth=offer,
    )
    session.receive("".join(f"{line}\r\n" for line in ("EHLO x", *lines)).encode())
    told: list[str] = []
    while not isinstance(event := session.next_event(), Want):
        if isinstance(event, Refused):
            told.append(event.line.decode())
        if isinstance(event, Authenticate):
            session.answer(reply.AUTHENTICATION_UNSUCCESSFUL)
    return told


@pytest.mark.parametrize("offer", [Offer(tuple(Mechanism), is_in_clear=True), Offer(tuple(Mechanism)), Offer()])
@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {SECRET} x"],
        [f"AUTH {SECRET}"],
        [f"auth\tplain {SECRET}"],
        [f" AUTH PLAIN {SECRET}"],
        [f"AUTHPLAIN {SECRET}"],
        ["AUTH CRAM-MD5", SECRET],
        ["AUTH LOGIN", "scanner", SECRET],
        ["AUTH LOGIN", SECRET, "*", SECRET],
        [f"AUTH PLAIN {SECRET}" + "A" * 12300],
        ["AUTH CRAM-MD5", SECRET + "x" * 3000],
        ["AUTH CRAM-MD5", SECRET + "\nx"],
    ],
)
def test_no_refused_line_tells_a_secret(lines: list[str], offer: Offer) -> None:
    told = refused_lines(*lines, offer=offer)
    assert told and not any(SECRET[:8] in line for line in told)


def test_mechanism_that_is_not_offered_is_told() -> None:
    told = refused_lines("AUTH NTLM", "XYZ", "NOOP", "XYZ", offer=Offer(tuple(Mechanism), is_in_clear=True))
    assert told == ["AUTH NTLM", "(not shown)", "XYZ"]


def test_credentials_show_no_secret() -> None:
    events: list[Event] = [
        Authenticate(Mechanism.PLAIN, PasswordLogin("scanner", b"secret")),
        Authenticate(Mechanism.XOAUTH2, TokenLogin("scanner", "secret")),
    ]
    assert "secret" not in repr(events)
