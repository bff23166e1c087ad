"""The server's half of a session, without I/O (RFC 5321 §4): octets in, events out; answers in, octets out.

The contract:
- receive() only stores; next_event() returns one event, or the Want that says what is missing.
- After an event marked *answer* (events.py) nothing more is read until answer(); a positive reply advances the state.
- What needs no judgement is answered here, and told by Refused where it was refused.
- Nothing that a peer sends raises. The same octets in any pieces give the same events and replies.
"""

from collections import deque
from enum import Enum, auto

from staffetta.smtp import grammar, reply
from staffetta.smtp.auth import NO_OFFER, Dialog, Offer, shown
from staffetta.smtp.body import ChunkReader, DataReader, Gatherer
from staffetta.smtp.events import (
    ANSWERED,
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
from staffetta.smtp.limits import SessionLimits
from staffetta.smtp.reading import AUTH_LINE_OCTETS_MAX, SHOWN_OCTETS_MAX, LineReader
from staffetta.smtp.reply import Reply
from staffetta.smtp.sasl import Challenge
from staffetta.smtp.sequence import State, keywords, objection

PART_OCTETS = 256 * 1024  # larger content is handed on in parts of about this size
_OTHER_PROTOCOLS = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE"})
_KNOWN_ELSEWHERE = frozenset({b"EXPN", b"TURN", b"ETRN", b"SEND", b"SOML", b"SAML", b"XCLIENT", b"XFORWARD"})
# Every octet that no command may hold: controls (RFC 5321 §4.1.2); TAB with them.
_NO_CONTROLS = bytes.maketrans(bytes([*range(32), 127]), b"\0" * 33)


class _Reading(Enum):
    """What the next octets are."""

    COMMANDS = auto()
    AUTH = auto()  # a response to a challenge
    DATA = auto()
    CHUNK = auto()
    REFUSED_CHUNK = auto()  # thrown away, to stay in step
    HANDSHAKE = auto()  # not ours: until tls_started()


class ServerSession:
    """See the head of this file.

    helo: the client's name, None before HELO. is_esmtp: whether it said EHLO.
    """

    def __init__(
        self,
        *,
        hostname: str,
        client_address: str,
        limits: SessionLimits,
        is_tls_offered: bool,
        session_id: str,
        postmaster_domain: str,
        is_tls_active: bool = False,
        is_dsn_offered: bool = True,
        auth: Offer = NO_OFFER,
    ) -> None:
        self.session_id = session_id
        self.helo: str | None = None
        self.is_esmtp = False
        self._hostname = hostname
        self._client_address = client_address
        self._limits = limits
        self._is_tls_offered = is_tls_offered
        self._is_tls_active = is_tls_active
        self._is_dsn_offered = is_dsn_offered
        self._postmaster_domain = postmaster_domain
        self._auth_offer = auth
        self._auth = Dialog(auth, is_tls_active=is_tls_active)
        self._state = State.CONNECTED
        self._reading = _Reading.COMMANDS
        self._reader = LineReader()
        self._refused_verb = b""  # of the last command that we know, where it was refused
        self._out: list[bytes] = []
        self._events: deque[Event] = deque()
        self._awaiting: Event | None = None
        self._is_closed = False
        self._errors = 0
        self._line = b""
        self._forget_transaction()

    # What the driver calls.

    def greet(self) -> None:
        """Queue the banner."""
        self._say(reply.greeting(self._hostname))

    def receive(self, data: bytes) -> None:
        """Store what the peer sent."""
        self._reader.receive(data)

    def next_event(self) -> Event | Want:
        """Return the next event, or what is needed before there can be one."""
        while True:
            if self._awaiting is not None:
                return Want.ANSWER
            if self._events:
                event = self._events.popleft()
                if isinstance(event, ANSWERED):
                    self._awaiting = event
                return event
            if self._is_closed:
                return Want.NOTHING
            if not self._read():
                return Want.DATA

    def answer(self, answer: Reply) -> None:
        """Answer the last event."""
        event, self._awaiting = self._awaiting, None
        match event:
            case Mail():
                self._answer_mail(event, answer)
            case Rcpt():
                self._answer_rcpt(answer)
            case ContentStart():
                self._answer_content_start(event, answer)
            case ContentEnd():
                self._forget_transaction()
                self._errors = 0 if answer.is_positive else self._errors  # a connection may be kept for thousands
                self._answer_plainly(answer)
            case StartTls():
                self._answer_start_tls(answer)
            case Authenticate():
                self._go_on_with_auth(self._auth.judged(answer))
            case _:
                raise AssertionError("nothing waits for an answer")

    def outgoing(self) -> bytes:
        """Return and forget all replies since the last call."""
        if not self._out:
            return b""
        octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out = []
        return octets

    def tls_started(self) -> None:
        """The handshake is done: everything that was learnt in clear is forgotten (RFC 3207 §4.2)."""
        self._is_tls_active = True
        self._state = State.CONNECTED
        self._auth = Dialog(self._auth_offer, is_tls_active=True)
        self.helo = None
        self.is_esmtp = False
        self._forget_transaction()
        self._reading = _Reading.COMMANDS

    # Reading.

    def _read(self) -> bool:
        """Take one step; return False when more octets are needed."""
        match self._reading:
            case _Reading.COMMANDS:
                return self._read_line()
            case _Reading.AUTH:
                return self._read_response()
            case _Reading.DATA:
                return self._read_data()
            case _Reading.CHUNK:
                return self._read_chunk()
            case _Reading.REFUSED_CHUNK:
                return self._read_refused_chunk()
            case _Reading.HANDSHAKE:
                self._reader.take()
                return False

    def _read_line(self) -> bool:
        """Read one command line."""
        line = self._reader.line()
        if line is None:
            return False
        if self._reader.fault is not None:
            self._refuse(line, self._reader.fault)
        else:
            self._obey(line)
        return True

    def _read_response(self) -> bool:
        line = self._reader.line(AUTH_LINE_OCTETS_MAX)
        if line is None:
            return False
        self._reading = _Reading.COMMANDS
        try:
            self._go_on_with_auth(self._auth.respond(line, self._reader.fault))
        except grammar.Rejection as rejection:
            self._refused_verb = b"AUTH"
            self._refuse(b"AUTH", rejection.reply)
        return True

    def _read_data(self) -> bool:
        octets = self._reader.take()
        if not octets:
            return False
        rest = self._data_reader.read(octets)
        if rest is None:
            return self._hand_on_part(is_end=False)
        self._reader.put_back(rest)
        self._end_content()
        return True

    def _read_chunk(self) -> bool:
        rest = self._chunk_reader.read(self._reader.take())
        if rest is None:
            return self._hand_on_part(is_end=False)
        self._reader.put_back(rest)
        if self._is_last_chunk:
            self._chunk_reader.finish()
            self._end_content()
        else:
            self._reading = _Reading.COMMANDS
            self._state = State.CHUNKS
            self._say(reply.CHUNK_RECEIVED)
            self._hand_on_part(is_end=False)
        return True

    def _read_refused_chunk(self) -> bool:
        octets = self._reader.take()
        self._reader.put_back(octets[self._refused_octets :])
        self._refused_octets -= min(len(octets), self._refused_octets)
        if self._refused_octets:
            return False
        self._reading = _Reading.COMMANDS
        self._answer_plainly(self._refused_reply)
        return True

    def _hand_on_part(self, *, is_end: bool) -> bool:
        part = self._gatherer.part(is_end=is_end)
        if part:
            self._events.append(ContentPart(part))
        return bool(part)

    def _end_content(self) -> None:
        self._hand_on_part(is_end=True)
        self._events.append(ContentEnd(self._gatherer.size, self._gatherer.fault))
        self._reading = _Reading.COMMANDS

    # Commands.

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
        self.helo = grammar.parse_helo(argument)
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
        self._is_last_chunk = is_last
        if self._state is State.CHUNKS:
            self._chunk_reader.start(octets)
            self._reading = _Reading.CHUNK
            return
        self._start_content()
        self._chunk_reader.start(octets)
        self._events.append(ContentStart(is_chunked=True))

    def _throw_away(self, octets: int, answer: Reply) -> None:
        self._refused_octets = octets
        self._refused_reply = answer
        self._reading = _Reading.REFUSED_CHUNK

    def _on_rset(self, argument: bytes) -> None:
        self._abandon()
        self._say(reply.RESET)

    def _on_noop(self, argument: bytes) -> None:
        self._say(reply.OK)

    def _on_vrfy(self, argument: bytes) -> None:
        if not argument:
            raise grammar.Rejection(reply.ARGUMENT)
        self._say(reply.CANNOT_VERIFY)

    def _on_help(self, argument: bytes) -> None:
        self._say(reply.HELP)

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
            self._reading = _Reading.AUTH
        else:
            self._answer_plainly(result)
            if self._auth.has_failed_too_often:
                self._close_after_errors()

    # Answers.

    def _answer_mail(self, mail: Mail, answer: Reply) -> None:
        if answer.is_positive:
            self._state = State.MAIL
            self._is_smtputf8 = mail.smtputf8
        self._answer_plainly(answer)

    def _answer_rcpt(self, answer: Reply) -> None:
        if answer.is_positive:
            self._state = State.RCPT
            self._recipients += 1
        self._answer_plainly(answer)

    def _answer_content_start(self, start: ContentStart, answer: Reply) -> None:
        if start.is_chunked and answer.is_positive:
            self._reading = _Reading.CHUNK
        elif start.is_chunked:
            self._abandon()  # the chunks that were sent on trust must not become a message without its beginning
            self._throw_away(self._chunk_reader.missing, answer)
        else:
            self._reading = _Reading.DATA if answer.is_positive else _Reading.COMMANDS
            self._refused_verb = b"" if answer.is_positive else b"DATA"
            self._answer_plainly(answer)

    def _answer_start_tls(self, answer: Reply) -> None:
        if answer.is_positive:
            self._reader.take()  # what came in clear after STARTTLS is never acted upon (CVE-2011-0411)
            self._reading = _Reading.HANDSHAKE
        self._answer_plainly(answer)

    def _answer_plainly(self, answer: Reply) -> None:
        self._say(answer)
        self._count_error(answer)

    # Small parts.

    def _say(self, answer: Reply) -> None:
        self._out.append(answer.wire)

    def _refuse(self, line: bytes, answer: Reply) -> None:
        is_loose = self._refused_verb == b"AUTH" and line.partition(b" ")[0].upper() not in _HANDLERS
        self._events.append(Refused(shown(line, is_after_auth=is_loose)[:SHOWN_OCTETS_MAX], answer))
        self._say(answer)
        self._count_error(answer)

    def _count_error(self, answer: Reply) -> None:
        """Count what the client did wrong. 4yz is not its fault: it may send what it was told to send later."""
        if answer.code < 500:
            return
        self._errors += 1
        if self._errors > self._limits.errors_max:
            self._close_after_errors()

    def _close_after_errors(self) -> None:
        if not self._is_closed:
            self._say(reply.TOO_MANY_ERRORS)
            self._close()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._events.append(Closing(is_quit=False))

    def _start_content(self) -> None:
        self._gatherer = Gatherer(size_max=self._limits.message_octets_max, part_octets=PART_OCTETS)
        self._data_reader = DataReader(self._gatherer)
        self._chunk_reader = ChunkReader(self._gatherer)

    def _abandon(self) -> None:
        """End a transaction, if one is under way, without a message."""
        if self._state in (State.MAIL, State.RCPT, State.CHUNKS):
            self._events.append(Reset())
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        if self._state is not State.CONNECTED:
            self._state = State.GREETED
        self._recipients = 0
        self._is_smtputf8 = False
        self._is_last_chunk = False
        self._refused_octets = 0
        self._refused_reply = reply.OK


_HANDLERS = {
    b"HELO": ServerSession._on_helo,
    b"EHLO": ServerSession._on_ehlo,
    b"MAIL": ServerSession._on_mail,
    b"RCPT": ServerSession._on_rcpt,
    b"DATA": ServerSession._on_data,
    b"BDAT": ServerSession._on_bdat,
    b"RSET": ServerSession._on_rset,
    b"NOOP": ServerSession._on_noop,
    b"VRFY": ServerSession._on_vrfy,
    b"HELP": ServerSession._on_help,
    b"QUIT": ServerSession._on_quit,
    b"STARTTLS": ServerSession._on_starttls,
    b"AUTH": ServerSession._on_auth,
}
