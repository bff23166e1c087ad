"""The front door that plays Exchange, talked to by another's client: it says what Exchange says."""

import asyncio
import base64
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from staffetta.net.tls import ServerContext
from tests.certificates import Made, authority, make, pem
from tests.fakes.entra import GRAPH, OUTLOOK, Application, TokenEndpoint
from tests.fakes.front_door import Connector, Fault, FrontDoor

CONTENT = "From: Ada <ada@contoso.com>\r\nTo: b@example.org\r\nMessage-ID: <1@contoso.com>\r\n\r\nHello.\r\n.dot\r\n"


def context() -> ServerContext:
    held = make("outlook.office365.com")
    return ServerContext.load(pem(held.certificate), held.key_pem)


def talk(door: FrontDoor, conversation: Callable[[smtplib.SMTP], Any]) -> Any:
    """Hold a conversation in a thread, and return what it returns."""

    def whole() -> Any:
        with smtplib.SMTP("127.0.0.1", door.port, local_hostname="relay.example", timeout=10) as client:
            return conversation(client)

    async def scenario() -> Any:
        async with door.listening():
            return await asyncio.to_thread(whole)

    return asyncio.run(scenario())


def start_tls(client: smtplib.SMTP, held: Made | None = None, folder: Path | None = None) -> None:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if held is not None and folder is not None:
        files = held.write(folder / "client")
        tls.load_cert_chain(files / "certificate.pem", files / "key.pem")
    client.starttls(context=tls)
    client.ehlo()


def submission(**how: Any) -> FrontDoor:
    return FrontDoor(context(), tokens=TokenEndpoint([Application()]), send_as={"ada@contoso.com": set()}, **how)


def xoauth2(client: smtplib.SMTP, user: str, token: str) -> tuple[int, bytes]:
    response = base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()
    return client.docmd("AUTH", f"XOAUTH2 {response}")


def send(client: smtplib.SMTP, sender: str, recipient: str, content: str = CONTENT) -> tuple[int, bytes]:
    for answer in (client.mail(sender), client.rcpt(recipient)):
        if answer[0] >= 400:
            return answer
    return client.data(content)


def test_with_a_token_a_mailbox_sends_as_itself_and_as_nobody_else() -> None:
    door = submission()
    assert door.tokens is not None
    token = door.tokens.make_token("app", OUTLOOK, roles=["SMTP.SendAsApp"])

    def conversation(client: smtplib.SMTP) -> Any:
        assert client.ehlo()[1].split(b"\n")[1] == b"SIZE 157286400"
        assert not client.has_extn("auth")
        start_tls(client)
        assert client.esmtp_features["auth"].split() == ["LOGIN", "XOAUTH2"]
        assert xoauth2(client, "ada@contoso.com", token)[0] == 235
        first = send(client, "ada@contoso.com", "b@example.org")
        return first, send(client, "ada@contoso.com", "b@example.org", CONTENT.replace("ada@", "boss@"))

    taken, refused = talk(door, conversation)
    assert taken[1].startswith(b"2.6.0 <1@contoso.com> [InternalId=")
    assert refused[1].startswith(b"5.2.252 SendAsDenied; ada@contoso.com not allowed to send as boss@contoso.com")
    assert [got.content for got in door.received] == [CONTENT.encode()]


@pytest.mark.parametrize(
    ("off", "resource", "claims", "expected"),
    [
        (None, OUTLOOK, {"roles": ["SMTP.SendAsApp"]}, (235, b"2.7.0 Authentication successful")),
        (None, OUTLOOK, {"scp": "SMTP.Send", "upn": "ada@contoso.com"}, (235, b"2.7.0 Authentication successful")),
        (None, OUTLOOK, {"scp": "SMTP.Send", "upn": "bob@contoso.com"}, (535, b"5.7.3 Authentication unsuccessful")),
        (None, OUTLOOK, {"roles": []}, (535, b"5.7.3 Authentication unsuccessful")),
        (None, GRAPH, {"roles": ["SMTP.SendAsApp"]}, (535, b"5.7.3 Authentication unsuccessful")),
        ("Tenant", OUTLOOK, {"roles": ["SMTP.SendAsApp"]}, (535, b"5.7.139 Authentication unsuccessful, SmtpClient")),
    ],
)
def test_tokens_are_checked(off: str | None, resource: str, claims: Any, expected: tuple[int, bytes]) -> None:
    door = submission(authentication_off=off)
    assert door.tokens is not None
    token = door.tokens.make_token("app", resource, **claims)

    def conversation(client: smtplib.SMTP) -> tuple[int, bytes]:
        start_tls(client)
        return xoauth2(client, "ada@contoso.com", token)

    code, text = talk(door, conversation)
    assert (code, text[: len(expected[1])]) == expected


