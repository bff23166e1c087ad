"""Mail through Exchange's front door, played on a real socket: logged in by token on 587, by connector on 25."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from staffetta.mail.codes import explain
from staffetta.mail.outcome import Deferred, Delivered, Failed, Stage, Unknown
from staffetta.net import https
from staffetta.net.tls import ServerContext
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.roads import Authentication, Mechanism, NextHop, Route, TlsLevel, TokenSource, Transport
from tests.certificates import Made, authority, make, pem
from tests.delivery_sockets.carrying import Sender, consignment, run
from tests.fakes.entra import GRAPH, OUTLOOK, Application, TokenEndpoint
from tests.fakes.front_door import Connector, Fault, FrontDoor
from tests.fakes.graph import Graph

MAILBOX = "scanner@contoso.com"
CONTENT = f"From: {MAILBOX}\r\nTo: friend@example.org\r\nMessage-ID: <1@contoso.com>\r\n\r\nScan.\r\n".encode()
PATIENCE_SECONDS = 0.5  # for a reply; a test has to wait twice as long for a final one that does not come
LOGIN = Authentication(mechanism=Mechanism.XOAUTH2, user_name=MAILBOX, token_source="m365")


@dataclass
class World:
    door: FrontDoor
    tokens: TokenEndpoint
    application: Application
    sender: Sender

    async def send(self, *recipients: str, content: bytes = CONTENT, sender: str = MAILBOX) -> Any:
        what = consignment(*recipients or ("friend@example.org",), content=content, reverse_path=sender)
        (outcome,) = await self.sender.send(what)
        return outcome


@asynccontextmanager
async def world(is_submission: bool, door: dict[str, Any], route: dict[str, Any]) -> AsyncIterator[World]:
    application = Application(secrets={"hunter2"})
    tokens = TokenEndpoint([application])
    held = make("outlook.office365.com")
    context = ServerContext.load(pem(held.certificate), held.key_pem)
    by_login = {"tokens": tokens, "send_as": {MAILBOX: set()}} if is_submission else {}
    far_end = FrontDoor(context, **{**by_login, **door})
    async with tokens.listening(), far_end.listening():
        source = TokenSource(
            name="m365",
            token_endpoint=tokens.url,
            client_id=application.client_id,
            client_secret="${M365_SECRET}",
            scope=f"{OUTLOOK}/.default",
        )
        hop = NextHop(host="127.0.0.1", port=far_end.port)
        login = {"authentication": LOGIN} if is_submission else {}
        declared = Route(name="out", next_hops=(hop,), **{"tls": TlsLevel.REQUIRED, **login, **route})
        settings = Settings(
            hostname="relay.example",
            data_dir=Path("var"),
            routes=(declared,),
            token_sources=(source,),
            delivery=Delivery(connect_timeout_seconds=2, reply_timeout_seconds=PATIENCE_SECONDS),
        )
        sender = Sender(settings)
        try:
            yield World(far_end, tokens, application, sender)
        finally:
            await sender.couriers.close()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M365_SECRET", "hunter2")


def submitting(scenario: Callable[[World], Awaitable[None]], **door: Any) -> None:
    async def whole() -> None:
        async with world(True, door, {}) as made:
            await scenario(made)

    run(whole())


def relaying(scenario: Callable[[World], Awaitable[None]], door: dict[str, Any], **route: Any) -> None:
    async def whole() -> None:
        async with world(False, door, route) as made:
            await scenario(made)

    run(whole())


# Port 587.


def test_a_mailbox_sends_by_token() -> None:
    async def scenario(made: World) -> None:
        assert isinstance(await made.send(), Delivered)
        (got,) = made.door.received
        assert (got.login, got.mail, got.recipients, got.content) == (MAILBOX, MAILBOX, ["friend@example.org"], CONTENT)

    submitting(scenario)


def test_several_messages_use_one_token() -> None:
    async def scenario(made: World) -> None:
        for _ in range(3):
            await made.send()
        assert made.tokens.asked == ["client_credentials"]
        assert len(made.door.received) == 3

    submitting(scenario)


def test_a_token_that_is_refused_is_got_anew_once() -> None:
    refusals = [b"535 5.7.3 Authentication unsuccessful\r\n"]

    def script(step: str, line: str) -> bytes | None:
        return refusals.pop() if step == "AUTH" and refusals else None

    async def scenario(made: World) -> None:
        assert isinstance(await made.send(), Delivered)
        assert made.tokens.asked == ["client_credentials"] * 2

    submitting(scenario, script=script)


@pytest.mark.parametrize(
    ("door", "kind", "start", "stage"),
    [
        ({"authentication_off": "Tenant"}, Deferred, "535 5.7.139 Authentication unsuccessful, Smtp", Stage.AUTH),
        ({"authentication_off": "Mailbox"}, Deferred, "535 5.7.139 Authentication unsuccessful, Smtp", Stage.AUTH),
        ({"send_as": {}}, Deferred, "535 5.7.3 Authentication unsuccessful", Stage.AUTH),
        ({"connections_per_mailbox_max": 0}, Deferred, "432 4.3.2 Concurrent connections limit", Stage.MAIL),
        ({"messages_per_minute_max": 0}, Deferred, "451 4.7.500 Server busy", Stage.MAIL),
    ],
)
def test_what_exchange_refuses_waits_for_an_administrator_and_is_explained(
    door: dict[str, Any], kind: type, start: str, stage: Stage
) -> None:
    async def scenario(made: World) -> None:
        outcome = await made.send()
        assert (type(outcome), outcome.stage, outcome.is_remote_reply) == (kind, stage, True)
        assert outcome.diagnostic.startswith(start)
        assert explain(outcome.diagnostic) is not None

    submitting(scenario, **door)


def test_another_sender_than_the_mailbox_goes_back() -> None:
    async def scenario(made: World) -> None:
        outcome = await made.send(content=CONTENT.replace(b"scanner@", b"boss@"))
        assert (type(outcome), outcome.status) == (Failed, "5.2.252")

    submitting(scenario)


def test_a_right_that_nobody_consented_to_is_told_from_a_wrong_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(made: World) -> None:
        made.application.roles = {}
        assert (await made.send()).diagnostic.startswith("535 5.7.3")
        monkeypatch.setenv("M365_SECRET", "wrong")
        outcome = await made.send()
        assert "AADSTS7000215" in outcome.diagnostic
        assert "wrong" not in outcome.diagnostic.replace("secret is wrong", "")

    submitting(scenario)


@pytest.mark.parametrize(
    ("fault", "kind", "taken"),
    [(Fault.LOST, Unknown, 1), (Fault.CLOSE, Unknown, 0), (Fault.SILENCE, Unknown, 0), (Fault.DRIP, Delivered, 1)],
)
def test_the_final_reply_may_be_lost_or_slow(fault: Fault, kind: type, taken: int) -> None:
    async def scenario(made: World) -> None:
        assert isinstance(await made.send(), kind)
        assert len(made.door.received) == taken

    submitting(scenario, script=lambda step, line: fault if step == "CONTENT" else None, drip_seconds=0.001)


# Port 25.


def test_a_connector_by_address_takes_mail_for_others() -> None:
    async def scenario(made: World) -> None:
        assert isinstance(await made.send(), Delivered)
        assert made.door.received[0].login is None

    relaying(scenario, {"connectors": [Connector(addresses=("127.0.0.1/32",))]})


def held_by_us(folder: Path) -> tuple[Made, Path]:
    held = make("relay.contoso.com", issuer=authority("Root"))
    return held, held.write(folder / "client")


def test_a_connector_by_certificate_takes_mail_of_any_sender(tmp_path: Path) -> None:
    _, files = held_by_us(tmp_path)

    async def scenario(made: World) -> None:
        assert isinstance(await made.send(sender="someone@fabrikam.com"), Delivered)
        assert made.door.received[0].names == ("relay.contoso.com",)

    relaying(
        scenario,
        {"connectors": [Connector(certificate_name="relay.contoso.com")]},
        client_certificate=files / "certificate.pem",
        client_key=files / "key.pem",
    )


def test_whom_no_connector_knows_reaches_the_inside_alone_and_reads_why() -> None:
    async def scenario(made: World) -> None:
        assert isinstance(await made.send("ada@contoso.com"), Delivered)
        outcome = await made.send("friend@example.org")
        assert (type(outcome), outcome.status) == (Failed, "5.7.64")
        known = explain(outcome.diagnostic)
        assert known is not None
        assert "No connector recognises this host" in known.cause

    relaying(scenario, {})


# Graph over TLS.


@pytest.mark.parametrize("is_trusted", [True, False])
def test_graph_is_believed_only_where_the_systems_authorities_vouch_for_it(
    is_trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert("localhost").configure_cert(tls)
    (root if is_trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "roots.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    https._trust.cache_clear()

    async def scenario() -> Any:
        application = Application(secrets={"hunter2"})
        tokens = TokenEndpoint([application])
        graph = Graph(tokens, mailboxes={MAILBOX})
        graph.web.tls = tls
        async with tokens.listening(), graph.listening():
            source = TokenSource(
                name="m365",
                token_endpoint=tokens.url,
                client_id=application.client_id,
                client_secret="${M365_SECRET}",
                scope=f"{GRAPH}/.default",
            )
            route = Route(name="out", transport=Transport.GRAPH, token_source="m365", graph_endpoint=graph.url)
            settings = Settings(
                hostname="relay.example", data_dir=Path("var"), routes=(route,), token_sources=(source,)
            )
            what = consignment(content=CONTENT, reverse_path=MAILBOX)
            (outcome,) = await Sender(settings).send_and_close(what)
            return outcome

    outcome = run(scenario())
    https._trust.cache_clear()
    if is_trusted:
        assert (type(outcome), outcome.tls[:7]) == (Delivered, "TLSv1.3")
    else:
        assert (type(outcome), outcome.stage) == (Deferred, Stage.CONNECT)
        assert "certificate verify failed" in outcome.diagnostic
