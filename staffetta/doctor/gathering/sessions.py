"""Short SMTP sessions, opened to see who answers: our own listeners, and a mail server elsewhere.

Rule 1: elsewhere nothing is said beyond EHLO, STARTTLS and QUIT.
Rule 2: our own listeners are asked for a stranger's recipient too, and never for content: the trace keeps a refusal.
Rule 3: each wait is bounded, and what is no SMTP is told as it came.
"""

import asyncio
import contextlib
import ipaddress
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime

from staffetta.doctor.facts import ListenerFacts, SessionFacts
from staffetta.net.client_tls import ClientContext
from staffetta.net.tls import TlsFailure, TlsSession
from staffetta.settings.addresses import networks
from staffetta.settings.model import Listener, ListenerKind, Settings
from staffetta.settings.outbound import hop_label, smart_host
from staffetta.smtp.capabilities import read_capabilities
from staffetta.smtp.remote_reply import RemoteProtocolError, RemoteReply, ReplyReader

CONNECT_SECONDS = 10.0
_REPLY_SECONDS = 20.0  # mail exchangers keep strangers waiting for the greeting
_READ_OCTETS = 16_384
_STRANGER = "198.51.100.77"
_SENDER_LOCAL_PART = "postmaster"
_VICTIM = "somebody@example.org"
_ADDRESS = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]+)\]")
_DATE = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [-+]\d{4}")


class _Ended(Exception):
    """The session is over. The text says why."""


@dataclass
class _Talk:
    """One connection; TLS is put on when it is time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: TlsSession | None = None
    replies: ReplyReader = field(default_factory=ReplyReader)
    waiting: list[RemoteReply] = field(default_factory=list)

    async def say(self, line: str) -> RemoteReply:
        self._write(f"{line}\r\n".encode())
        return await self.hear()

    async def hear(self) -> RemoteReply:
        """Return the next reply. Raises _Ended."""
        while not self.waiting:
            try:
                self.waiting += self.replies.receive(await self._read())
            except RemoteProtocolError as error:
                raise _Ended(f"what answers is no SMTP: {error}") from None
        return self.waiting.pop(0)

    async def begin_tls(self, host: str) -> bytes:
        """Shake hands, and return the certificate as DER. Raises _Ended."""
        self.tls = ClientContext.make().session(host)
        try:
            self.tls.receive(b"")
            while not self.tls.is_established:
                self._flush()
                self.tls.receive(await self._octets())
            self._flush()
        except TlsFailure as failure:
            raise _Ended(f"the TLS handshake failed: {failure}") from None
        return self.tls.peer_certificates()[0]

    def good_bye(self) -> None:
        self._write(b"QUIT\r\n")

    def _write(self, octets: bytes) -> None:
        if self.tls is None:
            self.writer.write(octets)
        else:
            self.tls.send(octets)
            self._flush()

    def _flush(self) -> None:
        assert self.tls is not None
        self.writer.write(self.tls.outgoing())

    async def _read(self) -> bytes:
        octets = await self._octets()
        try:
            return octets if self.tls is None else self.tls.receive(octets)
        except TlsFailure as failure:
            raise _Ended(f"TLS broke: {failure}") from None

    async def _octets(self) -> bytes:
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                octets = await self.reader.read(_READ_OCTETS)
        except TimeoutError:
            raise _Ended(f"connected, and no answer within {_REPLY_SECONDS:.0f} s") from None
        except OSError as error:
            raise _Ended(f"the connection broke: {error.strerror or error}") from None
        if not octets:
            raise _Ended("connected, and the other side closed")
        return octets


async def probe(settings: Settings, text: str, addresses: tuple[str, ...] = ()) -> SessionFacts:
    """Greet a mail server elsewhere. text: as in doctor.probe_host. addresses: of its name; else the system's."""
    hop = smart_host(text)
    facts = SessionFacts(hop_label(hop))
    async with _session(addresses[0] if addresses else hop.host, hop.port, facts) as (talk, opened):
        if talk is None:
            return opened
        found = opened
        try:
            found = await _greeted(talk, found, settings.hostname)
            if found.has_starttls and (await talk.say("STARTTLS")).is_positive:
                found = replace(found, certificate_der=await talk.begin_tls(hop.host))
            talk.good_bye()
        except _Ended as ended:
            return replace(found, trouble=str(ended))
        return found


