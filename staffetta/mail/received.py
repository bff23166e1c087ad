"""The Received field: write ours, count hops (RFC 5321 §4.4).

Its form follows Exchange's, `from HELO (peer) by US (local) with …`, with the registered words after `with`.
There is never a `for` clause: it would tell each recipient of the others.
"""

import re
import time
from functools import lru_cache

from staffetta.mail.header import HeaderSection

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HELO_CHARACTERS_MAX = 255  # RFC 5321 §4.5.3.1.2
# What a domain or an address literal is made of. Anything else could end the clause or begin a comment.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.\-_:\[\]]")


def with_keyword(*, is_esmtp: bool, is_tls: bool, is_utf8: bool, is_authenticated: bool = False) -> str:
    """Return the protocol's registered name (RFC 3848 §1, RFC 6531 §4.3).

    HELO has no names of its own for TLS and AUTH; it is SMTP.
    """
    if not is_esmtp:
        return "SMTP"
    return ("UTF8SMTP" if is_utf8 else "ESMTP") + ("S" if is_tls else "") + ("A" if is_authenticated else "")


def clauses(
    *, helo: str | None, peer: str, hostname: str, local: str, protocol: str, tls: tuple[str, str] | None
) -> str:
    """Return the part of our field that stays the same for a session: all before `id`, folded, without a final CRLF.

    helo: as the client wrote it; what does not belong into a name is shown as `?`. peer, local: IP addresses.
    protocol: of with_keyword. tls: (version, cipher), such as ("TLSv1.3", "TLS_AES_256_GCM_SHA384").
    """
    name = _NOT_IN_A_NAME.sub("?", helo[:_HELO_CHARACTERS_MAX]) if helo else f"[{peer}]"
    secured = f"\r\n (version={_exchange_version(tls[0])}, cipher={tls[1]})" if tls else ""
    return f"Received: from {name} ({peer})\r\n by {hostname} ({local})\r\n with {protocol}{secured}"


def received_field(session_clauses: str, queue_id: str, at: float) -> bytes:
    """Return our field, CRLF included. session_clauses: of clauses(). at: seconds since 1970."""
    return f"{session_clauses} id {queue_id};\r\n {date_time(int(at))}\r\n".encode()


def count_hops(section: HeaderSection) -> int:
    """Return how many Received fields there are: the hops that the message has made (RFC 5321 §6.3)."""
    return section.count(b"received")


@lru_cache(maxsize=8)  # many messages come in one second
def date_time(unix_seconds: int) -> str:
    """Return `Fri, 3 Sep 2021 00:42:11 +0000` (RFC 5322 §3.3), whatever the locale."""
    at = time.gmtime(unix_seconds)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday} {_MONTHS[at.tm_mon - 1]} {at.tm_year} {clock} +0000"


def _exchange_version(version: str) -> str:
    """ "TLSv1.3" as "TLS1_3"."""
    return version.replace("v", "").replace(".", "_")
