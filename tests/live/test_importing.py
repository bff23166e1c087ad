"""What a real Postfix answers, and what its settings answer when they are ours: the same, client by client."""

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from staffetta.importing.postfix import PostfixFiles, import_postfix
from tests.live.conftest import need
from tests.live.postfix import Postfix, missing
from tests.unit.importing.answering import answers

pytestmark = pytest.mark.live

INSIDE = ("10.1.0.9", "127.0.0.1", "192.0.2.77")
CLIENTS = (*INSIDE, "10.1.0.66", "203.0.113.5", "2001:db8::1", "2001:db8:1::1")
RECIPIENTS = ("a@far.test", "ann@ours.test", "nobody@ours.test", "a@open.test", "a@contoso.test")
SENDER = "b@contoso.test"
PEERS = """
myhostname = mail.contoso.test
smtpd_authorized_xclient_hosts = 127.0.0.1
inet_protocols = all
mynetworks = !10.1.0.66 127.0.0.0/8 10.1.0.0/16 [2001:db8::]/48
"""
SETUPS = {
    "outbound alone": "",
    "with domains": """
relay_domains = open.test, ours.test, contoso.test
relay_recipient_maps = inline:{ {ann@ours.test=x}, {@open.test=x}, {@contoso.test=x} }
""",
    "nobody else": """
relay_domains = open.test, contoso.test
smtpd_client_restrictions = permit_mynetworks, reject
""",
    "by an access table": """
relay_domains = open.test, contoso.test
smtpd_relay_restrictions = check_client_access inline:{ {192.0.2.77=OK}, {10.1.0.9=DUNNO} }, reject_unauth_destination
""",
}


@pytest.fixture(params=SETUPS)
def old(request: pytest.FixtureRequest) -> Iterator[Postfix]:
    need(missing())
    with Postfix(1, more=PEERS + SETUPS[request.param]) as running:
        yield running


def test_who_may_send_what_is_as_postfix_answers(old: Postfix, tmp_path: Path) -> None:
    main = (old.folder / "etc" / "main.cf").read_text()
    imported = import_postfix(PostfixFiles("main.cf", main, None, old.folder / "etc", "unused.invalid"))
    cases = [(client, recipient) for client in CLIENTS for recipient in RECIPIENTS]
    theirs = {case: takes(old, *case) for case in cases}
    ours = {case: each.accepted for case, each in answers(imported, tmp_path, SENDER, cases).items()}
    assert ours == theirs
    assert {True, False} == set(theirs.values())


def takes(old: Postfix, client: str, recipient: str) -> bool:
    """Whether Postfix takes the recipient from a client of that address."""
    with smtplib.SMTP("127.0.0.1", old.port, timeout=60) as session:
        session.ehlo("client.test")
        address = f"IPV6:{client}" if ":" in client else client
        code, text = session.docmd("XCLIENT", f"ADDR={address} NAME=[UNAVAILABLE]")
        assert code == 220, text
        session.ehlo("client.test")
        if session.mail(SENDER)[0] != 250:
            return False
        return session.rcpt(recipient)[0] == 250
