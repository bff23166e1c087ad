"""What came of a message sent by hand, in a sentence: accepted as what id, or refused why, and what mends it."""

import re
from collections.abc import Iterable

from staffetta.delivery.sending import Sent
from staffetta.mail.codes import explain
from staffetta.mail.outcome import Stage

# How servers say under which name they keep a message: Exchange and this relay, Postfix, Exim, Sendmail, others.
_IDS = (
    re.compile(r"\[InternalId=([^,\]\s]+)"),
    re.compile(r"\bqueued(?: mail)? as ([A-Za-z0-9._-]+)", re.IGNORECASE),
    re.compile(r"\bid=([A-Za-z0-9._-]+)"),
    re.compile(r"^250 (?:2\.0\.0 )?([A-Za-z0-9]{8,}) Message accepted for delivery"),
    re.compile(r"\bqueued? (?:with id|id:?) ([A-Za-z0-9._-]+)", re.IGNORECASE),
)
_HINTS = {
    Stage.CONNECT: "Check host, port and firewall; many networks close port 25 to the outside.",
    Stage.TLS: "Check which kind of TLS the port speaks, which names and whose certificates are expected, and ours.",
    Stage.GREETING: "The server talks to nobody from this address now; ask whoever runs it, or look into its log.",
    Stage.EHLO: "Try another name for HELO: a full domain name that this machine's address resolves to.",
    Stage.AUTH: "Check user name, password and mechanism, and that the account may log in to send.",
}


def id_of(reply: str) -> str | None:
    """Return under which id a server says that it keeps the message, None where it says none that is known."""
    return next((found[1] for pattern in _IDS if (found := pattern.search(reply))), None)


def in_a_sentence(sent: Sent, *, is_asked_only: bool = False) -> str:
    """Return the verdict, in one sentence for each different answer. is_asked_only: there was no content to send."""
    if sent.is_unknown:
        return (
            "Unknown: the server has the whole message and did not answer; look there before it is sent again. "
            f"{_closed(sent.trouble.diagnostic) if sent.trouble else ''}"
        ).rstrip()
    if sent.trouble is not None:
        return _of_trouble(sent)
    if not sent.taken:
        return " ".join(_refusals(sent.refused))
    recipients = ", ".join(map(str, sent.taken))
    if is_asked_only:
        accepted = f"It would be taken for {recipients}."
    else:
        found = id_of(str(sent.reply))
        accepted = f"Accepted{f' as {found}' if found else ''} for {recipients}: {_closed(str(sent.reply))}"
    return " ".join((accepted, *_refusals(sent.refused)))


def _of_trouble(sent: Sent) -> str:
    assert sent.trouble is not None
    said = sent.trouble.diagnostic
    if sent.trouble.is_remote_reply:
        return f"Not sent: {_because(said, _HINTS.get(sent.trouble.stage, ''))}"
    return f"Not sent: {_closed(said)} {_HINTS.get(sent.trouble.stage, '')}".rstrip()


def _refusals(refused: Iterable[tuple[object, str]]) -> list[str]:
    by_reply: dict[str, list[str]] = {}
    for mailbox, reply in refused:
        by_reply.setdefault(reply, []).append(str(mailbox))
    return [f"Refused for {', '.join(whom)}: {_because(reply, '')}" for reply, whom in by_reply.items()]


def _because(reply: str, hint: str) -> str:
    """The reply, what it means, and what mends it where the dictionary knows."""
    found = explain(reply)
    if found is None:
        return f"{_closed(reply)} {hint}".rstrip()
    waiting = " It may pass by itself." if found.is_worth_waiting else ""
    return f"{_closed(reply)} {found.cause}{waiting} To mend by {found.whose}: {found.fix}"


def _closed(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
