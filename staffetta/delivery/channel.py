"""A channel: one connection to a next hop, and the ClientSession that speaks on it.

Rule 1: one write per batch, and one future that wakes the driver when all of the batch is answered.
Rule 2: the channel raises HopTrouble and nothing else; afterwards it is closed.

TCP_NODELAY needs no call: asyncio and uvloop both set it on every TCP connection.
"""

import asyncio
from typing import Self, cast

from staffetta.delivery.transcript import current_transcript
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Contact, Stage, TlsJudgement
from staffetta.metrics import TLS_SESSIONS
from staffetta.net.client_tls import ClientContext, failure_in_words
from staffetta.net.tls import TlsFailure, TlsSession
from staffetta.smtp.client import ClientSession, Step
from staffetta.smtp.remote_reply import RemoteProtocolError, RemoteReply

_STAGES = {
    Step.GREETING: Stage.GREETING,
    Step.EHLO: Stage.EHLO,
    Step.HELO: Stage.EHLO,
    Step.STARTTLS: Stage.TLS,
    Step.AUTH: Stage.AUTH,
    Step.RSET: Stage.MAIL,
    Step.MAIL: Stage.MAIL,
    Step.RCPT: Stage.RCPT,
    Step.DATA: Stage.DATA,
    Step.CONTENT: Stage.FINAL_DOT,
}


