"""The server's half of a session, without I/O (RFC 5321 §4): octets in, events out; answers in, octets out.

The contract:
- receive() only stores; next_event() returns one event, or the Want that says what is missing.
- After an event marked *answer* (events.py) nothing more is read until answer(); a positive reply advances the state.
- What needs no judgement is answered here, and told by Refused where it was refused.
- Nothing that a peer sends raises. The same octets in any pieces give the same events and replies.
"""

from staffetta.smtp import grammar, reply
from staffetta.smtp.auth import Dialog
from staffetta.smtp.events import (
    ANSWERED,
    Authenticate,
    ContentEnd,
    ContentPart,
    ContentStart,
    Event,
    Mail,
    Rcpt,
    StartTls,
    Want,
)
from staffetta.smtp.reading import AUTH_LINE_OCTETS_MAX
from staffetta.smtp.reply import Reply
from staffetta.smtp.sequence import State
from staffetta.smtp.server_commands import CommandSession
from staffetta.smtp.server_state import Reading


class ServerSession(CommandSession):
    """See the head of this file.

    helo: the client's name, None before HELO. is_esmtp: whether it said EHLO.
    tolerances: what is borne of this client; the driver may change it between commands. tolerated: what was, so far.
    """

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
                if answer.is_positive:
                    self._errors = self._idle_commands = 0  # a connection may be kept for thousands
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

    @property
    def is_ahead(self) -> bool:
        """Whether more has come than was acted upon. Where 354 is about to be said, the client did not wait for it."""
        return self._reader.has_more

    def tls_started(self) -> None:
        """The handshake is done: everything that was learnt in clear is forgotten (RFC 3207 §4.2)."""
        self._is_tls_active = True
        self._state = State.CONNECTED
        self._auth = Dialog(self._auth_offer, is_tls_active=True)
        self.helo = None
        self.is_esmtp = False
        self._forget_transaction()
        self._reading = Reading.COMMANDS

    # Reading.

    def _read(self) -> bool:
        """Take one step; return False when more octets are needed."""
        match self._reading:
            case Reading.COMMANDS:
                return self._read_line()
            case Reading.AUTH:
                return self._read_response()
            case Reading.DATA:
                return self._read_data()
            case Reading.CHUNK:
                return self._read_chunk()
            case Reading.REFUSED_CHUNK:
                return self._read_refused_chunk()
            case Reading.HANDSHAKE:
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
        self._reading = Reading.COMMANDS
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
            self._reading = Reading.COMMANDS
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
        self._reading = Reading.COMMANDS
        self._answer_plainly(self._refused_reply)
        return True

    def _hand_on_part(self, *, is_end: bool) -> bool:
        part = self._gatherer.part(is_end=is_end)
        if part:
            self._events.append(ContentPart(part))
        return bool(part)

    def _end_content(self) -> None:
        gatherer = self._gatherer
        self._hand_on_part(is_end=True)
        self._events.append(ContentEnd(gatherer.size, gatherer.fault, gatherer.has_long_lines))
        self._reading = Reading.COMMANDS

    # Answers.

    def _answer_mail(self, mail: Mail, answer: Reply) -> None:
        if answer.is_positive:
            self._state = State.MAIL
            self._is_smtputf8 = mail.smtputf8
        self._answer_plainly(answer)
        if not answer.is_positive:
            self._count_idle_command()

    def _answer_rcpt(self, answer: Reply) -> None:
        if answer.is_positive:
            self._state = State.RCPT
            self._recipients += 1
        self._answer_plainly(answer)

    def _answer_content_start(self, start: ContentStart, answer: Reply) -> None:
        if start.is_chunked and answer.is_positive:
            self._reading = Reading.CHUNK
        elif start.is_chunked:
            self._abandon()  # the chunks that were sent on trust must not become a message without its beginning
            self._throw_away(self._chunk_reader.missing, answer)
        else:
            self._reading = Reading.DATA if answer.is_positive else Reading.COMMANDS
            self._refused_verb = b"" if answer.is_positive else b"DATA"
            self._answer_plainly(answer)

    def _answer_start_tls(self, answer: Reply) -> None:
        if answer.is_positive:
            self._reader.take()  # what came in clear after STARTTLS is never acted upon (CVE-2011-0411)
            self._reading = Reading.HANDSHAKE
        self._answer_plainly(answer)
