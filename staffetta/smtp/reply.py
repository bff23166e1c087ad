"""Replies: the type, and every reply that we send, by name (RFC 5321 §4.2, RFC 3463, RFC 2034).

Rule 1: nothing else in the product writes a reply text.
Rule 2: the class of the enhanced code comes from the code and is never written.
Rule 3: to strangers a text says what happened to this command; the exact reason is in the trace, under the stamp's id.

The wording is Exchange Online's where Exchange has one, so that administrators and scripts recognise it.
"""

import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

_TEXT_OCTETS_MAX = 480  # a reply line has at most 512 octets, code and CRLF included (RFC 5321 §4.5.3.1.5)
_SHOWN_OCTETS_MAX = 160  # of something that a client or an administrator wrote


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of one or more lines.

    code: 200 to 599. subject_detail: RFC 3463 without its class, such as "7.64"; None where RFC 2034 has none.
    text: one line of printable ASCII; lines after the first follow in `more`.
    """

    code: int
    subject_detail: str | None
    text: str
    more: tuple[str, ...] = ()
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        enhanced = f"{self.code // 100}.{self.subject_detail} " if self.subject_detail else ""
        lines = (self.text, *self.more)
        last = len(lines) - 1
        text = "".join(
            f"{self.code}{' ' if index == last else '-'}{enhanced}{line}\r\n" for index, line in enumerate(lines)
        )
        object.__setattr__(self, "wire", text.encode("ascii"))

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    @property
    def enhanced_code(self) -> str | None:
        """ "5.7.64", or None."""
        return f"{self.code // 100}.{self.subject_detail}" if self.subject_detail else None

    def stamped(self, hostname: str, at: float, session_id: str) -> "Reply":
        """Return the reply with the stamp that finds the session in the trace, as Exchange writes it.

        at: seconds since 1970.
        """
        time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        return Reply(self.code, self.subject_detail, f"{self.text} [{hostname} {time}Z {session_id}]")

    def __str__(self) -> str:
        return self.wire.decode("ascii").rstrip("\r\n").replace("\r\n", " ")


# Positive, in the order of a session.
TLS_READY = Reply(220, "0.0", "SMTP server ready")
CLOSING = Reply(221, "0.0", "Service closing transmission channel")
AUTHENTICATED = Reply(235, "7.0", "Authentication successful")
OK = Reply(250, "0.0", "OK")
RESET = Reply(250, "0.0", "Resetting")
SENDER_OK = Reply(250, "1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "1.5", "Recipient OK")
CHUNK_RECEIVED = Reply(250, "0.0", "Chunk received")
CANNOT_VERIFY = Reply(252, "5.2", "Cannot verify the mailbox, but will take mail for it")  # RFC 5321 §3.5.3
HELP = Reply(214, "0.0", "Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH (RFC 5321)")
START_MAIL_INPUT = Reply(354, None, "Start mail input; end with <CRLF>.<CRLF>")

# The session ends.
TIMEOUT = Reply(421, "4.2", "Nothing was received in time, closing transmission channel")
SHUTTING_DOWN = Reply(421, "3.2", "Service not available, closing transmission channel")
INTERNAL_ERROR = Reply(421, "3.0", "Internal error, closing transmission channel")
TOO_MANY_CONNECTIONS = Reply(421, "7.0", "Too many connections")
TOO_MANY_ERRORS = Reply(421, "7.0", "Too many errors, closing transmission channel")
TOO_MANY_UNKNOWN = Reply(421, "7.0", "Too many unknown recipients, closing transmission channel")
TOO_MANY_IDLE = Reply(421, "7.0", "Too many commands without a message, closing transmission channel")
SUBMISSION_RATE = Reply(421, "4.2", "Message submission rate for this client has exceeded the configured limit")
MEMORY_SHORT = Reply(421, "3.2", "System not accepting this much at present, closing transmission channel")
NOT_SMTP = Reply(421, "5.0", "This is not SMTP, closing transmission channel")
EARLY_TALK = Reply(421, "5.0", "Content came before it was asked for, closing transmission channel")
OUT_OF_STEP = Reply(421, "5.2", "The chunk's size cannot be read, closing transmission channel")

# Not now.
SPOOL_TROUBLE = Reply(452, "3.1", "Insufficient system storage, try again later")
TOO_MANY_RECIPIENTS = Reply(452, "5.3", "Too many recipients")
TLS_REQUIRED = Reply(451, "7.3", "STARTTLS is required to send mail")
TLS_UNAVAILABLE = Reply(454, "7.0", "TLS is not available")
AUTH_LATER = Reply(454, "7.0", "Temporary authentication failure")

# Syntax and order.
LINE_OVERLONG = Reply(500, "5.2", "The command line is longer than 2048 octets")
LINE_END = Reply(500, "5.2", "A command line ends with CR and LF")
NOT_RECOGNISED = Reply(500, "5.2", "Command not recognised")
CONTROL_OCTET = Reply(501, "5.2", "A command holds no control characters")
ARGUMENT = Reply(501, "5.4", "The command's argument is missing or wrong")
HELO_ARGUMENT = Reply(501, "5.4", "After HELO or EHLO comes the client's name")
MAIL_SYNTAX = Reply(501, "5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX = Reply(501, "5.4", "Syntax: RCPT TO:<address> [parameters]")
PARAMETER_VALUE = Reply(501, "5.4", "The value of a parameter is wrong, or a parameter came twice")
SENDER_SYNTAX = Reply(501, "1.7", "The sender address is not valid")
RECIPIENT_SYNTAX = Reply(501, "1.3", "The recipient address is not valid")
SOURCE_ROUTE = Reply(501, "1.3", "Source routes are not accepted")
NOT_IMPLEMENTED = Reply(502, "5.1", "Command not implemented")
HELLO_FIRST = Reply(503, "5.1", "Send HELO or EHLO first")
MAIL_FIRST = Reply(503, "5.1", "Send MAIL first")
RECIPIENT_FIRST = Reply(503, "5.1", "Send RCPT first")
MAIL_TWICE = Reply(503, "5.1", "A transaction is already under way")
CHUNKS_UNDER_WAY = Reply(503, "5.1", "BDAT is under way; only BDAT, RSET, NOOP and QUIT may follow")
TLS_ACTIVE = Reply(503, "5.1", "TLS is already active")
AUTH_LINE_OVERLONG = Reply(500, "5.6", "The line is longer than 12288 octets")
AUTH_SYNTAX = Reply(501, "5.4", "Syntax: AUTH mechanism [initial response]")
NOT_BASE64 = Reply(501, "5.2", "The response is not base64")
AUTH_RESPONSE = Reply(501, "5.2", "The response is not what the mechanism asks for")
AUTH_CANCELLED = Reply(501, "7.0", "Authentication cancelled")
AUTH_TWICE = Reply(503, "5.1", "Already authenticated")
MECHANISM_UNKNOWN = Reply(504, "5.4", "The authentication mechanism is not available")
REQUIRETLS_NEEDS_TLS = Reply(530, "7.10", "REQUIRETLS needs TLS, send STARTTLS first")
PARAMETER_UNKNOWN = Reply(555, "5.4", "A parameter is not recognised or not available")
SMTPUTF8_NEEDED = Reply(553, "6.7", "A non-ASCII address needs SMTPUTF8")

# Authentication (Exchange's codes and words where it has them).
AUTHENTICATION_UNSUCCESSFUL = Reply(535, "7.3", "Authentication unsuccessful")
AUTHENTICATION_DISABLED_FOR_TENANT = Reply(
    535, "7.139", "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant"
)
AUTHENTICATION_DISABLED_FOR_MAILBOX = Reply(
    535, "7.139", "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox"
)
AUTH_NEEDS_TLS = Reply(538, "7.11", "Encryption required for requested authentication mechanism")

# Policy: who may send what (Exchange's codes and words).
RELAY_DENIED = Reply(550, "7.64", "TenantAttribution; Relay Access Denied")
RELAY_DENIED_CERTIFICATE_DOMAIN = Reply(550, "7.64", "Relay Access Denied ATTR36")
RECIPIENT_ACCESS_DENIED = Reply(550, "4.1", "Recipient address rejected: Access denied")
DIRECT_SEND_NOT_ALLOWED = Reply(
    550,
    "7.68",
    "TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources",
)
PARTNER_RESTRICTED = Reply(
    550,
    "7.51",
    "TenantInboundAttribution; There is a partner connector configured that matched the message's recipient domain. "
    "The connector had either the RestrictDomainsToIPAddresses or RestrictDomainsToCertificate set",
)
CONNECTOR_BLOCKED = Reply(550, "7.711", "Access denied, bad inbound connector. AS(2204)")
NOT_AUTHENTICATED = Reply(530, "7.57", "SMTP; Client was not authenticated to send anonymous mail during MAIL FROM")

# Content.
MESSAGE_TOO_LARGE = Reply(552, "3.4", "The message is larger than this server takes")
HEADER_TOO_LARGE = Reply(552, "3.4", "The header section is larger than this server takes")
BARE_LINE_END = Reply(550, "6.11", "The message holds a bare CR or a bare LF; lines end with CR and LF")
NUL_OCTET = Reply(554, "6.0", "The message holds a NUL octet")
LINE_TOO_LONG = Reply(554, "6.0", "A line of the message is too long")
LOOP = Reply(554, "4.14", "Hop count exceeded - possible mail loop")
TRANSACTION_FAILED = Reply(554, "0.0", "Transaction failed")


@lru_cache(maxsize=64)
def greeting(hostname: str) -> Reply:
    """220, without an enhanced code (RFC 2034 §4)."""
    return Reply(220, None, f"{hostname} ESMTP Staffetta ready")


@lru_cache(maxsize=1024)
def hello(hostname: str, client_address: str, keywords: tuple[str, ...]) -> Reply:
    """The answer to HELO (no keywords) and EHLO, without an enhanced code (RFC 2034 §4)."""
    return Reply(250, None, f"{hostname} Hello [{client_address}]", keywords)


@lru_cache(maxsize=64)
def challenge(octets: bytes) -> Reply:
    """334 with base64, to which an authenticating client responds (RFC 4954 §4)."""
    return Reply(334, None, binascii.b2a_base64(octets, newline=False).decode())


def queued(message_id: str | None, queue_id: str, hostname: str) -> Reply:
    """The answer to content that is durable. message_id: as the client wrote it; left out where it is unfit to show."""
    text = f"[InternalId={queue_id}, Hostname={hostname}] Queued mail for delivery"
    is_fit = message_id and message_id.isascii() and message_id.isprintable()
    if is_fit and len(f"{message_id} {text}") <= _TEXT_OCTETS_MAX:
        text = f"{message_id} {text}"
    return Reply(250, "6.0", text)


def send_as_denied(login: str, sender: str) -> Reply:
    """The answer to content whose sender is not the login's. sender: the one that is not, as the client wrote it."""
    return Reply(554, "2.252", f"SendAsDenied; {_fit(login)} not allowed to send as {_fit(sender)}")


def _fit(text: str) -> str:
    """What somebody wrote, in printable ASCII and of a length that leaves room for another and a stamp."""
    shown = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(character if character.isprintable() else "?" for character in shown)[:_SHOWN_OCTETS_MAX]


def catalogue() -> dict[str, Reply]:
    """Every constant reply by its name, and an example of each template."""
    constants = {name: value for name, value in globals().items() if isinstance(value, Reply)}
    return constants | {
        "greeting": greeting("relay.example"),
        "hello": hello("relay.example", "192.0.2.1", ("SIZE 157286400", "PIPELINING")),
        "challenge": challenge(b"Username:"),
        "send_as_denied": send_as_denied("scanner@contoso.com", "director@contoso.com"),
        "queued": queued("<id@client.example>", "0123456789ABC", "relay.example"),
    }
