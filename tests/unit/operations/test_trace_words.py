"""What is typed into a search box for messages is read, or refused with what can be written."""

from datetime import UTC, datetime

import pytest

from staffetta.operations.errors import BadValue
from staffetta.operations.trace_words import TraceWords, as_search, read_trace_words
from staffetta.trace.events import Status

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", TraceWords()),
        (
            "from:ada@contoso.com TO:*@x.example status:Failed",
            TraceWords(sender="ada@contoso.com", recipient="*@x.example", status=Status.FAILED),
        ),
        ('connector:"Third floor" monthly report', TraceWords(connector="Third floor", subject="monthly report")),
        ('"to: do"', TraceWords(subject="to: do")),
        ("subject:Offer from:<>", TraceWords(subject="Offer", sender="<>")),
        ("0gz6q1y2w4x8a", TraceWords(queue_id="0GZ6Q1Y2W4X8A")),
        ("id:0GZ6Q1Y2W4X8A", TraceWords(queue_id="0GZ6Q1Y2W4X8A")),
        ("<1@contoso.com>", TraceWords(message_id="1@contoso.com")),
        ("id:1@contoso.com", TraceWords(message_id="1@contoso.com")),
        ("ada@contoso.com", TraceWords(party="ada@contoso.com")),
        ("*@contoso.com", TraceWords(party="*@contoso.com")),
        ("192.0.2.7", TraceWords(peer="192.0.2.7")),
        ("2001:db8::7", TraceWords(peer="2001:db8::7")),
        ("after:2h", TraceWords(after=datetime(2026, 11, 24, 8, 30, tzinfo=UTC))),
        (
            "after:yesterday before:today",
            TraceWords(after=NOW.replace(day=23, hour=0, minute=0), before=NOW.replace(hour=0, minute=0)),
        ),
        ("after:2026-11-01T10:00+02:00", TraceWords(after=datetime(2026, 11, 1, 8, tzinfo=UTC))),
        ("before:2026-11-01", TraceWords(before=datetime(2026, 11, 1, tzinfo=UTC))),
    ],
)
def test_words_are_read(text: str, words: TraceWords) -> None:
    assert read_trace_words(text, NOW) == words


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sender:ada", "there is no field 'sender:'"),
        ("from:", "nothing stands after from:"),
        ("from:a@b.c from:d@e.f", "is asked for already"),
        ("status:lost", "'lost' is no status; there are gettingstatus, pending, delivered, failed, unknown"),
        ("after:99999w", "is no time; write 2h, 7d, today"),
        ("after:soon", "is no time; write 2h, 7d, today"),
        ("ip:printer", "is no address of a host"),
        ('subject:"Offer', "a quotation mark is not closed"),
        ("x" * 2001, "longer than 2000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can_be_written(text: str, why: str) -> None:
    with pytest.raises(BadValue, match=why) as refused:
        read_trace_words(text, NOW)
    assert refused.value.parameter == "Search"
    assert "Write for instance from:" in str(refused.value)


def test_what_a_shell_took_for_one_word_stays_one() -> None:
    assert as_search(["subject:Monthly report", "from:a@b.c", "two words"]) == (
        'subject:"Monthly report" from:a@b.c "two words"'
    )
