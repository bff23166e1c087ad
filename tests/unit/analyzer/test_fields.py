"""Headers as people paste them."""

import pytest

from staffetta.analyzer.fields import FIELDS_MAX, NotHeaders, read, text_of

PLAIN = (
    "Received: from a (1.2.3.4) by b\n with SMTP id 1; Fri, 3 Sep 2021 00:42:11 +0000\n"
    "X-Empty:\nSubject: =?utf-8?q?Caff=C3=A8?=\n =?utf-8?b?IGx1bmdv?=\nMessage-ID: <1@a>\n"
)
WANTED = [
    ("Received", "from a (1.2.3.4) by b with SMTP id 1; Fri, 3 Sep 2021 00:42:11 +0000"),
    ("X-Empty", ""),
    ("Subject", "Caffè lungo"),
    ("Message-ID", "<1@a>"),
]


def pasted(text: str) -> list[tuple[str, str]]:
    return [(field.name, field.value) for field in read(text).fields]


def before_each_line(prefix: str) -> str:
    return "".join(prefix + line for line in PLAIN.splitlines(keepends=True))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        "\n\n \n" + PLAIN,
        "From MAILER-DAEMON Fri Sep  3 00:42:11 2021\n" + PLAIN,
        PLAIN + "\nSubject: of the body\n",
        before_each_line("> "),
        before_each_line(">"),
        before_each_line("> > "),
        before_each_line("| "),
        before_each_line("    "),
        before_each_line("\t"),
        "Dear support,\nplease look: why is it late?\n\n" + PLAIN,
        "From: Ada\nTo: Support\nSubject: late mail\n\nHere they are:\n\n" + PLAIN,
        "On Friday Ada wrote:\n" + before_each_line("> "),
        PLAIN.replace("\n ", "\n"),
        PLAIN.replace("\n ", "\n\t\t"),
        PLAIN.replace("\n ", "\n \n "),
        PLAIN.replace("with SMTP", "with\0 SMTP"),
        "\n\n".join(PLAIN.replace("\n ", "\n").replace("X-Empty:\n", "X-Empty:\n\n").splitlines())
        .replace("by b\n\nwith", "by b\nwith")
        .replace("?=\n\n=?", "?=\n=?"),
    ],
    ids=[
        *["plain", "crlf", "cr", "bom", "blank lines first", "mbox", "body", "quoted", "quoted tight", "quoted twice"],
        *["piped", "indented", "tabbed", "text before", "mail before", "attribution", "indent lost", "indent grown"],
        *["white lines", "nul", "spaced out"],
    ],
)
def test_the_fields_are_the_same_however_they_are_pasted(text: str) -> None:
    assert pasted(text) == WANTED


def test_a_quoted_line_that_was_broken_goes_on() -> None:
    assert pasted("> Received: from a\nby b (Postfix)\n> Subject: x\n") == [
        ("Received", "from a by b (Postfix)"),
        ("Subject", "x"),
    ]


@pytest.mark.parametrize(
    "line", ["16:20:05 -0400", "https://example.com/x", "fe80::1)", "Tue, 3 Sep 2021 00:42:11", "h=From:To", "(a: b)"]
)
def test_what_only_looks_like_a_field_goes_on_with_the_one_before(line: str) -> None:
    assert pasted(f"Received: from a\n{line}\nSubject: x\n") == [("Received", f"from a {line}"), ("Subject", "x")]


def test_the_field_names_of_a_signature_are_no_fields() -> None:
    text = "DKIM-Signature: v=1; h=From:To:\nSubject:Date:\nMessage-ID; b=abc\nSubject: x\n"
    assert pasted(text) == [
        ("DKIM-Signature", "v=1; h=From:To: Subject:Date: Message-ID; b=abc"),
        ("Subject", "x"),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "just words", "just: \0", ">\n>\n"])
def test_where_there_is_nothing_it_says_what_to_paste(text: str) -> None:
    if text == "just: \0":
        assert pasted(text) == [("just", "")]
        return
    with pytest.raises(NotHeaders, match="Paste the message's source"):
        read(text)


def test_files_are_read_in_the_encodings_of_mail_programs() -> None:
    assert text_of("Subject: è".encode("utf-16")) == "Subject: è"
    assert text_of("\ufeffSubject: è".encode()) == "Subject: è"
    assert text_of("Subject: è".encode("latin-1")) == "Subject: è"
    with pytest.raises(NotHeaders, match="File > Properties"):
        text_of(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512))


def test_more_fields_than_any_message_has_are_cut_and_said() -> None:
    section = read("Received: x\n" * (FIELDS_MAX + 1))
    assert (len(section.fields), section.is_cut) == (FIELDS_MAX, True)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("=?iso-8859-1?Q?caff=E8?=", "caffè"),
        ("=?UTF 8?B?Y2FmZsOo?=", "caffè"),
        ("=?utf-8*it?Q?caff=C3=A8?=", "caffè"),
        ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
        ("=?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?=", "=?utf-8?Q?a?="),
        ("=?nope?Q?a?=", "=?nope?Q?a?="),
        ("=?punycode?Q?a?=", "=?punycode?Q?a?="),
        ("=?utf-8?B?!!!?=", "=?utf-8?B?!!!?="),
        ("=?utf-8?Q?=C3?=", "\ufffd"),
    ],
)
def test_encoded_words_are_decoded_once_or_left(written: str, value: str) -> None:
    assert pasted(f"Subject: {written}\n") == [("Subject", value)]


@pytest.mark.parametrize(
    ("before", "lines"),
    [("", 0), ("From ada Fri Sep  3 00:42:11 2021\n", 0), ("Look here\n", 1), ("Dear support,\n\nwhy?\n\n", 2)],
)
def test_how_much_text_was_left_out_is_known(before: str, lines: int) -> None:
    assert read(before + PLAIN).lines_before == lines
