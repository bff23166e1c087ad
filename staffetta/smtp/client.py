"""ClientSession: the client's half of SMTP (RFC 5321 §3) and LMTP (RFC 2033), without I/O.

The driver writes what a method returns, hands in what comes back by receive(), and when that says that all is
answered, asks what to do next:

    greeting → hello() → [starttls() → handshake → tls_started() → hello()] → [auth() …]
    → open_transaction() → next_commands() until empty → where wants_content: content → the next transaction → quit()

Rule 1: a write holds as much as the server allows: with PIPELINING the whole envelope and DATA, else one command.
Rule 2: a 421 at any place, or a reply that nobody asked for, ends the session: `closing_reply` is set.
Rule 3: what the server may not say raises RemoteProtocolError; the session is then of no further use.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from staffetta.smtp.capabilities import Capabilities, read_capabilities
from staffetta.smtp.remote_reply import RemoteProtocolError, RemoteReply, ReplyReader

SERVICE_CLOSING = 421  # RFC 5321 §3.8: may be the answer to any command


class Step(StrEnum):
    """What a reply answers."""

    GREETING = "the greeting"
    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "the content"


_POSITIVE_OR_NEGATIVE = frozenset((2, 4, 5))
# RFC 5321 §4.3.2: the classes of reply that a command may have.
_CLASSES = dict.fromkeys(Step, _POSITIVE_OR_NEGATIVE) | {
    Step.DATA: frozenset((3, 4, 5)),
    Step.AUTH: frozenset((2, 3, 4, 5)),  # RFC 4954 §4: 334 asks for a response
}


@dataclass(slots=True)
class Transaction:
    """A transaction, and what was answered so far.

    recipients: replies to RCPT, in its order. final: replies to the content; LMTP: one per accepted recipient.
    is_content_complete: the last octet was handed over; from here on, silence means unknown.
    """

    is_chunked: bool
    mail: RemoteReply | None = None
    recipients: list[RemoteReply] = field(default_factory=list)
    data: RemoteReply | None = None
    final: list[RemoteReply] = field(default_factory=list)
    is_content_complete: bool = False

    @property
    def accepted_count(self) -> int:
        """Recipients that the server has accepted so far; none where it refused MAIL."""
        if self.mail is None or not self.mail.is_positive:
            return 0
        return sum(reply.code < 300 for reply in self.recipients)


class ClientSession:
    """See the head of this file. hostname: our name for EHLO; is_lmtp: LHLO, and a reply per recipient at the end."""

    __slots__ = (
        "_awaited",
        "_commands",
        "_hostname",
        "_is_reset_due",
        "_reader",
        "capabilities",
        "closing_reply",
        "is_lmtp",
        "reply",
        "transaction",
    )

    def __init__(self, hostname: str, *, is_lmtp: bool = False) -> None:
        self.is_lmtp = is_lmtp
        self.capabilities = Capabilities()
        self.reply: RemoteReply | None = None  # the latest
        self.closing_reply: RemoteReply | None = None
        self.transaction: Transaction | None = None
        self._hostname = hostname
        self._reader = ReplyReader()
        self._awaited = deque((Step.GREETING,))
        self._commands: deque[tuple[Step, bytes]] = deque()
        self._is_reset_due = False

    # Octets from the server.

    def receive(self, octets: bytes) -> bool:
        """Take octets; return whether nothing is awaited any more. Raises RemoteProtocolError.

        After a good-bye nothing is read any more.
        """
        if self.closing_reply is not None:
            return True
        for reply in self._reader.receive(octets):
            self.reply = reply
            if not self._awaited:
                self._record_unasked(reply)
                break
            step = self._awaited[0]  # stays there where the reply is none for it
            self._record(step, reply)
            self._awaited.popleft()
            if reply.code == SERVICE_CLOSING:
                self.closing_reply = reply
                self._awaited.clear()
                break
            if step is Step.STARTTLS and reply.is_positive:
                # RFC 3207 §4.2: what came in clear after the reply was put there by someone else, and is forgotten.
                self._reader.forget()
                break
        return not self._awaited

    @property
    def awaited(self) -> Step | None:
        """What the next reply will answer."""
        return self._awaited[0] if self._awaited else None

    @property
    def is_reusable(self) -> bool:
        """Whether another transaction may follow."""
        return self.closing_reply is None and not self._awaited and self._reader.is_between_replies

    def _record(self, step: Step, reply: RemoteReply) -> None:
        if reply.code // 100 not in _CLASSES[step]:
            raise RemoteProtocolError(f"{str(reply)[:200]!r} does not answer {step}")
        if step is Step.EHLO and reply.is_positive:
            self.capabilities = read_capabilities(reply)
        transaction = self.transaction
        if transaction is None:
            return
        if step is Step.RCPT:
            transaction.recipients.append(reply)
        elif step is Step.CONTENT:
            transaction.final.append(reply)
            self._is_reset_due = False
        elif step is Step.MAIL:
            transaction.mail = reply
            self._is_reset_due = reply.is_positive
        elif step is Step.DATA:
            transaction.data = reply

    def _record_unasked(self, reply: RemoteReply) -> None:
        """Before the content is complete it is the server's refusal of the rest; at any other time, a good-bye."""
        if self.wants_content and self.transaction and not self.transaction.is_content_complete:
            self.transaction.data = reply
        self.closing_reply = reply

    # Before a transaction.

    def hello(self) -> bytes:
        """EHLO, or LHLO (RFC 2033 §4.1)."""
        return self._command(Step.EHLO, f"{'LHLO' if self.is_lmtp else 'EHLO'} {self._hostname}")

    def helo(self) -> bytes:
        """HELO, for a server that refused EHLO; its reply announces nothing (RFC 5321 §3.2)."""
        return self._command(Step.HELO, f"HELO {self._hostname}")

    def starttls(self) -> bytes:
        """STARTTLS (RFC 3207 §4)."""
        return self._command(Step.STARTTLS, "STARTTLS")

    def tls_started(self) -> None:
        """The handshake begins: what was said in clear is forgotten, a good-bye included (RFC 3207 §4.2)."""
        self.capabilities = Capabilities()
        self.closing_reply = None
        self._reader.forget()

    def auth(self, line: bytes) -> bytes:
        """Send a line of an AUTH exchange, command or response, without its line end (RFC 4954 §4; sasl_client.py)."""
        self._awaited.append(Step.AUTH)
        return line + b"\r\n"

    def rset(self) -> bytes:
        """Give the transaction up before its content (RFC 5321 §4.1.1.5)."""
        self._is_reset_due = False
        return self._command(Step.RSET, "RSET")

    def quit(self) -> bytes:
        """QUIT; its reply is not waited for."""
        return b"QUIT\r\n"

    def _command(self, step: Step, line: str) -> bytes:
        self._awaited.append(step)
        return line.encode() + b"\r\n"

    # A transaction.

    def open_transaction(self, mail: bytes, recipients: Sequence[bytes], *, is_chunked: bool) -> Transaction:
        """Prepare MAIL, RCPTs and DATA; is_chunked: there is no DATA, since the content will travel by BDAT.

        mail, recipients: commands, line ends included (client_commands.py).
        """
        self.transaction = Transaction(is_chunked)
        self._commands.clear()
        if self._is_reset_due:
            self._commands.append((Step.RSET, b"RSET\r\n"))
            self._is_reset_due = False
        self._commands.append((Step.MAIL, mail))
        self._commands.extend((Step.RCPT, command) for command in recipients)
        if not is_chunked:
            self._commands.append((Step.DATA, b"DATA\r\n"))
        return self.transaction

    @property
    def is_data_next(self) -> bool:
        """Whether the next write holds DATA."""
        if self.capabilities.pipelining:
            return bool(self._commands) and self._commands[-1][0] is Step.DATA
        return self._is_worthwhile() and self._commands[0][0] is Step.DATA

    def next_commands(self) -> bytes:
        """Return the next write, empty when the envelope is through or nothing is left to say for it."""
        if not self._is_worthwhile():
            self._commands.clear()
            return b""
        if not self.capabilities.pipelining:
            step, command = self._commands.popleft()
            self._awaited.append(step)
            return command
        self._awaited.extend([step for step, _ in self._commands])
        octets = b"".join([command for _, command in self._commands])
        self._commands.clear()
        return octets

    def _is_worthwhile(self) -> bool:
        """Whether the next command can still lead to a delivery."""
        transaction = self.transaction
        if transaction is None or not self._commands or self.closing_reply is not None:
            return False
        if transaction.mail is not None and not transaction.mail.is_positive:
            return False
        return self._commands[0][0] is not Step.DATA or transaction.accepted_count > 0

    @property
    def wants_content(self) -> bool:
        """Whether the server waits for content (after 354, possibly for nobody), or for BDAT."""
        if self.transaction is None or self.closing_reply is not None:
            return False
        if self.transaction.is_chunked:
            return self.transaction.accepted_count > 0
        return self.transaction.data is not None and self.transaction.data.is_intermediate

    def chunk_head(self, size: int) -> bytes:
        """BDAT for all of the content in one chunk (RFC 3030 §2). size: octets that follow."""
        return b"BDAT %d LAST\r\n" % size

    def content_complete(self) -> None:
        """All of the content goes out now, the final dot included (a lone dot where nobody was accepted).

        Must be called before the last octets are written.
        """
        assert self.transaction is not None
        self.transaction.is_content_complete = True
        replies = self.transaction.accepted_count if self.is_lmtp else 1
        self._awaited.extend([Step.CONTENT] * replies)
