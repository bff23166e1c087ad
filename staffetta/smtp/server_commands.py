"""What each command does: a handler for every verb, which answers it, refuses it, or makes an event of it.

Rule 1: a handler is called when sequence.py has nothing against its command; BDAT's asks for itself.
Rule 2: what is wrong with an argument raises Rejection, caught in one place.
"""

from staffetta.mail.tolerance import Tolerance
from staffetta.smtp import grammar, reply
from staffetta.smtp.auth import shown
from staffetta.smtp.events import (
    Authenticate,
    Closing,
    ContentStart,
    Rcpt,
    Refused,
    StartTls,
)
from staffetta.smtp.reading import SHOWN_OCTETS_MAX
from staffetta.smtp.reply import Reply
from staffetta.smtp.sasl import Challenge
from staffetta.smtp.sequence import State, keywords, objection
from staffetta.smtp.server_state import Reading, SessionState

_OTHER_PROTOCOLS = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE"})
_KNOWN_ELSEWHERE = frozenset({b"EXPN", b"TURN", b"ETRN", b"SEND", b"SOML", b"SAML", b"XCLIENT", b"XFORWARD"})
# Every octet that no command may hold: controls (RFC 5321 §4.1.2); TAB with them.
_NO_CONTROLS = bytes.maketrans(bytes([*range(32), 127]), b"\0" * 33)


