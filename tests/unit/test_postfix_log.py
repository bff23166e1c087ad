"""Lines as Postfix writes them, for what reads Postfix's logs."""

import re
from collections.abc import Mapping

import pytest

from staffetta.postfix_log import postfix_line

RECEIVED = {
    "event": "received",
    "queue_id": "ABC",
    "session": "S1",
    "peer": "192.0.2.7",
    "message_id": "<1@contoso.test>",
    "sender": "press@contoso.test",
    "recipients": 2,
    "size": 1234,
    "connector": "Press",
}
ATTEMPT = {
    "event": "attempt",
    "queue_id": "ABC",
    "recipient": "bob@fabrikam.test",
    "relay": "mx.fabrikam.test",
    "address": "192.0.2.25",
    "delay": 1.25,
    "dsn": "2.0.0",
    "status": "delivered",
    "reply": "250 2.0.0 ok",
}
REFUSED = {
    "event": "refused",
    "session": "S1",
    "listener": "relay",
    "peer": "2001:db8::7",
    "helo": "press",
    "sender": "press@contoso.test",
    "recipient": "bob@fabrikam.test",
    "reason": "no connector",
    "reply": "550 5.7.64 TenantAttribution; Relay Access Denied",
}
_HEAD = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d relay\.example ([a-z/]+)\[\d+\]: (.*)$")


def said(event: Mapping[str, object]) -> list[tuple[str, str]]:
    """Of every line the program and the text."""
    text = postfix_line("relay.example", "staffetta")(None, "info", {"level": "info", **event})
    found = [_HEAD.match(line) for line in text.splitlines()]
    return [(match.group(1), match.group(2)) for match in found if match]


def test_message_that_came_is_told_by_three_programs_as_there() -> None:
    assert said(RECEIVED) == [
        ("staffetta/smtpd", "ABC: client=unknown[192.0.2.7]"),
        ("staffetta/cleanup", "ABC: message-id=<1@contoso.test>"),
        ("staffetta/qmgr", "ABC: from=<press@contoso.test>, size=1234, nrcpt=2 (queue active)"),
    ]


def test_notification_has_the_null_sender_and_a_message_without_id_says_so() -> None:
    lines = said({**RECEIVED, "sender": "", "message_id": None})
    assert [text for _, text in lines[1:]] == [
        "ABC: message-id=<>",
        "ABC: from=<>, size=1234, nrcpt=2 (queue active)",
    ]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("delivered", "sent"),
        ("failed", "bounced"),
        ("deferred", "deferred"),
        ("unknown", "deferred"),
        ("held", "deferred"),
        ("ready", "deferred"),
    ],
)
def test_attempt_is_told_with_relay_delay_code_and_postfix_s_word_for_its_end(state: str, word: str) -> None:
    [(program, text)] = said({**ATTEMPT, "status": state})
    assert program == "staffetta/smtp"
    assert text == (
        "ABC: to=<bob@fabrikam.test>, relay=mx.fabrikam.test[192.0.2.25], delay=1.25, dsn=2.0.0,"
        f" status={word} (250 2.0.0 ok)"
    )


def test_attempt_that_reached_nobody_has_no_relay() -> None:
    [(_, text)] = said({**ATTEMPT, "relay": None, "address": None, "status": "deferred"})
    assert ", relay=none, delay=" in text


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "reject: RCPT from unknown[2001:db8::7]: {reply}; from=<{sender}> to=<{recipient}> helo=<press>"),
        ({"recipient": None}, "reject: MAIL from unknown[2001:db8::7]: {reply}; from=<{sender}> helo=<press>"),
        ({"recipient": None, "sender": None, "helo": None}, "reject: CONNECT from unknown[2001:db8::7]: {reply}"),
    ],
)
def test_refusal_names_the_stage_at_which_it_was_said(facts: dict[str, object], expected: str) -> None:
    text = expected.format(**REFUSED)
    assert said({**REFUSED, **facts}) == [("staffetta/smtpd", f"NOQUEUE: {text}")]


def test_what_postfix_has_no_line_for_is_said_in_our_words() -> None:
    assert said({"event": "draining"}) == [("staffetta", "draining")]


def test_name_may_be_postfix_s_own() -> None:
    line = postfix_line("relay.example", "postfix")(None, "info", {"level": "info", **ATTEMPT})
    assert " postfix/smtp[" in line
