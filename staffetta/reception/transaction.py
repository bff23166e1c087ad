"""One mail transaction: what was asked at MAIL and RCPT, what policy said, and the message that comes of it."""

import time

from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.header import INTERNAL_FIELDS, HeaderSection
from staffetta.mail.missing import missing_fields
from staffetta.mail.queue_id import to_text
from staffetta.mail.received import count_hops
from staffetta.mail.tolerance import Tolerance
from staffetta.policy import content, evidence, relay, rewriting, submission, tolerance
from staffetta.policy.connector import attribute
from staffetta.policy.decision import Decision, Reason, SessionFacts
from staffetta.policy.route import depends_on_size, route
from staffetta.reception.desk import shown, shown_tls
from staffetta.reception.intake import Intake
from staffetta.reception.stamp import Stamp
from staffetta.settings.model import Settings
from staffetta.smtp import reply
from staffetta.smtp.events import ContentEnd, Mail, Rcpt
from staffetta.spool.spool import NewMessage, RoutedRecipient, Spool
from staffetta.trace.events import Detail, Event, EventKind


class Transaction:
    """From MAIL to the end of the content.

    settings: the snapshot that holds for all of it. intake: None until the content starts.
    leaving_sender: the reverse-path under which it is kept. rewritten: the header section that took the place of the
    one that came, where a connector rewrites senders. fields_removed: how many internal fields it lost.
    tolerances: what is borne of it; tolerated: what had to be.
    """

    __slots__ = (
        "_unique",
        "attribution",
        "facts",
        "fields_removed",
        "intake",
        "leaving_sender",
        "mail",
        "rewritten",
        "routed",
        "settings",
        "tolerances",
        "tolerated",
    )

    def __init__(self, facts: SessionFacts, mail: Mail, settings: Settings) -> None:
        self.facts = facts
        self.mail = mail
        self.settings = settings
        at = time.time()
        self.attribution = attribute(facts, mail.reverse_path, settings, at)
        self.tolerances = tolerance.of_connector(self.attribution.connector, settings, at)
        self.tolerated: set[Tolerance] = set()
        self.leaving_sender = rewriting.leaving_sender(self.attribution.connector, mail.reverse_path)
        self.rewritten: rewriting.RewrittenHeader | None = None
        self.fields_removed = 0
        self.routed: dict[tuple[str, str], RoutedRecipient] = {}
        self.intake: Intake | None = None

    def judge_sender(self) -> Decision:
        """Decide about MAIL."""
        return relay.sender(self.facts, self.attribution, self.mail, self.settings)

    def judge_recipient(self, rcpt: Rcpt) -> Decision:
        """Decide about RCPT, and keep the recipient when it is accepted."""
        decision = relay.recipient(self.facts, self.attribution, self.mail.reverse_path, rcpt, self.settings)
        if decision.is_accepted:
            self._keep(rcpt.recipient)
        return decision

    def _keep(self, recipient: Recipient) -> None:
        """A recipient named twice is kept once, as it was named first (RFC 5321 §4.1.1.3 leaves it to us)."""
        key = (recipient.mailbox.local_part, recipient.mailbox.domain)
        if key not in self.routed:
            self.routed[key] = self._routed(recipient, self.mail.size)

    def _routed(self, recipient: Recipient, octets: int | None) -> RoutedRecipient:
        to = route(recipient.mailbox, self.attribution, self.settings, sender=self.leaving_sender, octets=octets)
        return RoutedRecipient(recipient, to.route, to.destination)

    def start_content(self, spool: Spool) -> None:
        """Make ready for the content."""
        limits = self.settings.limits
        self._unique = f"{to_text(spool.next_number())}@{self.settings.hostname}"
        self.intake = Intake(
            spool.open_draft,
            in_memory_octets_max=limits.content_in_memory_octets_max,
            header_octets_max=limits.header_octets_max,
            edit=self._kept_header,
        )

    def _kept_header(self, came: HeaderSection) -> bytes:
        """Return the header section to keep: without internal fields, and with the sender that the connector wants."""
        kept = came.octets
        if content.must_lose_internal_fields(self.attribution):
            kept, self.fields_removed = came.without(INTERNAL_FIELDS)
        header = HeaderSection(kept) if self.fields_removed else came
        self.rewritten = rewriting.rewritten_header(self.attribution.connector, self.mail.reverse_path, header)
        kept = kept if self.rewritten is None else self.rewritten.octets
        return self._with_missing_fields(kept) if Tolerance.MISSING_FIELDS in self.tolerances else kept

    def _with_missing_fields(self, section: bytes) -> bytes:
        """Put in front what the client should have written (RFC 5321 §6.4)."""
        header = HeaderSection(section)
        added = missing_fields(header, unique=self._unique, at=time.time())
        if added:
            self.tolerated.add(Tolerance.MISSING_FIELDS)
        return added + section

    def take(self, octets: bytes) -> None:
        """Take a piece of content."""
        if self.intake is not None:
            self.intake.write(octets)

    def discard(self) -> None:
        """Forget the content."""
        if self.intake is not None:
            self.intake.discard()

    def judge_content(self, end: ContentEnd) -> Decision:
        """Decide about the whole message."""
        intake = self.intake
        assert intake is not None
        if end.fault is not None:
            return content.faulty(end.fault)
        header = intake.header()
        if intake.is_header_too_large:
            return content.HEADER_TOO_LARGE
        if intake.trouble is not None:
            return Decision(reply.SPOOL_TROUBLE, Reason.SPOOL_TROUBLE, {"trouble": intake.trouble})
        decision = content.travelled(count_hops(header), self.settings)
        if decision.is_accepted:
            decision = submission.authorship(self.attribution, self.mail.reverse_path, header)
        return decision

    async def commit(self, spool: Spool, stamp: Stamp, size: int) -> NewMessage:
        """Keep the message in the spool, and return it once it is durable. Raises SpoolUnavailable.

        size: octets as received.
        """
        assert self.intake is not None
        at = time.time()
        number = spool.next_number()
        fields = stamp.trace_fields(to_text(number), at, is_utf8=self.mail.smtputf8)
        header = self.intake.header()
        kept = await self.intake.finish(fields)
        routed = tuple(self.routed.values())
        if depends_on_size(self.settings):  # what was declared was a guess
            routed = tuple(self._routed(each.recipient, size) for each in routed)
        connector = self.attribution.connector
        message = NewMessage(
            number=number,
            message_id=header.first(b"message-id") or self._added_message_id(),
            subject=header.first(b"subject"),
            envelope=self._envelope(routed),
            recipients=routed,
            content=kept,
            has_eight_bit=self.intake.has_eight_bit,
            received_at=at,
            session_id=self.facts.session_id,
            peer_address=str(self.facts.peer),
            helo=self.facts.helo,
            connector=connector.name if connector else None,
            is_once=connector.never_twice if connector else False,
            events=(Event(at, EventKind.RECEIVE, None, self._told(size)),),
        )
        await spool.commit(message)
        return message

    def _added_message_id(self) -> str | None:
        return f"<{self._unique}>" if Tolerance.MISSING_FIELDS in self.tolerated else None

    @property
    def is_rewritten(self) -> bool:
        """Whether another sender than the one that came is kept, in the envelope or in the header."""
        return self.rewritten is not None or self.leaving_sender != self.mail.reverse_path

    @property
    def broken_signatures(self) -> tuple[str, ...]:
        return self.rewritten.broken if self.rewritten is not None else ()

    def _told(self, size: int) -> Detail:
        """What the trace tells of the reception."""
        facts, connector = self.facts, self.attribution.connector
        told: dict[str, str | int | float | bool | None] = {
            "listener": facts.listener,
            "peer": str(facts.peer),
            "helo": facts.helo,
            "tls": shown_tls(facts.tls),
            "connector": connector.name if connector else None,
            "account": facts.account,
            "reason": str(self.attribution.reason),
            "size": size,
            "session": facts.session_id,
            **evidence.of_acceptance(facts, self.attribution),
        }
        if self.fields_removed:
            told["fields_removed"] = self.fields_removed
        if self.tolerated:
            told["tolerated"] = ", ".join(sorted(self.tolerated))
        return told | self._told_of_senders()

    def _told_of_senders(self) -> dict[str, str | None]:
        """What came, where something else is kept."""
        if not self.is_rewritten:
            return {}
        connector, rewritten = self.attribution.connector, self.rewritten
        told = {"rewritten_sender": connector.rewritten_sender if connector else None}
        if self.leaving_sender != self.mail.reverse_path:
            told["original_sender"] = str(self.mail.reverse_path)
        if rewritten is not None:
            told["original_from" if rewritten.field == "from" else "original_sender_field"] = shown(rewritten.original)
        if self.broken_signatures:
            told["signatures_broken"] = shown(", ".join(self.broken_signatures))
        return told

    def _envelope(self, routed: tuple[RoutedRecipient, ...]) -> Envelope:
        mail = self.mail
        return Envelope(
            self.leaving_sender,
            tuple(each.recipient for each in routed),
            body=mail.body,
            smtputf8=mail.smtputf8,
            require_tls=mail.require_tls,
            ret=mail.ret,
            envelope_id=mail.envelope_id,
        )
