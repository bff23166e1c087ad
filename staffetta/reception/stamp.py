"""All that we add to a message, in order. It goes in front, and touches nothing of what came.

1. Received (RFC 5321 §4.4).

Bcc is left alone: the envelope alone says who receives, and of it only the session's side is shown (RFC 5321 §7.2).
"""

from staffetta.mail.received import clauses, received_field, with_keyword
from staffetta.policy.decision import SessionFacts, TlsFacts


class Stamp:
    """What a session's messages get in front. Made anew when the client says HELO or EHLO, starts TLS or logs in."""

    __slots__ = ("_clauses", "_facts", "_hostname", "_is_esmtp", "_local")

    def __init__(self, facts: SessionFacts, *, hostname: str, local: str, is_esmtp: bool) -> None:
        self._facts = facts
        self._hostname = hostname
        self._local = local
        self._is_esmtp = is_esmtp
        self._clauses: dict[bool, str] = {}  # by is_utf8; most sessions use one of them, many of them once

    def trace_fields(self, queue_id: str, at: float, *, is_utf8: bool) -> bytes:
        """Return the fields to put in front, each with its CRLF. at: seconds since 1970."""
        written = self._clauses.get(is_utf8)
        if written is None:
            written = self._clauses[is_utf8] = self._written(is_utf8=is_utf8)
        return received_field(written, queue_id, at)

    def _written(self, *, is_utf8: bool) -> str:
        facts = self._facts
        return clauses(
            helo=facts.helo,
            peer=str(facts.peer),
            hostname=self._hostname,
            local=self._local,
            protocol=with_keyword(
                is_esmtp=self._is_esmtp,
                is_tls=facts.tls is not None,
                is_utf8=is_utf8,
                is_authenticated=facts.account is not None,
            ),
            tls=_shown(facts.tls),
        )


def _shown(tls: TlsFacts | None) -> tuple[str, str] | None:
    return (tls.version, tls.cipher) if tls else None
