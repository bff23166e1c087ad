"""What the connections of one listener share: settings, spool, counts, and how refusals are told."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from prometheus_client import Counter as PromCounter
from prometheus_client import Gauge

from staffetta import metrics
from staffetta.mail.queue_id import to_text
from staffetta.mail.tolerance import Tolerance
from staffetta.net.proxy import IPAddress
from staffetta.net.tls import ServerContext
from staffetta.policy import authentication
from staffetta.policy.decision import Decision, Reason, SessionFacts, TlsFacts
from staffetta.reception.authentication import Authenticator
from staffetta.reception.crowd import Crowd
from staffetta.settings.addresses import Network, networks
from staffetta.settings.model import Listener as Declared
from staffetta.settings.model import Settings
from staffetta.smtp import reply
from staffetta.spool.spool import NewMessage, Spool
from staffetta.trace.events import Refusal

_SHOWN_CHARACTERS_MAX = 256  # of anything that a peer wrote, in log and trace

_log = structlog.get_logger()


class Visitor(Protocol):
    """A connection, as the desk sees it.

    deadline, progress_at: loop time. is_known: to the crowd.
    """

    deadline: float
    progress_at: float
    is_known: bool

    def expire(self) -> None:
        """The deadline has passed."""

    def leave_when_idle(self) -> None:
        """We are draining."""

    def hang_up(self, with_reply: reply.Reply, result: str) -> None:
        """End the session with this reply."""

    def abort(self) -> None:
        """End the connection without a word."""


@dataclass(slots=True)
class Desk:
    """See the head of this file. tls: None where no certificate is configured; STARTTLS is then not offered."""

    declared: Declared
    spool: Spool
    get_settings: Callable[[], Settings]
    tls: ServerContext | None
    authenticator: Authenticator
    crowd: Crowd
    is_draining: bool = False
    visitors: set[Visitor] = field(default_factory=set)
    _emptied: asyncio.Event = field(default_factory=asyncio.Event)
    _proxies: tuple[Network, ...] = field(init=False)
    _messages: PromCounter = field(init=False)
    _octets: PromCounter = field(init=False)
    _by_connector: dict[str | None, PromCounter] = field(default_factory=dict)
    _turned_away: PromCounter = field(init=False)
    _open: Gauge = field(init=False)

    def __post_init__(self) -> None:
        # Resolved once: a look-up by label costs more than the count.
        name = self.declared.name
        self._proxies = tuple(network for text in self.declared.proxy_protocol_from for network in networks(text))
        self._messages = metrics.MESSAGES_RECEIVED.labels(name)
        self._octets = metrics.RECEIVED_BYTES.labels(name)
        self._turned_away = metrics.SESSIONS.labels(name, "refused")
        self._open = metrics.SESSIONS_OPEN.labels(name)

    def is_proxy(self, address: IPAddress) -> bool:
        """Whether connections from this address begin with a PROXY header."""
        return any(address in network for network in self._proxies)

    def enter(self, visitor: Visitor) -> None:
        """Count a connection in; every one leaves again."""
        self.visitors.add(visitor)
        self._open.inc()

    def farewell(self, client: IPAddress, now: float) -> bytes | None:
        """What a client hears that there is no room for; None where there is, or where that cannot be said yet."""
        if self.is_proxy(client):
            return None
        decision = self.crowd.refusal(client, self.get_settings(), now)
        if decision is None:
            return None
        self._turned_away.inc()
        answer = decision.reply
        is_known = self.crowd.is_known(client, self.get_settings())
        if is_known or self.crowd.may_tell(
            time.monotonic()
        ):  # in a flood a stamp finds nothing, and costs more than the rest
            facts = SessionFacts(to_text(self.spool.next_number()), self.declared.name, client)
            answer = self.refuse(facts, decision, is_known=True)
        else:
            metrics.REFUSALS.labels(decision.reason).inc()
        return b"" if self.declared.implicit_tls else answer.wire

    def leave(self, visitor: Visitor, result: str) -> None:
        """Count out. result: one of metrics.SESSION_RESULTS."""
        self.visitors.discard(visitor)
        self._open.dec()
        metrics.SESSIONS.labels(self.declared.name, result).inc()
        if not self.visitors:
            self._emptied.set()

    async def wait_until_empty(self, seconds: float) -> None:
        """Return when the last visitor has gone, or after `seconds`."""
        self._emptied.clear()
        if self.visitors:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), seconds)

    def asks_for_certificate(self) -> bool:
        """Whether a client that starts TLS now is asked for its certificate."""
        return authentication.asks_for_certificate(self.declared, self.get_settings())

    def sweep(self, now: float) -> None:
        """Tell each visitor whose deadline has passed. One timer serves all sessions."""
        limits = self.get_settings().limits
        is_stressed = self.crowd.is_stressed(limits, now)
        hurried = now - limits.stress_timeout_seconds if is_stressed else -math.inf
        for visitor in [each for each in self.visitors if each.deadline < now or each.progress_at < hurried]:
            if visitor.deadline < now or not visitor.is_known:
                visitor.expire()
        metrics.STRESSED.set(is_stressed)
        if untold := self.crowd.told():
            metrics.REFUSALS_UNTOLD.inc(untold)
            _log.warning("refusals not written down one by one", count=untold)

    def refuse(
        self,
        facts: SessionFacts,
        decision: Decision,
        reverse_path: str | None = None,
        forward_path: str | None = None,
        *,
        is_known: bool,
    ) -> reply.Reply:
        """Write the refusal down in log, trace and metrics, and return the reply that names the session.

        is_known: to the crowd; of strangers' refusals a flood is counted and not told one by one.
        """
        now = time.time()
        answer = decision.reply.stamped(self.get_settings().hostname, now, facts.session_id)
        metrics.REFUSALS.labels(decision.reason).inc()
        if is_known or self.crowd.may_tell(time.monotonic()):
            self._tell(facts, answer, decision, now, shown(reverse_path), shown(forward_path))
        return answer

    def note_refused_line(self, facts: SessionFacts, line: bytes, answer: reply.Reply, *, is_known: bool) -> None:
        """Write down that the session itself refused a line: syntax, order or limit."""
        now = time.time()
        metrics.REFUSALS.labels(Reason.PROTOCOL).inc()
        if is_known or self.crowd.may_tell(time.monotonic()):
            evidence = {"line": shown(line.decode("utf-8", "backslashreplace"))}
            self._tell(facts, answer, Decision(answer, Reason.PROTOCOL, evidence), now, None, None)

    def _tell(
        self,
        facts: SessionFacts,
        answer: reply.Reply,
        decision: Decision,
        now: float,
        reverse_path: str | None,
        forward_path: str | None,
    ) -> None:
        refusal = Refusal(
            at=now,
            session_id=facts.session_id,
            listener=facts.listener,
            peer_address=str(facts.peer),
            helo=shown(facts.helo),
            tls=shown_tls(facts.tls),
            reverse_path=reverse_path,
            forward_path=forward_path,
            reply=str(answer),
            reason=decision.reason,
            evidence=decision.evidence,
        )
        self.spool.record_refusal(refusal)
        _log.info(
            "refused",
            session=facts.session_id,
            listener=facts.listener,
            peer=refusal.peer_address,
            helo=refusal.helo,
            sender=reverse_path,
            recipient=forward_path,
            reason=str(decision.reason),
            reply=refusal.reply,
        )

    def note_login(self, facts: SessionFacts, mechanism: str) -> None:
        """Write down that a client has proved who it is."""
        metrics.AUTHENTICATIONS.labels(mechanism).inc()
        _log.info(
            "authenticated",
            session=facts.session_id,
            listener=facts.listener,
            peer=str(facts.peer),
            account=facts.account,
            mechanism=mechanism,
        )

    def note_message(self, message: NewMessage, size: int) -> None:
        """Write down that a message was kept. size: octets as received."""
        self._messages.inc()
        self._octets.inc(size)
        self._of_connector(message.connector).inc()
        sender = message.envelope.reverse_path
        _log.info(
            "received",
            queue_id=to_text(message.number),
            session=message.session_id,
            peer=message.peer_address,
            message_id=shown(message.message_id),
            sender=str(sender) if sender else "",
            recipients=len(message.recipients),
            size=size,
            connector=message.connector,
        )

    def _of_connector(self, name: str | None) -> PromCounter:
        found = self._by_connector.get(name)
        if found is None:
            found = self._by_connector[name] = metrics.CONNECTOR_MESSAGES.labels(name or "")
        return found

    def note_tolerances(self, message: NewMessage, tolerated: Iterable[Tolerance]) -> None:
        """Write down what had to be borne for a message to be kept."""
        for tolerance in sorted(tolerated):
            metrics.TOLERATED.labels(tolerance).inc()
            _log.info(
                "tolerated",
                queue_id=to_text(message.number),
                peer=message.peer_address,
                connector=message.connector,
                what=str(tolerance),
            )

    def note_rewriting(self, message: NewMessage, broken: Sequence[str]) -> None:
        """Write down that a connector has rewritten the sender. broken: domains whose DKIM signatures that has cost."""
        metrics.SENDERS_REWRITTEN.inc()
        if broken:
            metrics.SIGNATURES_BROKEN.inc()
            _log.warning(
                "signature broken",
                queue_id=to_text(message.number),
                connector=message.connector,
                domains=shown(", ".join(broken)),
                why="sender rewriting changed what a DKIM signature covers",
            )


def shown(text: str | None) -> str | None:
    """What a peer wrote, cut to a length that log and trace can bear."""
    return text[:_SHOWN_CHARACTERS_MAX] if text else text


def shown_tls(tls: TlsFacts | None) -> str | None:
    """ "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
    return f"{tls.version} {tls.cipher}" if tls else None