def test_without_a_login_and_without_tls_submission_says_so() -> None:
    def conversation(client: smtplib.SMTP) -> Any:
        client.ehlo()
        clear = client.mail("ada@contoso.com")
        start_tls(client)
        return clear, client.mail("ada@contoso.com")

    clear, anonymous = talk(submission(), conversation)
    assert (clear[0], clear[1][:32]) == (451, b"5.7.3 STARTTLS is required to se")
    assert (anonymous[0], anonymous[1][:48]) == (530, b"5.7.57 SMTP; Client was not authenticated to sen")


def test_the_limits_of_a_mailbox_are_kept() -> None:
    door = submission(messages_per_minute_max=2, connections_per_mailbox_max=1)
    assert door.tokens is not None
    token = door.tokens.make_token("app", OUTLOOK, roles=["SMTP.SendAsApp"])

    def conversation(client: smtplib.SMTP) -> Any:
        start_tls(client)
        xoauth2(client, "ada@contoso.com", token)
        answers = [send(client, "ada@contoso.com", "b@example.org")[0] for _ in range(3)]
        with smtplib.SMTP("127.0.0.1", door.port, local_hostname="relay.example", timeout=10) as other:
            start_tls(other)
            xoauth2(other, "ada@contoso.com", token)
            return answers, other.mail("ada@contoso.com")

    answers, crowded = talk(door, conversation)
    assert answers == [250, 250, 451]
    assert (crowded[0], crowded[1][:44]) == (432, b"4.3.2 Concurrent connections limit exceeded.")


@pytest.mark.parametrize(
    ("connector", "sender", "recipient", "code"),
    [
        (Connector(addresses=("127.0.0.0/8",)), "ada@contoso.com", "b@example.org", 250),
        (Connector(addresses=("127.0.0.0/8",)), "ada@fabrikam.com", "b@example.org", 550),
        (Connector(addresses=("192.0.2.0/24",)), "ada@contoso.com", "b@example.org", 550),
        (Connector(addresses=("192.0.2.0/24",)), "ada@fabrikam.com", "known@contoso.com", 250),
        (Connector(addresses=("192.0.2.0/24",)), "ada@fabrikam.com", "unknown@contoso.com", 550),
        (Connector(certificate_name="*.contoso.com"), "ada@fabrikam.com", "b@example.org", 250),
        (Connector(certificate_name="*.fabrikam.com"), "ada@contoso.com", "b@example.org", 550),
    ],
)
def test_port_25_relays_for_whom_a_connector_knows(
    connector: Connector, sender: str, recipient: str, code: int, tmp_path: Path
) -> None:
    door = FrontDoor(context(), connectors=[connector], known={"known@contoso.com"})
    held = make("relay.contoso.com", issuer=authority("Root"))

    def conversation(client: smtplib.SMTP) -> tuple[int, bytes]:
        start_tls(client, held if connector.certificate_name else None, tmp_path)
        return send(client, sender, recipient)

    assert talk(door, conversation)[0] == code


def test_it_does_what_it_is_asked_and_loses_the_reply() -> None:
    door = FrontDoor(context(), script=lambda step, line: Fault.LOST if step == "CONTENT" else None)

    def conversation(client: smtplib.SMTP) -> None:
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(client, "ada@contoso.com", "b@contoso.com")

    talk(door, conversation)
    assert len(door.received) == 1
