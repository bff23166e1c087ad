"""The envelope: reverse-path, recipients and their parameters (RFC 5321 §2.3.1, RFC 3461 §4, RFC 8689 §4)."""

from dataclasses import dataclass
from enum import IntFlag, StrEnum

from staffetta.mail.address import Mailbox

NULL_PATH = None
"""The empty reverse-path `<>` (RFC 5321 §4.5.5): a notification, never answered by one."""


class BodyType(StrEnum):
    """What MAIL's BODY parameter declared (RFC 6152 §2, RFC 3030 §3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Ret(StrEnum):
    """How much of the content a failure notification returns (RFC 3461 §4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(IntFlag):
    """When the sender wants to be notified of a recipient (RFC 3461 §4.1).

    `Notify(0)`, UNSPECIFIED, means that the parameter was not given: failures and delays are reported.
    """

    UNSPECIFIED = 0
    SUCCESS = 1
    FAILURE = 2
    DELAY = 4
    NEVER = 8


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path with its DSN parameters.

    original: ORCPT as received, `addr-type;xtext`, still encoded; None where it was not given.
    """

    mailbox: Mailbox
    notify: Notify = Notify.UNSPECIFIED
    original: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A transaction's envelope.

    reverse_path: None is NULL_PATH.
    recipients: in the order of RCPT; duplicates may occur.
    envelope_id: ENVID as received, still xtext; None where it was not given.
    """

    reverse_path: Mailbox | None
    recipients: tuple[Recipient, ...]
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    require_tls: bool = False
    ret: Ret | None = None
    envelope_id: str | None = None
