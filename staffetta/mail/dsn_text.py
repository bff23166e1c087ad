"""The words of a delivery status notification, for people: subject and first part."""

from staffetta.mail.codes import sentence
from staffetta.mail.report import Action, RecipientReport, Report

SUBJECT_CHARACTERS_MAX = 200  # more says nothing, and a subject may be a megabyte
DIAGNOSTIC_CHARACTERS_MAX = 1000  # replies of 2,000 lines have been seen

# Exchange's words, so that the rules and eyes of its users recognise them.
_SUBJECTS = {
    Action.FAILED: "Undeliverable",
    Action.DELAYED: "Delivery delayed",
    Action.DELIVERED: "Delivered",
    Action.RELAYED: "Relayed",
    Action.EXPANDED: "Expanded",
}

_HEADLINES = {
    Action.FAILED: "Your message could not be delivered to:",
    Action.DELAYED: "Your message has not been delivered yet, and delivery will be tried again. You need not send it"
    " again. It is waiting for:",
    Action.DELIVERED: "Your message has been delivered to:",
    Action.RELAYED: "Delivery is complete as far as we can tell: your message was handed to the next host, which sends"
    " no delivery notifications, for:",
    Action.EXPANDED: "Your message was passed on to the members of:",
}


def clean(text: str, characters_max: int) -> str:
    """Return foreign text as one line without controls, surrogates and invisible direction marks, cut to length."""
    visible = "".join(character if character.isprintable() else " " for character in text[: 2 * characters_max])
    line = " ".join(visible.split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"


def subject(report: Report) -> str:
    """Return the subject: what happened, and the original's subject."""
    original = clean(report.subject or "", SUBJECT_CHARACTERS_MAX)
    return f"{_SUBJECTS[report.action]}: {original}".rstrip()


def explanation(report: Report) -> str:
    """Return the first part's text: for the sender first, then for administrators. Lines end in LF."""
    lines: list[str] = []
    for action in Action:
        concerned = [recipient for recipient in report.recipients if recipient.action == action]
        if concerned:
            lines += [_HEADLINES[action], ""]
            for recipient in concerned:
                lines += [f"  {clean(recipient.final, 320)}", f"    {_reason(recipient)}"]
                if words := _in_words(recipient):
                    lines.append(f"    {words}")
            lines.append("")
    if report.subject:
        lines += [f"Subject: {clean(report.subject, SUBJECT_CHARACTERS_MAX)}", ""]
    lines += ["Diagnostic information for administrators:", "", f"Generating server: {report.reporting_mta}", ""]
    for recipient in report.recipients:
        lines += [*_diagnosis(recipient), ""]
    return "\n".join(lines)


def _reason(recipient: RecipientReport) -> str:
    if recipient.action in (Action.DELIVERED, Action.RELAYED, Action.EXPANDED):
        return "Nothing more needs to be done."
    if recipient.status == "4.4.7":
        return "It was tried until its time was over. The last answer is below."
    if recipient.is_remote_reply:
        host = clean(recipient.remote_mta or "the next host", 255)
        return f"{host} answered: {clean(recipient.diagnostic or '', DIAGNOSTIC_CHARACTERS_MAX)}"
    return clean(recipient.diagnostic or "No reason is known.", DIAGNOSTIC_CHARACTERS_MAX)


def _in_words(recipient: RecipientReport) -> str | None:
    """What the last answer means, for who does not read codes."""
    is_bad = recipient.action in (Action.FAILED, Action.DELAYED)
    return sentence(recipient.diagnostic) if is_bad and recipient.diagnostic else None


def _diagnosis(recipient: RecipientReport) -> list[str]:
    lines = [clean(recipient.final, 320)]
    if recipient.remote_mta:
        lines.append(clean(recipient.remote_mta, 255))
    diagnostic = clean(recipient.diagnostic or "", DIAGNOSTIC_CHARACTERS_MAX)
    if recipient.is_remote_reply:
        lines.append(f"Remote server returned '{diagnostic}'")
    elif diagnostic:
        lines.append(diagnostic)
    lines.append(f"Status: {clean(recipient.status, 20)}")
    return lines
