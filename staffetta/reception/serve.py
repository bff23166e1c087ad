"""One session: events of the client to policy, answers back, and the message to the spool.

Rule 1: all replies of a turn go out in one write.
Rule 2: nothing here awaits but the commit and the check of credentials; what comes meanwhile is kept, within bounds,
and not acted upon.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Protocol

from staffetta.mail.queue_id import to_text
from staffetta.mail.tolerance import Tolerance
from staffetta.net.proxy import IPAddress
from staffetta.net.tls import ServerContext
from staffetta.policy import authentication, relay, room, tolerance
from staffetta.policy.decision import Decision, Reason, SessionFacts, TlsFacts
from staffetta.reception.desk import Desk
from staffetta.reception.pace import Deed
from staffetta.reception.stamp import Stamp
from staffetta.reception.transaction import Transaction
from staffetta.smtp import reply
from staffetta.smtp.events import (
    Authenticate,
    Closing,
    ContentEnd,
    ContentPart,
    ContentStart,
    Event,
    Mail,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    Want,
)
from staffetta.smtp.server import ServerSession
from staffetta.smtp.server_state import PART_OCTETS
from staffetta.spool.spool import SpoolUnavailable

_PROGRESS_OCTETS = 16_384  # of content, within data_timeout_seconds: by default 90 octets a second
_OLD_TLS = frozenset({"TLSv1", "TLSv1.1"})
_HELD_OCTETS_MAX = 65536  # pipelined input while we work, beyond which we stop reading


class Wire(Protocol):
    """What a session asks of its connection (connection.py)."""

    local: str
    is_known: bool

    @property
    def is_closed(self) -> bool: ...
    def write(self, octets: bytes) -> None: ...
    def close(self, result: str) -> None: ...
    def hang_up(self, with_reply: reply.Reply, result: str) -> None: ...
    def fail(self) -> None: ...
    def start_tls(self, context: ServerContext) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def suspend_deadline(self) -> None: ...
    def extend_deadline(self) -> None: ...
    def prove(self) -> None: ...


class Serving:
    """See the head of this file. tolerances: what is borne of this client, whatever connector takes its messages."""

    __slots__ = (
        "_charged_octets",
        "_content_began_at",
        "_content_octets",
        "_desk",
        "_facts",
        "_fresh_octets",
        "_fruitful_at",
        "_has_erred",
        "_has_proved",
        "_held_octets",
        "_hello",
        "_loop",
        "_session",
        "_stamp",
        "_transaction",
        "_wire",
        "_working",
        "tolerances",
    )

    def __init__(self, desk: Desk, wire: Wire, loop: asyncio.AbstractEventLoop, client: IPAddress) -> None:
        settings = desk.get_settings()
        self.tolerances = tolerance.at_connect(client, desk.declared, settings, time.time())
        self._desk = desk
        self._wire = wire
        self._loop = loop
        self._facts = SessionFacts(to_text(desk.spool.next_number()), desk.declared.name, client)
        self._session = ServerSession(
            hostname=settings.hostname,
            client_address=str(client),
            limits=settings.limits,
            is_tls_offered=desk.tls is not None,
            session_id=self._facts.session_id,
            postmaster_domain=settings.accepted_domains[0].name if settings.accepted_domains else settings.hostname,
            auth=authentication.offer(client, desk.declared, settings),
            tolerances=self.tolerances,
        )
        self._has_erred = False
        self._hello: tuple[str | None, bool] = (None, False)  # what facts and stamp were made of
        self._stamp: Stamp | None = None
        self._transaction: Transaction | None = None
        self._working: asyncio.Task[None] | None = None  # on an answer; held here, since the loop holds it weakly
        self._held_octets = 0
        self._fresh_octets = 0  # that came since the deadline moved on
        self._fruitful_at = loop.time()  # when the last message was kept, or the session began
        self._content_began_at = 0.0
        self._content_octets = 0  # that came since
        self._charged_octets = 0  # what the crowd knows that we hold
        self._has_proved = False

    # Asked and told by the connection.

    @property
    def is_idle(self) -> bool:
        return self._transaction is None

    @property
    def is_holding_much(self) -> bool:
        return self._held_octets > _HELD_OCTETS_MAX

    def next_deadline(self, now: float) -> float:
        """When the next step must have been taken, after one at `now`.

        Content must come at a least pace on the whole, and a session must bring a message now and then.
        """
        limits = self._desk.get_settings().limits
        if not self._is_in_content:
            return min(now + limits.command_timeout_seconds, self._fruitful_at + limits.message_wait_seconds)
        earned_seconds = self._content_octets / limits.data_octets_per_second_min
        return min(now, self._content_began_at + earned_seconds) + limits.data_timeout_seconds

    @property
    def _is_in_content(self) -> bool:
        return self._transaction is not None and self._transaction.intake is not None

    def begin(self, refusal: Decision | None = None) -> None:
        """Greet, or send away. refusal: where there is no room."""
        if refusal is not None:
            decision = refusal
        elif self._desk.is_draining:
            decision = Decision(reply.SHUTTING_DOWN, Reason.SHUTTING_DOWN)
        else:
            decision = relay.connect(self._facts, self._desk.get_settings())
        if decision.is_accepted:
            self._session.greet()
            self._turn()
        else:
            self._wire.hang_up(self._refuse(decision), "refused")

    def receive(self, data: bytes) -> None:
        """Take octets, already decrypted."""
        if self.is_idle:
            self._session.limit(self._desk.get_settings().limits)
        self._session.receive(data)
        self._fresh_octets += len(data)
        if self._working is not None:
            self._held_octets += len(data)
            if self.is_holding_much:
                self._wire.pause_reading()
            self._hold(self._charged_octets + len(data))
            return
        if self._is_in_content:
            self._content_octets += len(data)
            self._turn()
            if self._working is None:  # what came whole in one piece is gone in a moment
                self._hold_content()
        else:
            self._turn()

    def secured(self, tls: TlsFacts) -> None:
        """The handshake is complete; what was said in clear is forgotten (RFC 3207 §4.2)."""
        self._facts = replace(self._facts, helo=None, tls=tls, account=None)
        self._hello = (None, False)
        self._stamp = None
        self._session.tls_started()
        if tls.version in _OLD_TLS:
            self._session.tolerated |= {Tolerance.OLD_TLS}

    def _hold_content(self) -> None:
        """Tell the crowd how much of the content is in memory, and give up where it is too much for all together."""
        transaction = self._transaction
        if transaction is None or transaction.intake is None or self._wire.is_closed:
            return
        in_memory = 0 if transaction.intake.is_in_file else transaction.settings.limits.content_in_memory_octets_max
        self._hold(min(self._content_octets, in_memory + PART_OCTETS))

    def _hold(self, octets: int) -> None:
        crowd, limits = self._desk.crowd, self._desk.get_settings().limits
        crowd.octets_held += octets - self._charged_octets
        self._charged_octets = octets
        if octets and crowd.is_memory_short(limits, is_known=self._wire.is_known) and not self._wire.is_closed:
            decision = Decision(reply.MEMORY_SHORT, Reason.MEMORY_SHORT, {"octets_held": crowd.octets_held})
            self._wire.hang_up(self._refuse(decision), "closed")
            if self._working is None:
                self._forget_transaction()

    def lost(self) -> None:
        """The client has gone. A commit under way goes on: the client may have seen neither answer, and will retry."""
        if self._working is None:
            self._forget_transaction()

    # Events.

    def _turn(self) -> None:
        """Work off all events that the octets so far give, and write all answers at once."""
        session, wire = self._session, self._wire
        is_progress = self._is_in_content and self._fresh_octets >= _PROGRESS_OCTETS  # a slow line is, a trickle is not
        while not isinstance(event := session.next_event(), Want):
            is_progress = True
            self._handle(event)
            if self._working is not None or wire.is_closed:
                break
        if out := session.outgoing():
            is_progress = True
            wire.write(out)
        if self._working is not None:
            wire.suspend_deadline()
        elif event is Want.NOTHING:
            wire.close("closed")
        elif self._desk.is_draining and self.is_idle:
            wire.hang_up(reply.SHUTTING_DOWN, "closed")
        elif is_progress:
            self._fresh_octets = 0
            wire.extend_deadline()

    def _handle(self, event: Event) -> None:
        match event:
            case ContentPart():
                if self._transaction is not None:
                    self._transaction.take(event.octets)
            case Mail():
                self._on_mail(event)
            case Rcpt():
                self._on_rcpt(event)
            case ContentStart():
                self._on_content_start(event)
            case ContentEnd():
                self._on_content_end(event)
            case Reset():
                self._forget_transaction()
            case StartTls():
                self._on_start_tls()
            case Authenticate():
                self._on_authenticate(event)
            case Refused():
                self._note_error(event.reply)
                self._desk.note_refused_line(self._facts, event.line, event.reply, is_known=self._wire.is_known)
            case Closing():
                self._on_closing(event)

    def _on_mail(self, event: Mail) -> None:
        self._note_hello()
        transaction = Transaction(self._facts, event, self._desk.get_settings())
        if self._desk.spool.trouble is not None:
            decision = Decision(reply.SPOOL_TROUBLE, Reason.SPOOL_TROUBLE, {"trouble": self._desk.spool.trouble})
        else:
            here = room.Room(self._desk.spool.free_octets_seen, self._desk.crowd.backlog)
            full = room.for_message(here, event.size, transaction.settings.limits, is_known=self._wire.is_known)
            decision = full or self._too_fast(Deed.MESSAGE) or transaction.judge_sender()
        if decision.is_accepted:
            self._transaction = transaction
            self._session.tolerances = transaction.tolerances = self.tolerances | transaction.tolerances
            self._session.answer(decision.reply)
        else:
            self._session.answer(self._refuse(decision, _path(event)))

    def _too_fast(self, deed: Deed) -> Decision | None:
        """Count what a stranger does; say how it is refused where its address does too many of it."""
        if self._wire.is_known:
            return None
        limits = self._desk.get_settings().limits
        return self._desk.crowd.hastiness(self._facts.peer, deed, limits, self._loop.time())

    def _note_error(self, answer: reply.Reply) -> None:
        """Count a stranger's fault. The next connection feels it; this one has errors_max, or under stress just one.

        That one is answered as ever: whoever is honest and wrong must hear why, on a busy machine too.
        """
        if answer.code < 500 or self._wire.is_known:
            return
        self._too_fast(Deed.ERROR)
        if self._has_erred and self._desk.crowd.is_stressed(self._desk.get_settings().limits, self._loop.time()):
            self._wire.hang_up(reply.TOO_MANY_ERRORS, "closed")
        self._has_erred = True

    def _refuse(self, decision: Decision, path: str | None = None, recipient: str | None = None) -> reply.Reply:
        self._note_error(decision.reply)
        return self._desk.refuse(self._facts, decision, path, recipient, is_known=self._wire.is_known)

    def _note_hello(self) -> None:
        hello = (self._session.helo, self._session.is_esmtp)
        if hello != self._hello:
            self._hello = hello
            self._facts = replace(self._facts, helo=self._session.helo)
            self._stamp = None

    def _on_rcpt(self, event: Rcpt) -> None:
        assert self._transaction is not None
        decision = self._too_fast(Deed.RECIPIENT) or self._transaction.judge_recipient(event)
        if decision.reason is Reason.RECIPIENT_UNKNOWN:
            decision = self._too_fast(Deed.UNKNOWN_RECIPIENT) or decision
        if decision.is_accepted:
            self._session.answer(decision.reply)
        else:
            recipient = str(event.recipient.mailbox)
            self._session.answer(self._refuse(decision, _path(self._transaction.mail), recipient))

    def _on_content_start(self, event: ContentStart) -> None:
        assert self._transaction is not None
        is_early = not event.is_chunked and self._session.is_ahead  # RFC 2920 §3.1; another protocol's, it may be
        if is_early and Tolerance.EARLY_CONTENT in self._transaction.tolerances:
            self._transaction.tolerated.add(Tolerance.EARLY_CONTENT)
        elif is_early:
            decision = Decision(reply.EARLY_TALK, Reason.EARLY_TALK)
            self._session.answer(self._refuse(decision, _path(self._transaction.mail)))
            return
        self._content_began_at, self._content_octets = self._loop.time(), 0
        self._transaction.start_content(self._desk.spool)
        self._session.answer(reply.OK if event.is_chunked else reply.START_MAIL_INPUT)

    def _on_content_end(self, event: ContentEnd) -> None:
        transaction = self._transaction
        assert transaction is not None
        transaction.tolerated |= self._session.tolerated
        if event.has_long_lines:
            transaction.tolerated.add(Tolerance.LONG_LINES)
        decision = transaction.judge_content(event)
        if decision.is_accepted:
            self._answer_later(self._kept(transaction, event.size))
        else:
            self._forget_transaction()
            self._session.answer(self._refuse(decision, _path(transaction.mail)))

    def _on_authenticate(self, event: Authenticate) -> None:
        self._note_hello()
        self._answer_later(self._authenticated(event))

    async def _authenticated(self, event: Authenticate) -> reply.Reply:
        """Return the answer to AUTH."""
        verdict = await self._desk.authenticator.judge(event, self._facts.peer, self._desk.get_settings())
        if verdict.account is None:
            return self._refuse(verdict.decision)
        self._facts = replace(self._facts, account=verdict.account.user_name)
        self._stamp = None
        self._desk.note_login(self._facts, event.mechanism)
        self._prove()
        return verdict.decision.reply

    def _answer_later(self, answering: Coroutine[None, None, reply.Reply]) -> None:
        self._working = self._loop.create_task(self._answer_when_done(answering))

    async def _answer_when_done(self, answering: Coroutine[None, None, reply.Reply]) -> None:
        """Answer, and act on what came meanwhile. No transaction outlives it: there is none in AUTH."""
        try:
            answer = await answering
            self._working = self._transaction = None
            self._hold(0)
            if self._wire.is_closed:
                return
            self._session.answer(answer)
            if self.is_holding_much:
                self._wire.resume_reading()
            self._held_octets = 0
            self._turn()
        except Exception:
            self._working = self._transaction = None
            self._hold(0)
            self._wire.fail()

    async def _kept(self, transaction: Transaction, size: int) -> reply.Reply:
        """Return the answer to the final dot: positive only when the message is durable."""
        try:
            message = await transaction.commit(self._desk.spool, self._stamp_of_session(), size)
        except SpoolUnavailable as error:
            transaction.discard()
            decision = Decision(reply.SPOOL_TROUBLE, Reason.SPOOL_TROUBLE, {"trouble": str(error)})
            return self._refuse(decision, _path(transaction.mail))
        except BaseException:  # ours: what is not kept leaves no file; what became durable all the same keeps its own
            transaction.discard()
            raise
        self._desk.note_message(message, size)
        self._desk.note_tolerances(message, transaction.tolerated)
        self._fruitful_at = self._loop.time()
        connector = transaction.attribution.connector
        if connector is not None and not connector.allow_any_address:
            self._prove()
        if transaction.is_rewritten:
            self._desk.note_rewriting(message, transaction.broken_signatures)
        return reply.queued(message.message_id, to_text(message.number), self._desk.get_settings().hostname)

    def _prove(self) -> None:
        if not self._has_proved and not self._wire.is_closed:
            self._has_proved = True
            self._wire.prove()

    def _stamp_of_session(self) -> Stamp:
        if self._stamp is None:
            hostname = self._desk.get_settings().hostname
            self._stamp = Stamp(self._facts, hostname=hostname, local=self._wire.local, is_esmtp=self._session.is_esmtp)
        return self._stamp

    def _on_start_tls(self) -> None:
        assert self._desk.tls is not None  # else it is not offered, and the session refuses
        self._session.answer(reply.TLS_READY)
        self._wire.write(self._session.outgoing())
        self._wire.start_tls(self._desk.tls)

    def _on_closing(self, event: Closing) -> None:
        self._forget_transaction()
        self._wire.write(self._session.outgoing())
        self._wire.close("quit" if event.is_quit else "closed")

    def _forget_transaction(self) -> None:
        if self._transaction is not None:
            self._transaction.discard()
            self._transaction = None
            self._hold(0)


def _path(mail: Mail) -> str:
    return str(mail.reverse_path) if mail.reverse_path else "<>"
