import itertools

import pytest

from staffetta.smtp import reply
from staffetta.smtp.sequence import State, keywords, objection

ANYTIME = [b"HELO", b"EHLO", b"NOOP", b"RSET", b"QUIT", b"HELP", b"VRFY"]


@pytest.mark.parametrize(("verb", "state"), list(itertools.product(ANYTIME, State)))
def test_some_commands_may_always_come(verb: bytes, state: State) -> None:
    assert objection(verb, state) is None


@pytest.mark.parametrize(
    ("verb", "legal_in"),
    [
        (b"MAIL", {State.GREETED}),
        (b"STARTTLS", {State.GREETED}),
        (b"RCPT", {State.MAIL, State.RCPT}),
        (b"DATA", {State.RCPT}),
        (b"BDAT", {State.RCPT, State.CHUNKS}),
    ],
)
def test_the_others_have_their_place(verb: bytes, legal_in: set[State]) -> None:
    assert {state for state in State if objection(verb, state) is None} == legal_in


@pytest.mark.parametrize(
    ("verb", "state", "expected"),
    [
        (b"MAIL", State.CONNECTED, reply.HELLO_FIRST),
        (b"MAIL", State.RCPT, reply.MAIL_TWICE),
        (b"RCPT", State.GREETED, reply.MAIL_FIRST),
        (b"DATA", State.GREETED, reply.MAIL_FIRST),
        (b"DATA", State.MAIL, reply.RECIPIENT_FIRST),
        (b"DATA", State.CHUNKS, reply.CHUNKS_UNDER_WAY),
        (b"RCPT", State.CHUNKS, reply.CHUNKS_UNDER_WAY),
    ],
)
def test_objection_says_what_is_missing(verb: bytes, state: State, expected: reply.Reply) -> None:
    assert objection(verb, state) is expected


def test_starttls_is_announced_only_where_it_is_offered() -> None:
    in_clear = keywords(message_octets_max=1, is_tls_offered=True, is_dsn_offered=True)
    in_tls = keywords(message_octets_max=1, is_tls_offered=False, is_dsn_offered=True)
    assert [word for word in in_clear if word not in in_tls] == ["STARTTLS"]
