"""What a ServerSession tells its driver. The contract of the session is at the head of server.py.

Marked *answer*: the session waits until the driver calls `session.answer(reply)`; only a positive reply advances it.
The others need none. Commands that need no judgement (HELO, EHLO, NOOP, RSET, VRFY, HELP, errors of syntax and order)
are answered by the session itself.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from staffetta.mail.address import Mailbox
from staffetta.mail.envelope import BodyType, Recipient, Ret
from staffetta.smtp.credentials import Credentials, Mechanism
from staffetta.smtp.reply import Reply


class Want(Enum):
    """Instead of an event: what the session waits for."""

    DATA = "data"  # receive() more; before waiting, write outgoing()
    ANSWER = "answer"  # answer() the last event
    NOTHING = "nothing"  # closed: write outgoing() and close the connection


@dataclass(frozen=True, slots=True)
class Mail:
    """*answer*. MAIL, syntactically right and in order. reverse_path None is `<>`. size: SIZE declared, None if not."""

    reverse_path: Mailbox | None
    size: int | None
    body: BodyType
    smtputf8: bool
    ret: Ret | None
    envelope_id: str | None
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class Rcpt:
    """*answer*. RCPT, syntactically right and in order. `<Postmaster>` comes with our primary domain added."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class ContentStart:
    """*answer* for DATA (START_MAIL_INPUT or a refusal); for the first BDAT the answer OK means go on, and a refusal
    is sent once the chunk has been read and thrown away."""

    is_chunked: bool


@dataclass(frozen=True, slots=True)
class ContentPart:
    """A piece of canonical content (unstuffed), never empty. Small content comes as one piece just before its end."""

    octets: bytes


class ContentFault(StrEnum):
    """Why content cannot be taken. The rest of it was read and thrown away, so that the session stays in step."""

    BARE_LINE_END = "bare CR or LF"
    NUL = "NUL"
    TOO_LARGE = "too large"
    LINE_TOO_LONG = "line too long"


@dataclass(frozen=True, slots=True)
class ContentEnd:
    """*answer*. All of it was read. size: octets of canonical content. has_long_lines: such as had to be borne."""

    size: int
    fault: ContentFault | None
    has_long_lines: bool = False


@dataclass(frozen=True, slots=True)
class StartTls:
    """*answer* with TLS_READY or a refusal. After TLS_READY, write outgoing(), shake hands, call tls_started()."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """*answer* with AUTHENTICATED or a refusal. AUTH, its exchange complete; the answer may take its time."""

    mechanism: Mechanism
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Reset:
    """The transaction is over without a message (RSET, HELO or EHLO in the middle, too many faults): drop the draft."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The session itself refused a command (syntax, order, limit); for metrics, log and trace.

    line: at most 256 octets of it, and nothing that may be a secret.
    """

    line: bytes
    reply: Reply


@dataclass(frozen=True, slots=True)
class Closing:
    """The session ends (QUIT, or 421/521 from the session): write outgoing() and close."""

    is_quit: bool


Event = Mail | Rcpt | ContentStart | ContentPart | ContentEnd | StartTls | Authenticate | Reset | Refused | Closing
ANSWERED = (Mail, Rcpt, ContentStart, ContentEnd, StartTls, Authenticate)
"""The events marked *answer*."""