async def listeners(settings: Settings) -> tuple[ListenerFacts, ...]:
    """Visit each listener whose port is known, from this machine."""
    known = [each for each in settings.listeners if not each.address.endswith(":0")]
    return tuple(await asyncio.gather(*(_visit(listener, settings) for listener in known)))


async def _visit(listener: Listener, settings: Settings) -> ListenerFacts:
    host, port = _near(listener.address)
    async with _session(host, port, SessionFacts(listener.address)) as (talk, opened):
        if talk is None:
            return ListenerFacts(listener.name, opened, host)
        peer = str(talk.writer.get_extra_info("sockname")[0])
        found = opened
        try:
            if _is_proxy(peer, listener):  # then we may say that we are a stranger
                talk.writer.write(f"PROXY TCP4 {_STRANGER} 192.0.2.1 40000 25\r\n".encode())
                peer = _STRANGER
            if listener.implicit_tls:
                found = replace(found, certificate_der=await talk.begin_tls(settings.hostname))
            found = await _greeted(talk, found, "doctor.invalid")
            if not found.greeting.startswith("2"):
                return ListenerFacts(listener.name, replace(found, trouble=f"it greets with {found.greeting!r}"), peer)
            if listener.kind is ListenerKind.RELAY:
                found = replace(found, relayed=await _asked_to_relay(talk, settings))
            if found.has_starttls and (await talk.say("STARTTLS")).is_positive:
                found = replace(found, certificate_der=await talk.begin_tls(settings.hostname))
            talk.good_bye()
        except _Ended as ended:
            found = replace(found, trouble=str(ended))
        return ListenerFacts(listener.name, found, peer)


async def _greeted(talk: _Talk, facts: SessionFacts, hostname: str) -> SessionFacts:
    greeting = await talk.hear()
    facts = replace(facts, greeting=str(greeting), ahead_seconds=_ahead(str(greeting)))
    if not greeting.is_positive:
        return facts
    reply = await talk.say(f"EHLO {hostname}")
    return replace(
        facts,
        has_starttls=reply.is_positive and read_capabilities(reply).starttls,
        seen_as=_address(reply.lines[0]) if reply.is_positive else None,
    )


async def _asked_to_relay(talk: _Talk, settings: Settings) -> str:
    """The reply to an outside recipient from one of ours; nothing is sent."""
    domain = settings.accepted_domains[0].name if settings.accepted_domains else "stranger.invalid"
    reply = await talk.say(f"MAIL FROM:<{_SENDER_LOCAL_PART}@{domain}>")
    if reply.is_positive:
        reply = await talk.say(f"RCPT TO:<{_VICTIM}>")
        await talk.say("RSET")
    return str(reply)


@contextlib.asynccontextmanager
async def _session(host: str, port: int, facts: SessionFacts) -> AsyncIterator[tuple[_Talk | None, SessionFacts]]:
    """Connect; without a connection the facts say why."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        yield None, replace(facts, trouble="nobody listens there", is_refused=True)
        return
    except TimeoutError:
        yield None, replace(facts, trouble=f"no connection within {CONNECT_SECONDS:.0f} s")
        return
    except OSError as error:
        yield None, replace(facts, trouble=error.strerror or str(error))
        return
    try:
        yield _Talk(reader, writer), facts
    finally:
        writer.close()


def _near(address: str) -> tuple[str, int]:
    """Where to reach a listener from this machine: one of all addresses is reached on loopback."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)


def _is_proxy(peer: str, listener: Listener) -> bool:
    found = [network for text in listener.proxy_protocol_from for network in networks(text)]
    return any(ipaddress.ip_address(peer) in network for network in found)


def _address(text: str) -> str | None:
    """Our address in brackets, as many servers say it in their reply to EHLO."""
    for found in _ADDRESS.findall(text):
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(found))
    return None


def _ahead(greeting: str) -> float | None:
    """By how much our clock is ahead of the time that a greeting tells; Exchange's does."""
    found = _DATE.search(greeting)
    try:
        return time.time() - parsedate_to_datetime(found[0]).timestamp() if found else None
    except ValueError:
        return None
