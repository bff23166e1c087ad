"""One connection: the transport, TLS, the PROXY header, deadlines and the end. What is said on it is serve.py's.

Rule 1: outside content a deadline moves on only when something was achieved, so that an octet now and then keeps
nothing open; within content, 16 KiB more are an achievement.
Rule 2: this is the session's edge: an exception of ours ends this session with 421 and harms no other (design.md §6).
"""

import asyncio
from typing import cast

import structlog

from staffetta import metrics
from staffetta.mail.tolerance import Tolerance
from staffetta.net.proxy import IPAddress, ProxyError, parse, plain_address
from staffetta.net.tls import ServerContext, TlsFailure, TlsSession
from staffetta.policy.decision import PeerCertificate, TlsFacts
from staffetta.reception.desk import Desk
from staffetta.reception.serve import Serving
from staffetta.smtp import reply

_PROXY_SECONDS = 10.0  # a proxy sends its header at once
_HANDSHAKE_SECONDS = 60.0
_STALLED_WRITE_SECONDS = 60.0  # how long a client may leave our replies unread
_CLOSING_SECONDS = 10.0  # for the last reply to go out
_NEVER = float("inf")

_log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """See the head of this file.

    local: our IP address, as the client knows it. deadline: loop time; when it has passed, the desk calls expire().
    progress_at: loop time of the last achievement. is_known: to the crowd, which counts it so.
    """

    __slots__ = (
        "_address",
        "_desk",
        "_is_counted",
        "_is_writing_paused",
        "_loop",
        "_preface",
        "_result",
        "_serving",
        "_tls",
        "_transport",
        "deadline",
        "is_known",
        "local",
        "progress_at",
    )

    _transport: asyncio.Transport

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._loop = loop
        self._address: IPAddress | None = None  # of the client, once it is known
        self._is_counted = False  # in the crowd
        self._preface: bytes | None = None  # what has come of the PROXY header; None: none is awaited
        self._tls: TlsSession | None = None
        self._serving: Serving | None = None
        self._is_writing_paused = False
        self._result = ""  # how the session ended; empty while it lasts
        self.local = ""
        self.is_known = False
        self.deadline = _NEVER
        self.progress_at = loop.time()

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._desk.enter(self)
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not local:  # gone before we could look
            self._transport.abort()
            return
        address, self.local = plain_address(peer[0]), str(plain_address(local[0]))
        try:
            if self._desk.is_proxy(address):
                self._preface = b""
                self.deadline = self._loop.time() + _PROXY_SECONDS
            else:
                self._begin(address)
        except Exception:
            self.fail()

    def data_received(self, data: bytes) -> None:
        if self._result:
            return
        try:
            self._receive(data)
        except (TlsFailure, ProxyError) as failure:
            _log.info("connection broken", reason=str(failure), peer=str(self._address))
            self._transport.close()
        except Exception:
            self.fail()

    def connection_lost(self, error: Exception | None) -> None:
        self._result = self._result or "lost"
        if self._serving is not None:
            self._serving.lost()
        if self._is_counted and self._address is not None:
            self._desk.crowd.leave(self._address, is_known=self.is_known)
        self._desk.leave(self, self._result)

    def pause_writing(self) -> None:
        self._is_writing_paused = True
        self._transport.pause_reading()
        self.deadline = self._loop.time() + _STALLED_WRITE_SECONDS

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        if not self._result and self._serving is not None:
            self.extend_deadline()
            if not self._serving.is_holding_much:
                self._transport.resume_reading()

    # Called by the desk.

    def expire(self) -> None:
        """End a session whose client is silent (RFC 5321 §4.5.3.2.7), or does not read."""
        if self._result or self._is_writing_paused:
            self._result = self._result or "timeout"
            self._transport.abort()
        else:
            self.hang_up(reply.TIMEOUT, "timeout")

    def leave_when_idle(self) -> None:
        """End the session when no transaction is under way."""
        if self._serving is None or self._serving.is_idle:
            self.hang_up(reply.SHUTTING_DOWN, "closed")

    def hang_up(self, with_reply: reply.Reply, result: str) -> None:
        """Say 421 and close. A commit under way still becomes durable; only its answer is lost."""
        if self._result:
            return
        if self._serving is not None and not self._is_shaking_hands():
            self.write(with_reply.wire)
        self.close(result)

    def abort(self) -> None:
        """End the connection without a word."""
        self._transport.abort()

    # Called by the session.

    @property
    def is_closed(self) -> bool:
        return bool(self._result)

    def write(self, octets: bytes) -> None:
        """Send, through TLS where it is on."""
        if not octets or self._result or self._transport.is_closing():
            return
        if self._tls is not None:
            self._tls.send(octets)
            octets = self._tls.outgoing()
        self._transport.write(octets)

    def close(self, result: str) -> None:
        """Close once all is written. result: one of metrics.SESSION_RESULTS."""
        if self._result:
            return
        self._result = result
        self.deadline = self._loop.time() + _CLOSING_SECONDS
        if self._tls is not None:
            self._tls.close()
            self._transport.write(self._tls.outgoing())
        self._transport.close()

    def fail(self) -> None:
        """An error of ours, in its `except` clause: log it, and end this session alone."""
        _log.exception("session failed", peer=str(self._address))
        try:
            self.hang_up(reply.INTERNAL_ERROR, "closed")
        finally:
            self._transport.close()

    def start_tls(self, context: ServerContext) -> None:
        """From now on octets are TLS. The reply that says so has been written."""
        assert self._serving is not None
        self._tls = context.session(
            asks_for_certificate=self._desk.asks_for_certificate(),
            bears_old_tls=Tolerance.OLD_TLS in self._serving.tolerances,
        )
        self.extend_deadline()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._is_writing_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def suspend_deadline(self) -> None:
        """It is us whom the client waits for."""
        self.deadline = self.progress_at = _NEVER

    def extend_deadline(self) -> None:
        """Something was achieved."""
        if self._result or self._is_writing_paused or self._serving is None:
            return
        self.progress_at = now = self._loop.time()
        is_shaking_hands = self._is_shaking_hands()
        self.deadline = now + _HANDSHAKE_SECONDS if is_shaking_hands else self._serving.next_deadline(now)

    def prove(self) -> None:
        """The client is more than a stranger, and so is from now on what comes from its address."""
        assert self._address is not None
        self._desk.crowd.proved(self._address, was_known=self.is_known)
        self.is_known = True

    # Inside.

    def _begin(self, client: IPAddress) -> None:
        self._address = client
        self._serving = Serving(self._desk, self, self._loop, client)
        crowd, settings = self._desk.crowd, self._desk.get_settings()
        refusal = crowd.refusal(client, settings, self._loop.time())
        if refusal is None:
            self._is_counted = True
            self.is_known = crowd.enter(client, settings, self._loop.time())
        if self._desk.declared.implicit_tls:
            assert self._desk.tls is not None  # a certificate of our own, where none is declared
            self.start_tls(self._desk.tls)
        if refusal is None and self._tls is not None:
            return  # the greeting comes after the handshake; who is sent away is spared it
        self._serving.begin(refusal)

    def _receive(self, data: bytes) -> None:
        if self._preface is not None:
            data = self._read_preface(data)
        if self._tls is not None:
            data = self._decrypt(self._tls, data)
        if data and not self._result and self._serving is not None:
            self._serving.receive(data)

    def _read_preface(self, data: bytes) -> bytes:
        """Return what follows the PROXY header, nothing while it is incomplete. Raises ProxyError."""
        octets = (self._preface or b"") + data
        header = parse(octets)
        if header is None:
            self._preface = octets
            return b""
        self._preface = None
        self.local = str(header.destination) if header.destination else self.local
        self._begin(header.source or plain_address(self._transport.get_extra_info("peername")[0]))
        return octets[header.octets :]

    def _is_shaking_hands(self) -> bool:
        return self._tls is not None and not self._tls.is_established

    def _decrypt(self, tls: TlsSession, data: bytes) -> bytes:
        was_established = tls.is_established
        try:
            plaintext = tls.receive(data)
        finally:
            if out := tls.outgoing():  # the handshake's next flight, or an alert that says what failed
                self._transport.write(out)
        if tls.is_established and not was_established:
            self._on_established(tls)
        if tls.is_closed and not plaintext:
            self._transport.close()
        return plaintext

    def _on_established(self, tls: TlsSession) -> None:
        assert self._serving is not None
        certificates = tls.peer_certificates()
        certificate = PeerCertificate(certificates[0], certificates[1:]) if certificates else None
        self._serving.secured(TlsFacts(tls.version, tls.cipher, certificate))
        if self._desk.declared.implicit_tls:
            self._serving.begin()
        metrics.TLS_SESSIONS.labels("inbound", tls.version).inc()
        self.extend_deadline()
