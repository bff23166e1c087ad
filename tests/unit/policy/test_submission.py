"""As whom an account may send: reverse-path, From and Sender, however they are written."""

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.header import HeaderSection
from staffetta.policy.decision import Attribution, Reason
from staffetta.policy.submission import addresses_in, authorship, may_send_as
from staffetta.settings.objects import Account, InboundConnector

SCANNER = Account(user_name="Scanner@contoso.test", send_as=("alerts@contoso.test", "*@branch.test"))


@pytest.mark.parametrize(
    ("sender", "is_allowed"),
    [
        ("scanner@contoso.test", True),
        ("SCANNER@Contoso.Test", True),
        ('"scanner"@contoso.test', True),
        ("alerts@contoso.test", True),
        ("anybody@branch.test", True),
        ("anybody@sub.branch.test", False),
        ("boss@contoso.test", False),
        ("scanner@other.test", False),
    ],
)
def test_an_account_is_itself_and_whom_send_as_names(sender: str, is_allowed: bool) -> None:
    assert may_send_as(SCANNER, parse_mailbox(sender)) is is_allowed


def test_a_user_name_without_a_domain_is_no_sender() -> None:
    assert not may_send_as(Account(user_name="scanner"), parse_mailbox("scanner@contoso.test"))
    assert may_send_as(Account(user_name="scanner", send_as=("*",)), parse_mailbox("a@anywhere.test"))


def judged(header: bytes, *, sender: str = "scanner@contoso.test", account: Account | None = SCANNER) -> str | None:
    """The sender that was refused; None: nothing was."""
    reverse_path = parse_mailbox(sender) if sender else None
    decision = authorship(Attribution(None, account), reverse_path, HeaderSection(header))
    assert decision.is_accepted == (decision.reason is not Reason.SEND_AS_DENIED)
    return None if decision.is_accepted else str(decision.evidence["sender"])


@pytest.mark.parametrize(
    "header",
    [
        b"From: scanner@contoso.test\r\n",
        b"From: Scanner <scanner@contoso.test>\r\n",
        b"FROM: The Scanner, Ltd. <scanner@contoso.test>\r\n",
        b'From: "boss@contoso.test (not)" <scanner@contoso.test>\r\n',
        b"From: scanner@contoso.test (boss@contoso.test (nested) comment)\r\n",
        b'From: "scanner"@contoso.test\r\n',
        b"From: scanner@contoso.test, alerts@contoso.test\r\nSender: scanner@contoso.test\r\n",
        b"From: =?utf-8?q?Scan?=\r\n <scanner@contoso.test>\r\n",
        b"Subject: from: boss@contoso.test\r\n",
        b"",
    ],
)
def test_what_names_the_account_alone_is_accepted(header: bytes) -> None:
    assert judged(header) is None


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        (b"From: boss@contoso.test\r\n", "boss@contoso.test"),
        (b"From : boss@contoso.test\r\n", "boss@contoso.test"),
        (b"From: scanner@contoso.test\r\nFrom: boss@contoso.test\r\n", "boss@contoso.test"),
        (b"From: scanner@contoso.test, boss@contoso.test\r\n", "boss@contoso.test"),
        (b"From: boss@contoso.test <scanner@contoso.test>\r\n", "boss@contoso.test"),
        (b"From: scanner@contoso.test)boss@contoso.test\r\n", "scanner@contoso.test)boss@contoso.test"),
        (b"From: boss @ contoso . test\r\n", "boss@contoso.test"),
        (b'From: "boss"@contoso.test\r\n', '"boss"@contoso.test'),
        (b"From: (x) boss(y)@contoso.test\r\n", "boss@contoso.test"),
        (b"From:\r\n boss@contoso.test\r\n", "boss@contoso.test"),
        (b"From: scanner@contoso.test\r\nSender: boss@contoso.test\r\n", "boss@contoso.test"),
        (b"From: undisclosed:;\r\n", "undisclosed:;"),
        (b"From: boss@@contoso.test\r\n", "boss@@contoso.test"),
        (b'From: "scanner@contoso.test\r\n', '"scanner@contoso.test'),
        (b"From:\r\n", ""),
    ],
)
def test_any_other_sender_is_refused_and_named(header: bytes, refused: str) -> None:
    assert judged(header) == refused


def test_the_reverse_path_counts_and_the_null_one_is_everybodys() -> None:
    assert judged(b"From: scanner@contoso.test\r\n", sender="boss@contoso.test") == "boss@contoso.test"
    assert judged(b"From: scanner@contoso.test\r\n", sender="") is None


def test_who_came_by_a_connector_or_without_logging_in_is_not_asked() -> None:
    assert judged(b"From: boss@contoso.test\r\n", account=None) is None
    connector = InboundConnector(name="erp", sender_accounts=("*",))
    header = HeaderSection(b"From: boss@contoso.test\r\n")
    assert authorship(Attribution(connector, SCANNER), parse_mailbox("boss@contoso.test"), header).is_accepted


def test_the_refusal_is_exchanges() -> None:
    header = HeaderSection(b"From: boss@contoso.test\r\n")
    decision = authorship(Attribution(None, SCANNER), None, header)
    assert str(decision.reply) == (
        "554 5.2.252 SendAsDenied; Scanner@contoso.test not allowed to send as boss@contoso.test"
    )
    assert decision.evidence["sender_field"] == "From"


def test_a_hostile_field_costs_little() -> None:
    assert addresses_in("(" * 20_000) == ["(" * 20_000]
    assert len(addresses_in('"' + '\\"' * 4_000)) == 1
    assert len(addresses_in("(" * 5_000 + ")" * 5_000)) == 1
