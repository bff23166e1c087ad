"""What a delivery status notification tells: values only (RFC 3464 §2.2, §2.3). dsn.py prints and reads them."""

from dataclasses import dataclass
from enum import StrEnum

from staffetta.mail.address import Mailbox


class Action(StrEnum):
    """What became of a recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientReport:
    """One recipient's fields (RFC 3464 §2.3).

    final: the address as we had it. original: ORCPT as received, `addr-type;xtext`.
    status: RFC 3463, such as "5.1.1". remote_mta: the next hop's name, None if none was reached.
    diagnostic: the next hop's reply (is_remote_reply) or our own words; may hold anything, it is cleaned in print.
    last_attempt_at, will_retry_until: seconds since 1970.
    """

    final: str
    action: Action
    status: str
    original: str | None = None
    remote_mta: str | None = None
    diagnostic: str | None = None
    is_remote_reply: bool = False
    last_attempt_at: float | None = None
    will_retry_until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One notification about one message.

    reporting_mta: our name. author_domain: of the postmaster that it comes from. message_id: with angle brackets.
    at, arrived_at: seconds since 1970. reverse_path: whom we tell.
    original_message_id, subject: of the message, as found there; they may hold anything.
    envelope_id: ENVID as received, still xtext.
    is_internationalised: the message came with SMTPUTF8, so the forms of RFC 6533 are used.
    """

    reporting_mta: str
    author_domain: str
    message_id: str
    at: float
    arrived_at: float
    reverse_path: Mailbox
    recipients: tuple[RecipientReport, ...]
    original_message_id: str | None = None
    subject: str | None = None
    envelope_id: str | None = None
    is_internationalised: bool = False

    @property
    def action(self) -> Action:
        """The gravest action among the recipients: it names the notification."""
        actions = {recipient.action for recipient in self.recipients}
        return next(action for action in Action if action in actions)


@dataclass(frozen=True, slots=True)
class Returned:
    """What goes back of the message (RFC 3461 §4.3). octets: canonical. is_whole: content, not its header section."""

    octets: bytes
    is_whole: bool
