"""The log in Postfix's manner, for what reads Postfix's logs: pflogsumm, fail2ban, collectors.

Rule 1: what Postfix has a line for is said in Postfix's words and order: a message that came (its client, its
Message-ID, its sender and size), an attempt per recipient, a refusal. The rest is `NAME[pid]: words: key=value, …`.
Rule 2: a line says only what is known: `delays=` is left out, since we do not measure its four parts.
Rule 3: control characters are escaped, and those that turn the direction of writing, so that nothing a peer sent can
    forge or split a line, or show another one than there is.
"""

import os
import re
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

Event = MutableMapping[str, Any]
Render = Callable[[Any, str, Event], str]
_Line = tuple[str, str]
"""Which of Postfix's programs says it ("" for none), and what."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_STATUSES = {"delivered": "sent", "failed": "bounced", "deleted": "bounced"}
"""Of attempts; every other state is one in which the message stays: deferred."""


def postfix_line(hostname: str, name: str) -> Render:
    """Return a renderer of lines such as `Nov 24 11:26:02 host staffetta/smtp[42]: QUEUEID: to=<…>, …`.

    name: Postfix's `syslog_name`. One event can be several lines, as it is there.
    """
    pid = os.getpid()

    def render(_logger: Any, _method: str, event: Event) -> str:
        at = time.strftime("%b %e %H:%M:%S")
        trace = event.pop("exception", None)
        lines = [
            escape(f"{at} {hostname} {name}{'/' if program else ''}{program}[{pid}]: {text}")
            for program, text in _lines(event)
        ]
        return "\n".join([*lines, trace] if trace else lines)

    return render


def escape(text: str) -> str:
    """Return the text with characters that do not stand for themselves as `\\xNN`."""
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def _lines(event: Event) -> Sequence[_Line]:
    manner = _MANNERS.get(event["event"]) if event["level"] == "info" else None
    return manner(event) if manner else [("", _in_our_words(event))]


def _received(event: Event) -> Sequence[_Line]:
    queue_id = event["queue_id"]
    size, recipients = event["size"], event["recipients"]
    return [
        ("smtpd", f"{queue_id}: client={_client(event['peer'])}"),
        ("cleanup", f"{queue_id}: message-id={event['message_id'] or '<>'}"),
        ("qmgr", f"{queue_id}: from=<{event['sender']}>, size={size}, nrcpt={recipients} (queue active)"),
    ]


def _attempt(event: Event) -> Sequence[_Line]:
    relay = event["relay"] or "none"
    if event["address"]:
        relay += f"[{event['address']}]"
    status = _STATUSES.get(event["status"], "deferred")
    text = (
        f"{event['queue_id']}: to=<{event['recipient']}>, relay={relay}, delay={event['delay']:g},"
        f" dsn={event['dsn']}, status={status} ({event['reply']})"
    )
    return [("smtp", text)]


def _refused(event: Event) -> Sequence[_Line]:
    sender, recipient = event["sender"], event["recipient"]
    stage = "CONNECT" if sender is None else "MAIL" if recipient is None else "RCPT"
    said = {"from": sender, "to": recipient, "helo": event["helo"]}
    about = " ".join(f"{key}=<{value}>" for key, value in said.items() if value is not None)
    text = f"NOQUEUE: reject: {stage} from {_client(event['peer'])}: {event['reply']}"
    return [("smtpd", f"{text}; {about}" if about else text)]


_MANNERS: dict[str, Callable[[Event], Sequence[_Line]]] = {
    "received": _received,
    "attempt": _attempt,
    "refused": _refused,
}


def _client(address: str) -> str:
    return f"unknown[{address}]"  # Postfix's word for an address whose name it has not looked up; nor have we


def _in_our_words(event: Event) -> str:
    level, words = str(event.pop("level")), str(event.pop("event"))
    head = event.pop("queue_id", None)
    pairs = ", ".join(f"{key}={_shown(value)}" for key, value in event.items() if value is not None)
    text = f"{head}: {pairs} ({words})" if head else f"{words}: {pairs}" if pairs else words
    return text if level == "info" else f"{level}: {text}"


def _shown(value: object) -> str:
    is_address = isinstance(value, str) and "@" in value and " " not in value and not value.startswith("<")
    return f"<{value}>" if is_address else str(value)
