import pytest

from staffetta.mail.address import AddressError, parse_domain, parse_domain_or_literal, parse_mailbox, unquote


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("bob@example.org", "bob", "example.org"),
        ("Bob@EXAMPLE.org", "Bob", "example.org"),
        ("a.b+c=d@x-y.example", "a.b+c=d", "x-y.example"),
        ("!#$%&'*+/=?^_`{|}~-@example.org", "!#$%&'*+/=?^_`{|}~-", "example.org"),
        ('"a b"@example.org', '"a b"', "example.org"),
        ('"a@b"@example.org', '"a@b"', "example.org"),
        (r'"a\"b"@example.org', r'"a\"b"', "example.org"),
        ('""@example.org', '""', "example.org"),
        ("a@localhost", "a", "localhost"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:DB8:0::1]", "a", "[IPv6:2001:db8::1]"),
        ("jörg@bücher.example", "jörg", "xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "a", "xn--bcher-kva.example"),
        ("用户@例子.example", "用户", "xn--fsqu00a.example"),
    ],
)
def test_mailbox_keeps_its_text_and_has_a_comparable_domain(text: str, local_part: str, domain: str) -> None:
    mailbox = parse_mailbox(text)
    assert (mailbox.text, mailbox.local_part, mailbox.domain) == (text, local_part, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob",
        "@example.org",
        "bob@",
        "bob@@example.org",
        "a@b@example.org",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "a b@example.org",
        "a(comment)@example.org",
        "a@example.org(comment)",
        "<a@example.org>",
        "@relay.example:a@example.org",
        "a@example..org",
        "a@example.org.",
        "a@.example.org",
        "a@-example.org",
        "a@example-.org",
        "a@exa_mple.org",
        "a@127.0.0.1",
        "a@2130706433",
        "a@0x7f.1",
        "a@[127.1]",
        "a@[0177.0.0.1]",
        "a@[127.0.0.01]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[IPv6:::g]",
        "a@[x25:1]",
        "a@[192.0.2.1",
        "a@192.0.2.1]",
        '"a@example.org',
        '"a"b@example.org',
        '"a\\"@example.org',
        "a\0b@example.org",
        "a\r\nRCPT TO:<b@example.org",
        '"a\nb"@example.org',
        "a\x7f@example.org",
        "a\x85b@example.org",
        "a\ud800@example.org",
        "a＠example.org",
        "a@example。org",
        "a@ｅxample.org",
        "a@exam\u200bple.org",
        "a@xn--\xfc.example",
        "x" * 65 + "@example.org",
        "a@" + "x" * 64 + ".example",
        "a@" + ".".join(["x" * 60] * 5),
    ],
)
def test_what_the_grammar_does_not_allow_is_an_error(text: str) -> None:
    with pytest.raises(AddressError):
        parse_mailbox(text)


def test_limits_are_reached_but_not_passed() -> None:
    assert parse_mailbox("x" * 64 + "@example.org").local_part == "x" * 64
    assert parse_domain("x" * 63 + ".example")


def test_percent_and_bang_are_plain_characters_of_the_local_part() -> None:
    """Nothing in a local part routes (reliability: the percent hack): the domain is what follows the last '@'."""
    assert parse_mailbox("victim%outside.example@contoso.test").domain == "contoso.test"
    assert parse_mailbox("outside.example!victim@contoso.test").domain == "contoso.test"
    assert parse_mailbox('"victim@outside.example"@contoso.test').domain == "contoso.test"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bob@contoso.test", "bob@CONTOSO.test"),
        ('"bob"@contoso.test', "bob@contoso.test"),
        (r'"b\ob"@contoso.test', "bob@contoso.test"),
    ],
)
def test_spellings_of_one_of_our_mailboxes_have_one_key(one: str, other: str) -> None:
    assert parse_mailbox(one).key == parse_mailbox(other).key


def test_quotes_go_and_quoted_pairs_are_undone() -> None:
    assert unquote(r'"a\"b\\c"') == r'a"b\c'
    assert unquote("plain") == "plain"


def test_ascii_is_told_from_what_needs_smtputf8() -> None:
    assert parse_mailbox("a@xn--bcher-kva.example").is_ascii
    assert not parse_mailbox("a@bücher.example").is_ascii
    assert not parse_mailbox("ö@example.org").is_ascii


def test_ipv4_mapped_literal_is_kept_canonical() -> None:
    assert parse_domain_or_literal("[ipv6:::FFFF:192.0.2.1]") == parse_domain_or_literal("[IPv6:::ffff:c000:201]")
