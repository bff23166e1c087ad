"""Mail through Graph, played on a real socket: who gets it, once, and what its errors become."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from staffetta.mail.content import CHUNK_OCTETS
from staffetta.mail.outcome import Deferred, Delivered, Failed, Handover, Stage, Unknown
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.roads import Route, TokenSource, Transport
from tests.delivery_sockets.carrying import Sender, consignment, run
from tests.delivery_sockets.test_transactions import StreamedContent
from tests.fakes.entra import GRAPH, Application, TokenEndpoint
from tests.fakes.graph import Graph
from tests.fakes.web import Answer, Fault

SMALL = b"From: Ada <ada@contoso.com>\r\nTo: friend@example.org\r\nSubject: hello\r\n\r\nA line.\r\n.A dot.\r\n"


@dataclass
class World:
    graph: Graph
    tokens: TokenEndpoint
    application: Application
    sender: Sender

    async def send(self, *recipients: str, content: Any = SMALL, **how: Any) -> Any:
        """Send, and return the one outcome that all recipients have."""
        how = {"reverse_path": "ada@contoso.com"} | how
        outcomes = await self.sender.send(consignment(*recipients, content=content, **how))
        assert len(set(outcomes)) == 1
        return outcomes[0]


@asynccontextmanager
async def world(reply_timeout_seconds: float = 5, **route: Any) -> AsyncIterator[World]:
    application = Application(secrets={"hunter2"})
    tokens = TokenEndpoint([application])
    graph = Graph(tokens)
    async with tokens.listening(), graph.listening():
        source = TokenSource(
            name="m365",
            token_endpoint=tokens.url,
            client_id=application.client_id,
            client_secret="${GRAPH_SECRET}",
            scope=f"{GRAPH}/.default",
        )
        declared = {"transport": Transport.GRAPH, "token_source": "m365", "graph_endpoint": graph.url} | route
        settings = Settings(
            hostname="relay.example",
            data_dir=Path("var"),
            routes=(Route(name="out", **declared),),
            token_sources=(source,),
            delivery=Delivery(connect_timeout_seconds=2, reply_timeout_seconds=reply_timeout_seconds),
        )
        sender = Sender(settings)
        try:
            yield World(graph, tokens, application, sender)
        finally:
            await sender.couriers.close()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPH_SECRET", "hunter2")


def in_world(scenario: Callable[[World], Awaitable[None]], **how: Any) -> None:
    async def whole() -> None:
        async with world(**how) as made:
            await scenario(made)

    run(whole())


def large(octets: int) -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "ada@contoso.com", "friend@example.org", "scan"
    made.set_content("Hello.\n")
    made.add_attachment(random.Random(1).randbytes(octets), "application", "pdf", filename="scan.pdf")
    return made.as_bytes()


def test_a_message_is_sent_as_it_is_and_the_attempt_is_written_down_before() -> None:
    async def scenario(made: World) -> None:
        async def before(_: Any) -> None:
            assert made.sender.announced == ["127.0.0.1"]

        made.graph.before = before
        outcome = await made.send("friend@example.org")
        assert isinstance(outcome, Delivered)
        assert (outcome.handover, outcome.status, outcome.host) == (Handover.RELAYED, "2.0.0", "127.0.0.1")
        (sent,) = made.graph.sent
        assert (sent.mailbox, sent.recipients) == ("ada@contoso.com", ["friend@example.org"])
        assert sent.message.get_payload() == "A line.\r\n.A dot.\r\n"

    in_world(scenario)


@pytest.mark.parametrize(
    ("header", "recipients"),
    [
        (b"To: friend@example.org\r\n", ["friend@example.org", "blind@example.org"]),
        (b"To: undisclosed-recipients:;\r\n", ["blind@example.org"]),
        (b"", ["blind@example.org", "other@example.org"]),
        (b"To: friend@example.org, elsewhere@example.net\r\n", ["friend@example.org"]),
    ],
)
def test_who_is_in_the_envelope_gets_it_and_nobody_else(header: bytes, recipients: list[str]) -> None:
    async def scenario(made: World) -> None:
        content = b"From: ada@contoso.com\r\n" + header + b"Subject: x\r\n\r\nBody.\r\n"
        assert isinstance(await made.send(*recipients, content=content), Delivered)
        assert sorted(made.graph.sent[0].recipients) == sorted(recipients)
        assert made.graph.sent[0].message.get_payload() == "Body.\r\n"

    in_world(scenario)


def test_the_outcome_tells_of_addresses_that_were_left_out() -> None:
    async def scenario(made: World) -> None:
        content = b"From: ada@contoso.com\r\nTo: friend@example.org, b@example.net\r\n\r\nBody.\r\n"
        assert (await made.send("friend@example.org", content=content)).diagnostic.endswith("recipients: 1")

    in_world(scenario)


def test_a_device_that_shows_its_address_as_its_name_may_send() -> None:
    async def scenario(made: World) -> None:
        content = b"From: scanner@contoso.com <scanner@contoso.com>\r\nTo: friend@example.org\r\n\r\nScan.\r\n"
        outcome = await made.send("friend@example.org", content=content, reverse_path="scanner@contoso.com")
        assert isinstance(outcome, Delivered)

    in_world(scenario)


def test_a_notification_is_sent_by_the_mailbox_of_the_route_in_its_name() -> None:
    async def scenario(made: World) -> None:
        content = b"From: Mail Delivery System <postmaster@relay.example>\r\nTo: <ada@contoso.com>\r\n\r\nSorry.\r\n"
        assert isinstance(await made.send("ada@contoso.com", content=content, reverse_path=None), Delivered)
        assert str(made.graph.sent[0].message["From"]) == "Mail Delivery System <scanner@contoso.com>"

    in_world(scenario, graph_mailbox="scanner@contoso.com")


def test_a_notification_without_a_mailbox_waits_and_says_what_to_write() -> None:
    async def scenario(made: World) -> None:
        outcome = await made.send("ada@contoso.com", reverse_path=None)
        assert isinstance(outcome, Deferred)
        assert "write graph_mailbox" in outcome.diagnostic
        assert not made.sender.announced

    in_world(scenario)


def test_more_recipients_than_exchange_takes_go_out_in_several_messages() -> None:
    async def scenario(made: World) -> None:
        everybody = [f"user{number}@example.org" for number in range(501)]
        outcomes = await made.sender.send(consignment(*everybody, content=SMALL, reverse_path="ada@contoso.com"))
        assert [type(outcome) for outcome in outcomes] == [Delivered] * 501
        assert [len(sent.recipients) for sent in made.graph.sent] == [500, 1]

    in_world(scenario)


# Sent once.


@pytest.mark.parametrize("fault", list(Fault))
def test_a_lost_answer_is_unknown_and_nothing_is_sent_again(fault: Fault) -> None:
    async def scenario(made: World) -> None:
        made.graph.lost.append(fault)
        outcome = await made.send("friend@example.org")
        assert isinstance(outcome, Unknown)
        assert "after the request was sent" in outcome.diagnostic
        assert len(made.graph.sent) == 1
        assert len(made.graph.web.requests) == 1

    in_world(scenario, reply_timeout_seconds=0.2)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_answer_that_leaves_it_open_is_unknown(status: int) -> None:
    async def scenario(made: World) -> None:
        made.graph.next.append(Answer(status))
        assert isinstance(await made.send("friend@example.org"), Unknown)
        assert len(made.graph.web.requests) == 1

    in_world(scenario)


def test_202_is_delivered_also_with_a_retry_after_beside_it() -> None:
    async def scenario(made: World) -> None:
        made.graph.next.append(Answer(202, b"", {"Retry-After": "30"}))
        assert isinstance(await made.send("friend@example.org"), Delivered)

    in_world(scenario)


def test_where_nobody_listens_nothing_was_sent() -> None:
    async def scenario(made: World) -> None:
        outcome = await made.send("friend@example.org")
        assert isinstance(outcome, Deferred)
        assert (outcome.stage, outcome.is_destination_trouble) == (Stage.CONNECT, True)

    in_world(scenario, graph_endpoint="http://127.0.0.1:1/v1.0")


def test_a_token_that_has_ended_early_is_replaced_once() -> None:
    async def scenario(made: World) -> None:
        made.graph.next.append("InvalidAuthenticationToken")
        assert isinstance(await made.send("friend@example.org"), Delivered)
        assert made.tokens.asked == ["client_credentials"] * 2
        assert made.sender.announced == ["127.0.0.1"]

    in_world(scenario)


def test_tokens_that_are_always_refused_end_the_attempt() -> None:
    async def scenario(made: World) -> None:
        made.graph.next += ["InvalidAuthenticationToken"] * 3
        outcome = await made.send("friend@example.org")
        assert isinstance(outcome, Deferred)
        assert (outcome.status, outcome.is_destination_trouble) == ("4.7.0", True)
        assert len(made.graph.next) == 1

    in_world(scenario)


def test_without_a_token_nothing_begins() -> None:
    async def scenario(made: World) -> None:
        made.tokens.next.append(7000215)
        outcome = await made.send("friend@example.org")
        assert isinstance(outcome, Deferred)
        assert (outcome.stage, outcome.retry_after_seconds) == (Stage.AUTH, 30)
        assert "AADSTS7000215" in outcome.diagnostic
        assert not made.sender.announced
        assert not made.graph.web.requests

    in_world(scenario)


# Errors.


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("ErrorSendAsDenied", Failed, "5.7.60"),
        ("ErrorInvalidRecipients", Failed, "5.1.3"),
        ("ErrorMessageSizeExceeded", Failed, "5.3.4"),
        ("ErrorMimeContentInvalidBase64String", Failed, "5.6.0"),
        ("ErrorInvalidUser", Failed, "5.1.8"),
        ("MailboxNotEnabledForRESTAPI", Failed, "5.1.8"),
        ("ErrorMessageSubmissionBlocked", Failed, "5.1.8"),
        ("RequestEntityTooLarge", Failed, "5.3.4"),
        ("ErrorAccessDenied", Deferred, "4.7.0"),
        ("ErrorMailboxMoveInProgress", Deferred, "4.3.2"),
        ("ErrorServerBusy", Deferred, "4.3.2"),
        ("ErrorInternalServerError", Unknown, "4.4.2"),
        ("UnknownError", Unknown, "4.4.2"),
    ],
)
def test_errors_become_outcomes_with_graphs_own_words(code: str, kind: type, status: str) -> None:
    async def scenario(made: World) -> None:
        made.graph.next.append(code)
        outcome = await made.send("friend@example.org")
        assert (type(outcome), outcome.status) == (kind, status)
        assert code in outcome.diagnostic
        assert "request-id" in outcome.diagnostic

    in_world(scenario)


def test_throttling_says_how_long_to_wait_and_concerns_the_route() -> None:
    async def scenario(made: World) -> None:
        made.graph.retry_after_seconds = 77
        made.graph.next.append("ApplicationThrottled")
        outcome = await made.send("friend@example.org")
        assert isinstance(outcome, Deferred)
        assert (outcome.retry_after_seconds, outcome.is_destination_trouble) == (77, True)

    in_world(scenario)


def test_a_mailbox_of_the_settings_that_is_not_there_waits_for_an_administrator() -> None:
    async def scenario(made: World) -> None:
        outcome = await made.send("friend@example.org")
        assert (type(outcome), outcome.status) == (Deferred, "4.3.5")

    in_world(scenario, graph_mailbox="nobody@contoso.com")


def test_requiretls_goes_back_since_graph_knows_it_not() -> None:
    async def scenario(made: World) -> None:
        outcome = await made.send("friend@example.org", require_tls=True)
        assert (type(outcome), outcome.status) == (Failed, "5.7.30")
        assert not made.graph.web.requests

    in_world(scenario)


# Large messages.


def test_a_large_message_is_sent_by_draft_and_upload_session_and_arrives_whole() -> None:
    async def scenario(made: World) -> None:
        content = large(8_000_000)
        streamed = StreamedContent(content, CHUNK_OCTETS)
        outcome = await made.send("friend@example.org", "blind@example.org", content=streamed)
        assert isinstance(outcome, Delivered)
        (sent,) = made.graph.sent
        assert sorted(sent.recipients) == ["blind@example.org", "friend@example.org"]
        (file,) = sent.message.iter_attachments()
        assert file.get_content() == random.Random(1).randbytes(8_000_000)
        assert not made.graph.drafts
        assert made.sender.announced == ["127.0.0.1"]
        assert max(len(request.body) for request in made.graph.web.requests) <= 4_000_000

    in_world(scenario)


@pytest.mark.parametrize("step", range(5))  # draft, session, two of the file, send
def test_where_a_step_before_sending_fails_the_message_waits_and_the_draft_goes(step: int) -> None:
    async def scenario(made: World) -> None:
        count = 0

        async def before(request: Any) -> None:
            nonlocal count
            if count == step:
                made.graph.next.append("ErrorServerBusy")
            count += 1

        made.graph.before = before
        outcome = await made.send("friend@example.org", content=large(4_000_000))
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after_seconds == 30
        assert not made.graph.drafts
        assert not made.graph.sent
        assert bool(made.sender.announced) is (step == 4)

    in_world(scenario)


def test_a_draft_whose_sending_got_no_answer_is_unknown_and_left_alone() -> None:
    async def scenario(made: World) -> None:
        made.graph.lost.append(Fault.CLOSE)
        assert isinstance(await made.send("friend@example.org", content=large(4_000_000)), Unknown)
        assert made.graph.web.requests[-1].path.endswith("/send")

    in_world(scenario)


def test_a_message_without_attachments_to_take_out_goes_back_and_says_why() -> None:
    async def scenario(made: World) -> None:
        content = SMALL + b"line\r\n" * 600_000
        outcome = await made.send("friend@example.org", content=content)
        assert (type(outcome), outcome.status) == (Failed, "5.3.4")
        assert "Another route, by SMTP" in outcome.diagnostic
        assert not made.graph.web.requests

    in_world(scenario)


def test_an_application_that_may_send_but_not_make_drafts_is_told_apart() -> None:
    async def scenario(made: World) -> None:
        made.application.roles = {GRAPH: ("Mail.Send",)}
        assert isinstance(await made.send("friend@example.org"), Delivered)
        outcome = await made.send("friend@example.org", content=large(4_000_000))
        assert (type(outcome), outcome.status) == (Deferred, "4.7.0")

    in_world(scenario)
