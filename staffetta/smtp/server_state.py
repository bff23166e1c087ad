"""What the server's half of a session knows, and the small steps of which commands and answers are made.

Rule: nothing here reads a line. server_commands.py says what a command does, server.py how octets become commands.
"""

from collections import deque
from enum import Enum, auto

from staffetta.mail.tolerance import Tolerance
from staffetta.smtp import reply
from staffetta.smtp.auth import NO_OFFER, Dialog, Offer
from staffetta.smtp.body import LINE_OCTETS_MAX, LONG_LINE_OCTETS_MAX, ChunkReader, DataReader, Gatherer
from staffetta.smtp.events import Closing, Event, Reset
from staffetta.smtp.limits import SessionLimits
from staffetta.smtp.reading import LineReader
from staffetta.smtp.reply import Reply
from staffetta.smtp.sequence import State

PART_OCTETS = 256 * 1024  # larger content is handed on in parts of about this size


class Reading(Enum):
    """What the next octets are."""

    COMMANDS = auto()
    AUTH = auto()  # a response to a challenge
    DATA = auto()
    CHUNK = auto()
    REFUSED_CHUNK = auto()  # thrown away, to stay in step
    HANDSHAKE = auto()  # not ours: until tls_started()


class SessionState:
    """See the head of this file; what is public is described at ServerSession."""

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
        tolerances: frozenset[Tolerance] = frozenset(),
    ) -> None:
        self.session_id = session_id
        self.helo: str | None = None
        self.is_esmtp = False
        self.tolerances = tolerances
        self.tolerated: frozenset[Tolerance] = frozenset()  # an empty set is 200 octets
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
        self._reading = Reading.COMMANDS
        self._reader = LineReader()
        self._refused_verb = b""  # of the last command that we know, where it was refused
        self._out: list[bytes] = []
        self._events: deque[Event] = deque()
        self._awaiting: Event | None = None
        self._is_closed = False
        self._errors = 0
        self._idle_commands = 0  # since the last message
        self._line = b""
        self._forget_transaction()

    def limit(self, limits: SessionLimits) -> None:
        """Go on with other limits; between two transactions, so that each has the same all along."""
        self._limits = limits

    # Small steps.

    def _say(self, answer: Reply) -> None:
        self._out.append(answer.wire)

    def _answer_plainly(self, answer: Reply) -> None:
        self._say(answer)
        if answer.code >= 400:
            self._count_error(answer)

    def _count_error(self, answer: Reply) -> None:
        """Count what the client did wrong. 4yz is not its fault: it may send what it was told to send later.

        421 is our last word, whoever said it.
        """
        if answer.code == 421:
            self._close()
        if answer.code < 500:
            return
        self._errors += 1
        if self._errors > self._limits.errors_max:
            self._close_after_errors()

    def _count_idle_command(self) -> None:
        """Count a command that leads nowhere: a session of nothing else ends."""
        self._idle_commands += 1
        if self._idle_commands > self._limits.idle_commands_max:
            self._end(reply.TOO_MANY_IDLE)

    def _close_after_errors(self) -> None:
        self._end(reply.TOO_MANY_ERRORS)

    def _end(self, last_word: Reply) -> None:
        if not self._is_closed:
            self._say(last_word)
            self._close()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._events.append(Closing(is_quit=False))

    def _start_content(self) -> None:
        bears_long_lines = Tolerance.LONG_LINES in self.tolerances
        self._gatherer = Gatherer(
            size_max=self._limits.message_octets_max,
            part_octets=PART_OCTETS,
            line_octets_max=LONG_LINE_OCTETS_MAX if bears_long_lines else LINE_OCTETS_MAX,
        )
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
        self._overshoot = 0
        self._is_smtputf8 = False
        self._is_last_chunk = False
        self._refused_octets = 0
        self._refused_reply = reply.OK
