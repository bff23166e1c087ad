"""What stands in From, To, Cc and Bcc: of standards, of people, of devices, and of who means ill."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.address_list import read_address_list


@pytest.mark.parametrize(
    ("value", "expected", "is_sound"),
    [
        ("", [], True),
        ("b@example.org", [("", "b@example.org")], True),
        ("Bob <b@example.org>, c@example.org", [("Bob", "b@example.org"), ("", "c@example.org")], True),
        ('"Doe, John" <j@example.org>', [('"Doe, John"', "j@example.org")], True),
        ("Bob (at home (mostly), really) <b@example.org> (old)", [("Bob", "b@example.org")], True),
        ("undisclosed-recipients:;", [], True),
        ("T: b@example.org, C <c@example.org>;", [("", "b@example.org"), ("C", "c@example.org")], True),
        ("T: b@example.org;, c@example.org", [("", "b@example.org"), ("", "c@example.org")], True),
        ('"a b"@example.org', [("", '"a b"@example.org')], True),
        ("b@[192.0.2.1], c@[IPv6:2001:db8::1]", [("", "b@[192.0.2.1]"), ("", "c@[IPv6:2001:db8::1]")], True),
        (",, b@example.org,", [("", "b@example.org")], True),
        ("<@a.example,@b.example:c@example.org>", [("", "c@example.org")], True),
        ("scanner@contoso.com <scanner@contoso.com>", [("scanner@contoso.com", "scanner@contoso.com")], True),
        ("b@example.org; c@example.org", [("", "b@example.org"), ("", "c@example.org")], False),
        ("b@example.org c@example.org", [], False),
        ("Bob", [], False),
        ("Bob <>", [], False),
        ("<b@example.org> <c@example.org>", [("", "c@example.org")], False),
        ('"Bob <b@example.org>', [("Bob", "b@example.org")], False),
        ("Team: b@example.org", [("", "b@example.org")], False),
        ("b@example.org (not closed, c@example.org", [("", "b@example.org")], False),
    ],
)  # fmt: skip
def test_lists_are_read(value: str, expected: list[tuple[str, str]], is_sound: bool) -> None:
    found = read_address_list(value)
    assert [(entry.name, entry.mailbox.text) for entry in found.entries] == expected
    assert found.is_sound is is_sound


@given(st.text(alphabet='ab@.<>()[]:;,"\\ \r\n\u0085é', max_size=60))
def test_nothing_makes_it_fail(value: str) -> None:
    read_address_list(value)


@pytest.mark.parametrize(
    "value", ["(" * 200_000, '"' * 200_001, "<" * 200_000, "[" * 200_000, "a@b.c," * 40_000, "\\" * 200_000]
)
def test_nobody_makes_it_slow(value: str) -> None:
    begun = time.process_time()
    read_address_list(value)
    assert time.process_time() - begun < 5