class Channel(asyncio.Protocol):
    """See the head of this file.

    host: the next hop's name. address: its IP address, None for a socket in the file system.
    tls: "TLSv1.3 CIPHER", None in clear. judgement: what was asked and how it is met, by whoever opened the channel.
    is_certificate_wanted: whether the server asked for ours. messages: transactions made so far; above 0, the
    connection has been idle before and may have died unnoticed.
    """

    def __init__(self, session: ClientSession, host: str, address: str | None) -> None:
        self.session = session
        self.host = host
        self.address = address
        self.tls: str | None = None
        self.judgement: TlsJudgement | None = None
        self.is_certificate_wanted = False
        self.messages = 0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: TlsSession | None = None
        self._shows_certificate = False
        self._is_heard_in_tls = False  # until then a server may still refuse our certificate
        self._trouble: HopTrouble | None = None
        self._waiter: asyncio.Future[None] | None = None  # all is answered, or writing may go on, or trouble
        self._is_writing_paused = False
        self._is_closing = False
        self._transcript = current_transcript.get()

    @property
    def is_open(self) -> bool:
        return self._trouble is None and not self._is_closing

    @property
    def contact(self) -> Contact:
        """The next hop as it is told of."""
        return Contact(host=self.host, address=self.address, tls=self.tls, judgement=self.judgement)

    @property
    def has_transcript(self) -> bool:
        """Whether somebody reads what note() is told."""
        return self._transcript is not None

    @property
    def is_reusable(self) -> bool:
        """Whether another transaction may be tried on this connection."""
        return self.is_open and self.session.is_reusable

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.note(f"connected to {self.host}{f'[{self.address}]' if self.address else ''}")

    def data_received(self, data: bytes) -> None:
        try:
            if self._tls is not None:
                data = self._decrypt(self._tls, data)
                self._is_heard_in_tls |= bool(data)
            if data and self._transcript is not None:
                self._transcript.received(data)
            if data and self.session.receive(data):
                self._wake()
        except TlsFailure as failure:
            self._fail(self._tls_trouble(failure))
        except RemoteProtocolError as error:
            self._fail(HopTrouble("4.5.0", str(error), self._stage()))

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f": {exc}" if exc else ""
        self._fail(HopTrouble("4.4.2", f"lost the connection while {self._doing()}{reason}", self._stage()))

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._wake()

    # Called by the driver.

    def write(self, *octets: bytes) -> None:
        """Write pieces in one go. What cannot be written shows at the next answered() or drain()."""
        if self._trouble is not None or self._transport is None:
            return
        if self._transcript is not None:
            self._transcript.sent(*octets)
        if self._tls is not None:
            self._encrypt(self._tls, octets)
        elif len(octets) == 1:
            self._transport.write(octets[0])
        else:
            self._transport.writelines(octets)

    def note(self, text: str) -> None:
        """Say something in the transcript, where there is one."""
        if self._transcript is not None:
            self._transcript.note(text)

    def check(self) -> None:
        """Make sure, before content is called complete, that it can be written at all. Raises HopTrouble."""
        if self._trouble is not None:
            raise self._trouble

    async def exchange(self, octets: bytes, timeout_seconds: float) -> RemoteReply:
        """Write, and return the last reply when all is answered. Raises HopTrouble."""
        self.write(octets)
        return await self.answered(timeout_seconds)

    async def answered(self, timeout_seconds: float) -> RemoteReply:
        """Return the last reply when all is answered, or the server has said good-bye. Raises HopTrouble."""
        session = self.session
        while session.awaited is not None and self._trouble is None:
            await self._wait(timeout_seconds)
        if session.awaited is not None and self._trouble is not None:
            raise self._trouble
        assert session.reply is not None
        return session.reply

    async def drain(self, timeout_seconds: float) -> None:
        """Return when more may be written, or nothing more need be. Raises HopTrouble."""
        if self._transport is not None and self._transport.is_closing():
            await asyncio.sleep(0)  # the loop has yet to tell us of the loss
        while self._is_writing_paused and self._trouble is None and self.session.closing_reply is None:
            await self._wait(timeout_seconds)
        self.check()

    def quit(self) -> None:
        """Say QUIT and close. Its reply could change nothing, so it is not waited for (RFC 5321 §4.1.1.10)."""
        self.write(self.session.quit())
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what was not written is thrown away."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def __enter__(self) -> Self:
        """Any exception in the block closes the channel."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.abort()
        if isinstance(error, HopTrouble):
            error.address, error.tls, error.judgement = self.address, self.tls, self.judgement

    # TLS.

    async def start_tls(self, context: ClientContext, timeout_seconds: float) -> None:
        """Shake hands, after a positive reply to STARTTLS or, for implicit TLS, at once. Raises HopTrouble."""
        tls = self._tls = context.session(self.host)
        self._shows_certificate = context.shows_certificate
        self.session.tls_started()
        tls.receive(b"")  # nothing came yet: this makes the ClientHello
        self._flush(tls)
        while not tls.is_established and self._trouble is None:
            await self._wait(timeout_seconds)
        self.check()
        self.tls = f"{tls.version} {tls.cipher}"
        self.is_certificate_wanted = tls.is_certificate_wanted
        self.note(f"TLS: {self.tls}; {_about_ours(tls.is_certificate_wanted, context.shows_certificate)}")
        TLS_SESSIONS.labels("outbound", tls.version).inc()

    def peer_certificates(self) -> tuple[bytes, ...]:
        """DER, leaf first; empty in clear."""
        return self._tls.peer_certificates() if self._tls is not None else ()

    def _decrypt(self, tls: TlsSession, octets: bytes) -> bytes:
        was_established = tls.is_established
        try:
            octets = tls.receive(octets)
        finally:
            self._flush(tls)  # the handshake's next flight, or an alert that tells what failed
        if tls.is_established and not was_established:
            self._wake()
        return octets

    def _encrypt(self, tls: TlsSession, pieces: tuple[bytes, ...]) -> None:
        try:
            tls.send(b"".join(pieces))
        except TlsFailure as failure:
            self._fail(self._tls_trouble(failure))
        self._flush(tls)

    def _flush(self, tls: TlsSession) -> None:
        if (octets := tls.outgoing()) and self._transport is not None:
            self._transport.write(octets)

    # Waiting.

    async def _wait(self, timeout_seconds: float) -> None:
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(timeout_seconds, self._time_out, timeout_seconds)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _time_out(self, timeout_seconds: float) -> None:
        self._fail(HopTrouble("4.4.2", f"timed out after {timeout_seconds:g} s while {self._doing()}", self._stage()))

    def _fail(self, trouble: HopTrouble) -> None:
        if self._trouble is None:
            self._trouble = trouble
            if not self._is_closing:
                self.note(str(trouble))
            self.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stage(self) -> Stage:
        """The stage of what is unanswered; where nothing is, content is on its way, or the connection is idle."""
        if self._tls is not None and not self._is_heard_in_tls:
            return Stage.TLS
        if self.session.awaited is None:
            return Stage.DATA if self.session.wants_content else Stage.MAIL
        return _STAGES[self.session.awaited]

    def _tls_trouble(self, failure: TlsFailure) -> HopTrouble:
        return HopTrouble("4.7.5", f"TLS: {failure_in_words(failure, self._shows_certificate)}", self._stage())

    def _doing(self) -> str:
        if self._tls is not None and not self._tls.is_established:
            return "shaking hands for TLS"
        if self._tls is not None and not self._is_heard_in_tls:
            what = "our client certificate" if self._shows_certificate else "who shows no certificate"
            return f"waiting for the first answer in TLS; perhaps the next hop does not take {what}"
        if self.session.awaited is None:
            return "sending the content" if self.session.wants_content else "idle"
        return f"waiting for the answer to {self.session.awaited}"


def _about_ours(is_wanted: bool, is_there: bool) -> str:
    if is_wanted:
        return f"the server asks for a client certificate, and we show {'ours' if is_there else 'none'}"
    return f"the server asks for no client certificate{', so that it does not see ours' if is_there else ''}"
