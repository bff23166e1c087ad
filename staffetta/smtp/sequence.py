"""Which command is legal when, and which keywords are announced (RFC 5321 §4.1.4, RFC 1869 §4).

Rule 1: everything about the order of commands is in this file.
Rule 2: nothing here knows what a command's arguments mean.
"""

from collections.abc import Sequence
from enum import Enum, auto

from staffetta.smtp import reply
from staffetta.smtp.reply import Reply


class State(Enum):
    """Where a session is."""

    CONNECTED = auto()  # no HELO yet
    GREETED = auto()
    MAIL = auto()  # a transaction without an accepted recipient
    RCPT = auto()  # with at least one
    CHUNKS = auto()  # between two BDATs


_ANY = frozenset(State)
_LEGAL: dict[bytes, frozenset[State]] = {
    b"HELO": _ANY,
    b"EHLO": _ANY,
    b"NOOP": _ANY,
    b"RSET": _ANY,
    b"QUIT": _ANY,
    b"HELP": _ANY,
    b"VRFY": _ANY,
    b"STARTTLS": frozenset({State.GREETED}),
    b"AUTH": frozenset({State.GREETED}),
    b"MAIL": frozenset({State.GREETED}),
    b"RCPT": frozenset({State.MAIL, State.RCPT}),
    b"DATA": frozenset({State.RCPT}),
    b"BDAT": frozenset({State.RCPT, State.CHUNKS}),
}

_RECIPIENT_COMMANDS = frozenset({b"DATA", b"BDAT"})


def objection(verb: bytes, state: State) -> Reply | None:
    """Return why `verb` (upper case, one that we know) may not come now; None when it may."""
    if state in _LEGAL[verb]:
        return None
    if state is State.CONNECTED:
        return reply.HELLO_FIRST
    if state is State.CHUNKS:
        return reply.CHUNKS_UNDER_WAY
    if verb in (b"MAIL", b"STARTTLS", b"AUTH"):
        return reply.MAIL_TWICE
    if verb in _RECIPIENT_COMMANDS and state is State.MAIL:
        return reply.RECIPIENT_FIRST
    return reply.MAIL_FIRST


def keywords(
    *,
    message_octets_max: int,
    is_tls_offered: bool,
    is_dsn_offered: bool,
    is_tls_active: bool = False,
    mechanisms: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the EHLO keywords, in Exchange Online's order.

    BINARYMIME is not announced: a next hop without it could not be given such content. mechanisms: of AUTH; none, and
    it is not announced.
    """
    tls = ("STARTTLS",) if is_tls_offered else ()
    requiretls = ("REQUIRETLS",) if is_tls_active else ()  # RFC 8689 §2: not in clear
    auth = (f"AUTH {' '.join(mechanisms)}",) if mechanisms else ()
    dsn = ("DSN",) if is_dsn_offered else ()
    return (
        f"SIZE {message_octets_max}",
        "PIPELINING",
        *dsn,
        "ENHANCEDSTATUSCODES",
        *tls,
        *auth,
        "8BITMIME",
        "CHUNKING",
        "SMTPUTF8",
        *requiretls,
    )
