"""What one attempt did to one recipient: delivered, deferred, failed, unknown. Always one of these four."""

from dataclasses import dataclass
from enum import StrEnum


class Handover(StrEnum):
    """Who reports success to the sender after a delivery (RFC 3461 §5.2)."""

    PASSED_ON = "passed on"  # the next hop announced DSN and got NOTIFY; it reports
    RELAYED = "relayed"  # the next hop has no DSN: we report "relayed" where SUCCESS was asked
    FINAL = "final"  # we put it into the mailbox: we report "delivered" where SUCCESS was asked


class Stage(StrEnum):
    """How far an attempt came."""

    ROUTE = "route"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    FINAL_DOT = "final dot"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsJudgement:
    """What the next hop's certificate was found to be worth.

    policy: what had asked for TLS, and how much of it: "route: verified", "dane".
    is_verified: the certificate is that host's, by whom the policy trusts; else it was only looked at.
    names: of the certificate. fingerprint: SHA-256, lower-case hexadecimal. Both are empty in clear.
    """

    policy: str
    is_verified: bool
    names: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The next hop that is about to get the content. Fields as in an outcome."""

    host: str
    address: str | None = None
    tls: str | None = None
    judgement: TlsJudgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """Common to all outcomes.

    status: RFC 3463, such as "4.4.1".
    diagnostic: the remote's reply verbatim ("550 5.1.1 …", lines joined by a space), or our own words.
    is_remote_reply: whether `diagnostic` is a reply (Diagnostic-Code: smtp;…) or ours (x-staffetta;…).
    host: name of the next hop, None if none was reached; address: its IP address; tls: "TLSv1.3 NAME" or None.
    judgement: what was asked of the connection and how it was met, where there was one.
    """

    status: str
    diagnostic: str
    stage: Stage
    is_remote_reply: bool = False
    host: str | None = None
    address: str | None = None
    tls: str | None = None
    judgement: TlsJudgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(_Outcome):
    """The next hop has taken responsibility, or the mailbox has the message."""

    handover: Handover = Handover.RELAYED


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(_Outcome):
    """Not now.

    is_destination_trouble: True where other messages would meet the same (no connection, TLS, 421, EHLO refused),
    so that the queue backs off from the destination and not from the message alone.
    retry_after_seconds: how long the next hop asked to be left alone, None where it did not say.
    """

    is_destination_trouble: bool = False
    retry_after_seconds: float | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether the next hop has too many connections of ours at a time: what Exchange Online says then."""
        return self.is_remote_reply and self.diagnostic.startswith("432 4.3.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Outcome):
    """Never: the recipient is closed and the sender is notified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Outcome):
    """The final reply was lost: the next hop may have the message or not."""


Outcome = Delivered | Deferred | Failed | Unknown