class CommandSession(SessionState):
    """See the head of this file."""

    def _obey(self, line: bytes) -> None:
        """Work off one command line, given without its CRLF."""
        self._line = line
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        handler = _HANDLERS.get(verb)
        if b"\0" in line.translate(_NO_CONTROLS):
            self._refuse(line, reply.CONTROL_OCTET)
        elif handler is None:
            self._refuse_unknown(verb)
        else:
            if verb == b"MAIL" and self._state is State.CONNECTED and Tolerance.MISSING_HELO in self.tolerances:
                self._do_without_hello()
            order = objection(verb, self._state)
            try:
                if order is not None and verb != b"BDAT":
                    raise grammar.Rejection(order)
                handler(self, argument)
                self._refused_verb = b""
            except grammar.Rejection as rejection:
                self._refused_verb = verb
                self._refuse(line, rejection.reply)

    def _refuse_unknown(self, verb: bytes) -> None:
        """After a refused DATA, what is no command is content of a client that did not wait: worse may follow."""
        if verb in _OTHER_PROTOCOLS or self._refused_verb == b"DATA":
            self._refuse(self._line, reply.NOT_SMTP)
            self._close()
        else:
            self._refuse(self._line, reply.NOT_IMPLEMENTED if verb in _KNOWN_ELSEWHERE else reply.NOT_RECOGNISED)

    def _on_helo(self, argument: bytes) -> None:
        self._greeted(argument, is_esmtp=False)

    def _on_ehlo(self, argument: bytes) -> None:
        self._greeted(argument, is_esmtp=True)

    def _greeted(self, argument: bytes, *, is_esmtp: bool) -> None:
        try:
            self.helo = grammar.parse_helo(argument)
        except grammar.Rejection:
            if Tolerance.BROKEN_HELO not in self.tolerances:
                raise
            self.helo = grammar.mended_helo(argument) or self._nameless
            self.tolerated |= {Tolerance.BROKEN_HELO}
        self.is_esmtp = is_esmtp
        self._abandon()
        self._state = State.GREETED
        offered = keywords(
            message_octets_max=self._limits.message_octets_max,
            is_tls_offered=self._is_tls_offered and not self._is_tls_active,
            is_dsn_offered=self._is_dsn_offered,
            is_tls_active=self._is_tls_active,
            mechanisms=self._auth.offered,
        )
        self._say(reply.hello(self._hostname, self._client_address, offered if is_esmtp else ()))
        self._count_idle_command()

    @property
    def _nameless(self) -> str:
        """What a client is called that has given no name (RFC 5321 §4.1.4)."""
        return f"[{'IPv6:' if ':' in self._client_address else ''}{self._client_address}]"

    def _do_without_hello(self) -> None:
        self.helo = self._nameless
        self.tolerated |= {Tolerance.MISSING_HELO}
        self._state = State.GREETED

    def _on_mail(self, argument: bytes) -> None:
        mail = grammar.parse_mail(
            argument,
            is_esmtp=self.is_esmtp,
            is_auth_offered=bool(self._auth.offered),
            is_tls_active=self._is_tls_active,
        )
        if mail.size is not None and mail.size > self._limits.message_octets_max:
            raise grammar.Rejection(reply.MESSAGE_TOO_LARGE)
        self._events.append(mail)

    def _on_rcpt(self, argument: bytes) -> None:
        if self._recipients >= self._limits.recipients_max:
            self._overshoot += 1  # who was not counting says as many again, pipelined, before it knows
            if self._overshoot > self._limits.recipients_max:
                self._count_idle_command()
            if self._is_closed:
                return
            raise grammar.Rejection(reply.TOO_MANY_RECIPIENTS)
        recipient = grammar.parse_rcpt(
            argument,
            is_esmtp=self.is_esmtp,
            smtputf8=self._is_smtputf8,
            postmaster_domain=self._postmaster_domain,
        )
        self._events.append(Rcpt(recipient))

    def _on_data(self, argument: bytes) -> None:
        if argument:
            raise grammar.Rejection(reply.ARGUMENT)
        self._start_content()
        self._events.append(ContentStart(is_chunked=False))

    def _on_bdat(self, argument: bytes) -> None:
        """Whatever the answer, the chunk that follows is read, or the session would take it for commands."""
        try:
            octets, is_last = grammar.parse_chunk(argument)
        except grammar.Rejection as rejection:
            self._refuse(self._line, rejection.reply)
            self._close()
            return
        order = objection(b"BDAT", self._state)
        if order is not None:
            self._events.append(Refused(self._line[:SHOWN_OCTETS_MAX], order))
            self._throw_away(octets, order)
            return
        if not octets and not is_last:
            self._count_idle_command()
        self._is_last_chunk = is_last
        if self._state is State.CHUNKS:
            self._chunk_reader.start(octets)
            self._reading = Reading.CHUNK
            return
        self._start_content()
        self._chunk_reader.start(octets)
        self._events.append(ContentStart(is_chunked=True))

    def _throw_away(self, octets: int, answer: Reply) -> None:
        self._refused_octets = octets
        self._refused_reply = answer
        self._reading = Reading.REFUSED_CHUNK

    def _on_rset(self, argument: bytes) -> None:
        self._abandon()
        self._say(reply.RESET)
        self._count_idle_command()

    def _on_noop(self, argument: bytes) -> None:
        self._say(reply.OK)
        self._count_idle_command()

    def _on_vrfy(self, argument: bytes) -> None:
        if not argument:
            raise grammar.Rejection(reply.ARGUMENT)
        self._say(reply.CANNOT_VERIFY)
        self._count_idle_command()

    def _on_help(self, argument: bytes) -> None:
        self._say(reply.HELP)
        self._count_idle_command()

    def _on_quit(self, argument: bytes) -> None:
        self._say(reply.CLOSING)
        self._is_closed = True
        self._events.append(Closing(is_quit=True))

    def _on_starttls(self, argument: bytes) -> None:
        if argument:
            raise grammar.Rejection(reply.ARGUMENT)
        if self._is_tls_active:
            raise grammar.Rejection(reply.TLS_ACTIVE)
        if not self._is_tls_offered:
            raise grammar.Rejection(reply.NOT_IMPLEMENTED)
        self._events.append(StartTls())

    def _on_auth(self, argument: bytes) -> None:
        self._go_on_with_auth(self._auth.begin(argument))

    def _go_on_with_auth(self, result: Challenge | Authenticate | Reply) -> None:
        if isinstance(result, Authenticate):
            self._events.append(result)
        elif isinstance(result, Challenge):
            self._say(reply.challenge(result.octets))
            self._reading = Reading.AUTH
        else:
            self._answer_plainly(result)
            if self._auth.has_failed_too_often:
                self._close_after_errors()

    def _refuse(self, line: bytes, answer: Reply) -> None:
        is_loose = self._refused_verb == b"AUTH" and line.partition(b" ")[0].upper() not in _HANDLERS
        self._events.append(Refused(shown(line, is_after_auth=is_loose)[:SHOWN_OCTETS_MAX], answer))
        self._say(answer)
        self._count_error(answer)


_HANDLERS = {
    b"HELO": CommandSession._on_helo,
    b"EHLO": CommandSession._on_ehlo,
    b"MAIL": CommandSession._on_mail,
    b"RCPT": CommandSession._on_rcpt,
    b"DATA": CommandSession._on_data,
    b"BDAT": CommandSession._on_bdat,
    b"RSET": CommandSession._on_rset,
    b"NOOP": CommandSession._on_noop,
    b"VRFY": CommandSession._on_vrfy,
    b"HELP": CommandSession._on_help,
    b"QUIT": CommandSession._on_quit,
    b"STARTTLS": CommandSession._on_starttls,
    b"AUTH": CommandSession._on_auth,
}
