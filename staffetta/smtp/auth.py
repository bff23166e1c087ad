"""AUTH within a session (RFC 4954): what is offered, the exchange under way, and what of it may be shown.

Rule 1: no line that may hold a secret is shown. That is the AUTH command, a response, and after a refused AUTH
whatever is no command: a client that did not wait goes on with its name and password.
Rule 2: after three failures the session ends (RFC 4954 §4 lets a client have three).
"""

from dataclasses import dataclass

from staffetta.smtp import reply, sasl
from staffetta.smtp.credentials import Credentials, Mechanism
from staffetta.smtp.events import Authenticate
from staffetta.smtp.grammar import Rejection
from staffetta.smtp.reply import Reply
from staffetta.smtp.sasl import Challenge, Exchange

_FAILURES_MAX = 3
_HIDDEN = b"(not shown)"
# What may stand after AUTH and is no secret; it helps to know what a device asked for.
_TELLING = frozenset(
    {*(known.encode() for known in Mechanism), b"CRAM-MD5", b"DIGEST-MD5", b"NTLM", b"GSSAPI", b"EXTERNAL"}
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What AUTH offers. is_in_clear: before TLS as well."""

    mechanisms: tuple[Mechanism, ...] = ()
    is_in_clear: bool = False


NO_OFFER = Offer()


class Dialog:
    """A session's AUTH, before TLS or in it. offered: what may be used. is_done: the client has proved who it is."""

    __slots__ = ("_exchange", "_failures", "_offer", "_withheld", "is_done", "offered")

    def __init__(self, offer: Offer, *, is_tls_active: bool) -> None:
        self.offered = offer.mechanisms if is_tls_active or offer.is_in_clear else ()
        self._offer = offer
        self._exchange: Exchange | None = None
        self._withheld: Reply | None = None  # the failure that an XOAUTH2 client hears after the next line
        self._failures = 0
        self.is_done = False

    @property
    def has_failed_too_often(self) -> bool:
        return self._failures >= _FAILURES_MAX

    def begin(self, argument: bytes) -> Challenge | Authenticate:
        """Take the AUTH command's argument. Raises Rejection."""
        if not self.offered:
            raise Rejection(reply.AUTH_NEEDS_TLS if self._offer.mechanisms else reply.NOT_IMPLEMENTED)
        if self.is_done:
            raise Rejection(reply.AUTH_TWICE)
        word, initial_response = sasl.parse_auth(argument)
        mechanism = next((known for known in self.offered if known.encode() == word), None)
        if mechanism is None:
            raise Rejection(reply.MECHANISM_UNKNOWN)
        self._exchange = Exchange(mechanism)
        return self._step(self._exchange.begin(initial_response))

    def respond(self, line: bytes, fault: Reply | None) -> Challenge | Authenticate | Reply:
        """Take a line after a challenge; a Reply ends the exchange. fault: what LineReader found. Raises Rejection."""
        assert self._exchange is not None
        if self._withheld is not None:
            answer, self._withheld = self._withheld, None
            return answer
        if fault is not None:
            raise Rejection(reply.AUTH_LINE_OVERLONG if fault is reply.LINE_OVERLONG else fault)
        if line == b"*":
            raise Rejection(reply.AUTH_CANCELLED)
        return self._step(self._exchange.respond(sasl.decode(line)))

    def judged(self, answer: Reply) -> Challenge | Reply:
        """Take the driver's answer, and return what to say: it, or for XOAUTH2 the challenge that comes before it."""
        assert self._exchange is not None
        self.is_done = answer.is_positive
        if self.is_done:
            return answer
        self._failures += 1
        if self._exchange.mechanism is Mechanism.XOAUTH2 and answer.code == 535:
            self._withheld = answer
            return Challenge(sasl.XOAUTH2_FAILED)
        return answer

    def _step(self, result: Challenge | Credentials) -> Challenge | Authenticate:
        assert self._exchange is not None
        return result if isinstance(result, Challenge) else Authenticate(self._exchange.mechanism, result)


def shown(line: bytes, *, is_after_auth: bool) -> bytes:
    """What may be told of a refused line. is_after_auth: it is no command, and AUTH was refused before it."""
    if line.lstrip()[:4].upper() == b"AUTH":
        word = b"".join(line.split()[1:2]).upper()
        return b"AUTH " + (word if word in _TELLING else _HIDDEN)
    return _HIDDEN if is_after_auth else line
