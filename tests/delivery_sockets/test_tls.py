"""STARTTLS towards next hops: used where it is offered, insisted on where the route requires it."""

import ssl

import pytest
import trustme

from staffetta.mail.outcome import Deferred, Delivered, Stage
from staffetta.settings.roads import TlsLevel
from tests.delivery_sockets.carrying import CONTENT, SHORT_SECONDS, Sender, consignment, run, settings_for
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop
from tests.delivery_sockets.test_transactions import StreamedContent

WITH_TLS = (*ALL_CAPABILITIES, "STARTTLS")


@pytest.fixture(scope="module")
def server_context() -> ssl.SSLContext:
    """A certificate for some other name, of an authority that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(context)
    return context


def attempts(hop: FakeHop, level: TlsLevel, *what, **options):
    async def main():
        async with hop.listening():
            sender = Sender(settings_for(hop, tls=level, **options))
            outcomes = [(await sender.send(item))[0] for item in what or (None,)]
            await sender.couriers.close()
            return outcomes

    return run(main())


@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.REQUIRED])
def test_any_certificate_will_do_and_ehlo_is_said_again(server_context, level):
    hop = FakeHop(capabilities=WITH_TLS, tls=server_context)
    first, second = attempts(hop, level, None, None)
    assert isinstance(first, Delivered) and isinstance(second, Delivered)
    assert first.tls is not None and first.tls.startswith("TLSv1.3 TLS_")
    assert hop.connections == 1
    assert [line.split()[0] for line in hop.lines[:4]] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]
    assert [message.content for message in hop.messages] == [CONTENT, CONTENT]


@pytest.mark.parametrize("piece", [200_000, 1 << 24])
def test_large_content_arrives_through_tls(server_context, piece):
    content = b"Subject: large\r\n\r\n" + b"0123456789.\r\n.\r\n" * 300_000
    hop = FakeHop(capabilities=("PIPELINING", "STARTTLS"), tls=server_context)
    (outcome,) = attempts(hop, TlsLevel.REQUIRED, consignment(content=StreamedContent(content, piece)))
    assert isinstance(outcome, Delivered)
    assert hop.messages[0].content == content


def test_tls_is_not_asked_for_where_the_route_says_none(server_context):
    hop = FakeHop(capabilities=WITH_TLS, tls=server_context)
    (outcome,) = attempts(hop, TlsLevel.NONE)
    assert isinstance(outcome, Delivered) and outcome.tls is None
    assert "STARTTLS" not in hop.lines


def test_required_tls_that_is_not_offered_defers():
    hop = FakeHop()
    (outcome,) = attempts(hop, TlsLevel.REQUIRED)
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
    assert (outcome.status, outcome.stage) == ("4.7.4", Stage.TLS)
    assert hop.messages == []


@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.REQUIRED])
def test_a_refused_starttls_means_clear_text_or_none(level):
    refusal = b"454 4.7.0 not available\r\n"
    hop = FakeHop(script=lambda step, line: refusal if step == "STARTTLS" else None, capabilities=WITH_TLS)
    (outcome,) = attempts(hop, level)
    assert hop.connections == 1
    if level is TlsLevel.OPPORTUNISTIC:
        assert isinstance(outcome, Delivered) and outcome.tls is None
    else:
        assert isinstance(outcome, Deferred)
        assert (outcome.status, outcome.is_remote_reply) == ("4.7.4", True)


class Failing(FakeHop):
    """Says 220 to STARTTLS, then something that is no handshake, or nothing, or goes away."""

    def __init__(self, handshake: bytes | None, *, is_silent: bool = False) -> None:
        super().__init__(capabilities=WITH_TLS)
        self.handshake, self.is_silent = handshake, is_silent

    async def _serve(self, reader, writer):
        if self.connections > 0:
            self.capabilities = ALL_CAPABILITIES
            await super()._serve(reader, writer)
            return
        self.connections += 1
        writer.write(b"220 hop\r\n")
        await reader.readuntil(b"EHLO relay.example\r\n")
        writer.write(b"250-hop\r\n250 STARTTLS\r\n")
        await reader.readuntil(b"STARTTLS\r\n")
        writer.write(b"220 go\r\n")
        if self.handshake is not None:
            writer.write(self.handshake)
        if self.is_silent:
            await reader.read()
            while await reader.read(1000):
                pass
        writer.close()


@pytest.mark.parametrize(("handshake", "is_silent"), [(b"no TLS here\r\n" * 3, False), (None, False), (None, True)])
@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.REQUIRED])
def test_a_failed_handshake_means_a_new_connection_in_clear_or_none(level, handshake, is_silent):
    hop = Failing(handshake, is_silent=is_silent)
    (outcome,) = attempts(hop, level, reply_timeout_seconds=SHORT_SECONDS)
    if level is TlsLevel.OPPORTUNISTIC:
        assert isinstance(outcome, Delivered) and outcome.tls is None
        assert hop.connections == 2
    else:
        assert isinstance(outcome, Deferred)
        assert outcome.is_destination_trouble and outcome.stage is Stage.TLS
        assert outcome.status in ("4.7.5", "4.4.2")
