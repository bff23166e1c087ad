import pytest

from staffetta.mail.envelope import BodyType, Notify, Ret
from staffetta.smtp import reply
from staffetta.smtp.grammar import Rejection, parse_chunk, parse_helo, parse_mail, parse_rcpt


def rejection_of_mail(argument: str) -> reply.Reply:
    with pytest.raises(Rejection) as caught:
        parse_mail(argument.encode())
    return caught.value.reply


def rejection_of_rcpt(argument: str, *, smtputf8: bool = False) -> reply.Reply:
    with pytest.raises(Rejection) as caught:
        parse_rcpt(argument.encode(), smtputf8=smtputf8, postmaster_domain="contoso.test")
    return caught.value.reply


def test_mail_with_every_parameter() -> None:
    mail = parse_mail(
        "FROM:<jörg@example.org> SIZE=20 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb".encode(), is_esmtp=True
    )
    assert mail.reverse_path and mail.reverse_path.text == "jörg@example.org"
    assert (mail.size, mail.body, mail.smtputf8) == (20, BodyType.EIGHT_BIT_MIME, True)
    assert (mail.ret, mail.envelope_id) == (Ret.HEADERS, "a+2Bb")


def test_mail_with_none() -> None:
    mail = parse_mail(b"from:<>")
    assert mail.reverse_path is None
    assert (mail.size, mail.body, mail.smtputf8) == (None, BodyType.SEVEN_BIT, False)
    assert (mail.ret, mail.envelope_id) == (None, None)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", reply.MAIL_SYNTAX),
        ("<a@example.org>", reply.MAIL_SYNTAX),
        ("TO:<a@example.org>", reply.MAIL_SYNTAX),
        ("FROM <a@example.org>", reply.MAIL_SYNTAX),
        ("FROM:a@example.org", reply.MAIL_SYNTAX),
        ("FROM:<a@example.org", reply.MAIL_SYNTAX),
        ("FROM:<a@example.org>SIZE=1", reply.MAIL_SYNTAX),
        ("FROM:<a>", reply.SENDER_SYNTAX),
        ("FROM:< >", reply.SENDER_SYNTAX),
        ("FROM:<@b.example:a@example.org>", reply.SOURCE_ROUTE),
        ("FROM:<ö@example.org>", reply.SMTPUTF8_NEEDED),
        ("FROM:<> SIZE", reply.PARAMETER_VALUE),
        ("FROM:<> SIZE=", reply.PARAMETER_VALUE),
        ("FROM:<> SIZE=+5", reply.PARAMETER_VALUE),
        ("FROM:<> SIZE=1_0", reply.PARAMETER_VALUE),
        ("FROM:<> SIZE=٣", reply.PARAMETER_VALUE),
        ("FROM:<> SIZE=" + "1" * 21, reply.PARAMETER_VALUE),
        ("FROM:<> SIZE=1 size=2", reply.PARAMETER_VALUE),
        ("FROM:<> BODY=9BIT", reply.PARAMETER_VALUE),
        ("FROM:<> BODY=BINARYMIME", reply.PARAMETER_VALUE),
        ("FROM:<> SMTPUTF8=1", reply.PARAMETER_VALUE),
        ("FROM:<> RET=ALL", reply.PARAMETER_VALUE),
        ("FROM:<> ENVID=a=b", reply.PARAMETER_VALUE),
        ("FROM:<> ENVID=a+2b", reply.PARAMETER_VALUE),
        ("FROM:<> ENVID=" + "x" * 101, reply.PARAMETER_VALUE),
        ("FROM:<> AUTH=<>", reply.PARAMETER_UNKNOWN),
        ("FROM:<> NOTIFY=NEVER", reply.PARAMETER_UNKNOWN),
    ],
)
def test_mail_that_is_wrong_is_told_why(argument: str, expected: reply.Reply) -> None:
    assert rejection_of_mail(argument) is expected


def test_path_that_is_not_utf8_is_no_address() -> None:
    with pytest.raises(Rejection) as caught:
        parse_mail(b"FROM:<\xff@example.org> SMTPUTF8")
    assert caught.value.reply is reply.SENDER_SYNTAX


def test_rcpt_with_every_parameter() -> None:
    recipient = parse_rcpt(
        b"TO:<b@example.org> NOTIFY=success,Failure,DELAY ORCPT=rfc822;b+2Bc@example.org",
        smtputf8=False,
        postmaster_domain="contoso.test",
    )
    assert recipient.mailbox.text == "b@example.org"
    assert recipient.notify == Notify.SUCCESS | Notify.FAILURE | Notify.DELAY
    assert recipient.original == "rfc822;b+2Bc@example.org"


@pytest.mark.parametrize("path", ["Postmaster", "POSTMASTER", "postmaster"])
def test_postmaster_needs_no_domain(path: str) -> None:
    recipient = parse_rcpt(f"TO:<{path}>".encode(), smtputf8=False, postmaster_domain="contoso.test")
    assert recipient.mailbox.text == f"{path}@contoso.test"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("TO:<>", reply.RECIPIENT_SYNTAX),
        ("TO:<b>", reply.RECIPIENT_SYNTAX),
        ("TO:<b@@example.org>", reply.RECIPIENT_SYNTAX),
        ("TO:b@example.org", reply.RCPT_SYNTAX),
        ("TO:<@a.example,@c.example:b@example.org>", reply.SOURCE_ROUTE),
        ("TO:<ö@example.org>", reply.SMTPUTF8_NEEDED),
        ("TO:<b@example.org> ORCPT=utf-8;ö@example.org", reply.SMTPUTF8_NEEDED),
        ("TO:<b@example.org> NOTIFY=NEVER,FAILURE", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> NOTIFY=", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> NOTIFY=SUCCESS,", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> ORCPT=b@example.org", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> ORCPT=rfc822;", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> ORCPT=;b", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> ORCPT=rfc822;b=c", reply.PARAMETER_VALUE),
        ("TO:<b@example.org> ORCPT=rfc822;" + "x" * 500, reply.PARAMETER_VALUE),
        ("TO:<b@example.org> SIZE=1", reply.PARAMETER_UNKNOWN),
    ],
)
def test_rcpt_that_is_wrong_is_told_why(argument: str, expected: reply.Reply) -> None:
    assert rejection_of_rcpt(argument) is expected


@pytest.mark.parametrize("name", ["client.example", "[192.0.2.1]", "192.0.2.1", "printer_2", "[IPv6:2001:db8::1]"])
def test_helo_takes_any_word(name: str) -> None:
    assert parse_helo(name.encode()) == name


@pytest.mark.parametrize("argument", [b"", b" ", b"two words", b"caf\xc3\xa9.example", b"x" * 256])
def test_helo_without_a_name_is_refused(argument: bytes) -> None:
    with pytest.raises(Rejection) as caught:
        parse_helo(argument)
    assert caught.value.reply is reply.HELO_ARGUMENT


@pytest.mark.parametrize(
    ("argument", "expected"), [(b"0", (0, False)), (b"10", (10, False)), (b"0 LAST", (0, True)), (b"7 last", (7, True))]
)
def test_chunk(argument: bytes, expected: tuple[int, bool]) -> None:
    assert parse_chunk(argument) == expected


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"+1", b"1 LAST LAST", b"1 FIRST", b"1_0", b"1" * 21])
def test_chunk_of_unreadable_size_leaves_no_way_to_stay_in_step(argument: bytes) -> None:
    with pytest.raises(Rejection) as caught:
        parse_chunk(argument)
    assert caught.value.reply is reply.OUT_OF_STEP
