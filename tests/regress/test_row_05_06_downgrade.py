"""Rows 5 and 6: who stands before a next hop adds nothing to what it says in TLS, and takes no TLS away.

Response injection: CVE-2021-38371 (Exim); NO STARTTLS, USENIX Security 2021. RFC 3207 §4.2 and §6.
"""

import asyncio
import ssl
from dataclasses import dataclass

import pytest
import trustme

from staffetta.mail.outcome import Deferred, Delivered, Stage
from staffetta.settings.roads import TlsLevel
from tests.delivery_sockets.carrying import Sender, run, settings_for
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop, Fault
from tests.regress.relay import INSIDER, OUTSIDER, relay, until

IN_CLEAR = ("PIPELINING", "STARTTLS", "CHUNKING", "SMTPUTF8", "AUTH PLAIN")
INJECTED = [
    b"250 injected.example\r\n",
    b"250-injected.example\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n",
    b"250-injected.example\r\n",
    b"250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 2.0.0 queued as injected\r\n",
    b"250 cut",
    b"421 4.3.0 go away\r\n",
    b"\0" * 5000,
    b"\r\n",
]


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(context)
    return context


@dataclass
class Twofold(FakeHop):
    """Announces one thing in clear, and hardly anything inside TLS. behind_220: octets in the segment of that reply."""

    behind_220: bytes = b""

    def __post_init__(self) -> None:
        self.capabilities = IN_CLEAR
        self.script = self._answer

    def _answer(self, step: str, line: str) -> bytes | None:
        if step == "STARTTLS":
            return b"220 2.0.0 go ahead\r\n" + self.behind_220
        if step == "EHLO" and "STARTTLS" in self.lines:
            return b"250 hop.example\r\n"
        return None


@pytest.mark.parametrize("injected", INJECTED, ids=lambda octets: repr(octets[:24]))
def test_row_05_replies_behind_the_220_are_forgotten(injected: bytes, tls: ssl.SSLContext) -> None:
    """The message's fate is what the hop says inside TLS; so is what it can do."""
    hop = Twofold(tls=tls, behind_220=injected)

    async def main() -> None:
        async with hop.listening():
            (outcome,) = await Sender(settings_for(hop, tls=TlsLevel.REQUIRED)).send_and_close()
            assert isinstance(outcome, Delivered), outcome
            assert outcome.diagnostic == "250 2.0.0 queued as 42"

    run(main())
    verbs = [line.split()[0] for line in hop.lines]
    assert verbs[:3] == ["EHLO", "STARTTLS", "EHLO"]
    assert "BDAT" not in verbs and "DATA" in verbs


LATE = [b"250 late.example\r\n", b"250-late.example\r\n250 AUTH PLAIN\r\n", b"\0" * 100]


@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.REQUIRED])
@pytest.mark.parametrize("late", LATE, ids=repr)
def test_row_05_clear_text_instead_of_the_handshake_is_no_answer(level: TlsLevel, late: bytes) -> None:
    """A reply after the 220, in a segment of its own, breaks the handshake; it answers no EHLO."""

    @dataclass
    class Late(FakeHop):
        async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.connections:
                self.capabilities = ALL_CAPABILITIES  # the second attempt finds a hop without TLS
                await super()._serve(reader, writer)
                return
            self.connections += 1
            writer.write(b"220 hop\r\n")
            await reader.readline()
            writer.write(b"250-hop\r\n250 STARTTLS\r\n")
            await reader.readline()
            writer.write(b"220 go\r\n")
            await reader.read(1)  # the ClientHello has begun
            writer.write(late)
            while octets := await reader.read(4096):
                assert b"EHLO" not in octets and b"MAIL" not in octets
            writer.close()

    hop = Late()

    async def main() -> None:
        async with hop.listening():
            (outcome,) = await Sender(settings_for(hop, tls=level)).send_and_close()
            if level is TlsLevel.REQUIRED:
                assert isinstance(outcome, Deferred) and outcome.stage is Stage.TLS
                assert hop.messages == []
            else:
                assert isinstance(outcome, Delivered) and outcome.tls is None and hop.connections == 2

    run(main())


STRIPPED = {
    "not announced": ("EHLO", b"250-hop.example\r\n250 PIPELINING\r\n"),
    "announced by another word": ("EHLO", b"250-hop.example\r\n250 XXXXXXXA\r\n"),  # what some firewalls wrote
    "refused for now": ("STARTTLS", b"454 4.7.0 not available\r\n"),
    "refused for good": ("STARTTLS", b"502 5.5.1 what?\r\n"),
    "unexpected": ("STARTTLS", b"250 2.0.0 of course\r\n250 more\r\n"),
    "EHLO refused": ("EHLO", b"502 5.5.1 what?\r\n"),
    "cut": ("STARTTLS", Fault.CLOSE),
    "reset": ("STARTTLS", Fault.RESET),
}


@pytest.mark.parametrize("level", [TlsLevel.REQUIRED, TlsLevel.VERIFIED])
@pytest.mark.parametrize("how", STRIPPED)
def test_row_06_where_tls_is_required_nothing_is_said_in_clear(how: str, level: TlsLevel, tls: ssl.SSLContext) -> None:
    """The message waits, with a code of class 4; neither its sender nor its recipients are named to anybody."""
    step, answer = STRIPPED[how]
    hop = FakeHop(
        script=lambda asked, line: answer if asked == step else None, capabilities=(*ALL_CAPABILITIES, "STARTTLS")
    )

    async def main() -> None:
        async with hop.listening():
            (outcome,) = await Sender(settings_for(hop, tls=level)).send_and_close()
            assert isinstance(outcome, Deferred), outcome
            assert outcome.status.startswith("4.")

    run(main())
    assert not any(line.startswith(("MAIL", "RCPT", "AUTH", "DATA")) for line in hop.lines)
    assert hop.messages == []


def test_row_06_a_certificate_of_another_name_gets_nothing_where_it_must_be_verified(tls: ssl.SSLContext) -> None:
    hop = FakeHop(capabilities=(*ALL_CAPABILITIES, "STARTTLS"), tls=tls)

    async def main() -> None:
        async with hop.listening():
            (outcome,) = await Sender(settings_for(hop, tls=TlsLevel.VERIFIED)).send_and_close()
            assert isinstance(outcome, Deferred) and outcome.status.startswith("4.7.")

    run(main())
    assert hop.messages == [] and not any(line.startswith("MAIL") for line in hop.lines)


def test_row_06_mail_of_a_stripped_route_stays_queued_and_is_not_bounced() -> None:
    """Through the whole relay: acknowledged, deferred, and nothing left in clear."""

    async def main() -> None:
        async with relay(road={"tls": TlsLevel.REQUIRED}) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250 2.6.0")
            await until(lambda: all(kept.state.value == "deferred" for kept in running.spool.recipients.values()))
            assert len(running.spool.recipients) == 1
            assert running.outside.connections and running.left() == [] and b"MAIL" not in running.outside.wire

    asyncio.run(main())
