"""What became of a message on its way to one recipient: accepted, decided, tried, ended; with notifications both ways.

Rule: what is shown was written when it happened; what the settings of today would decide is the simulator's to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from staffetta.admin.web.languages import N_, Language
from staffetta.admin.web.page import carry_out, may
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import visit_of
from staffetta.operations.errors import NotFound
from staffetta.operations.message_export import NAME as EXPORT_SOURCE
from staffetta.operations.restoring import NAME as RESTORE

DETAIL = "Get-MessageTraceDetailV2"
_KINDS = {
    **dict.fromkeys(("Deliver", "Send", "Complete"), "good"),
    **dict.fromkeys(("Fail", "Expire", "Delete"), "bad"),
    **dict.fromkeys(("Defer", "Unknown", "Hold"), "warning"),
}
_TITLES = {
    "Receive": N_("Message received"),
    "Attempt": N_("Delivery attempted"),
    "Deliver": N_("Delivered to the mailbox"),
    "Send": N_("Handed to the next hop"),
    "Defer": N_("Deferred"),
    "Fail": N_("Not delivered"),
    "Unknown": N_("The outcome of the attempt is not known"),
    "Expire": N_("Not delivered in time"),
    "Notify": N_("Sender notified"),
    "Hold": N_("Held"),
    "Release": N_("Released"),
    "Retry": N_("To be tried now"),
    "Delete": N_("Deleted"),
    "Redirect": N_("Sent another way"),
    "Resubmit": N_("Queued again"),
    "Complete": N_("Taken as delivered"),
}
_ENDS = ("Deliver", "Send", "Fail", "Expire", "Delete", "Complete")
_SEEN = {
    "listener": N_("Listener"),
    "peer": N_("Client's address"),
    "helo": N_("HELO"),
    "tls": N_("TLS"),
    "certificate_names": N_("Client's certificate"),
    "certificate_fingerprint": N_("Its SHA-256"),
    "account": N_("Logged in as"),
    "session": N_("Session"),
    "size": N_("Octets"),
}
_DECIDED = {
    "connector": N_("Connector"),
    "known_by": N_("It knew the client by"),
    "reason": N_("Accepted because"),
    "original_sender": N_("Sender that came"),
    "original_from": N_("From that came"),
    "original_sender_field": N_("Sender field that came"),
    "rewritten_sender": N_("Sender put in its place"),
    "signatures_broken": N_("Signatures that this broke"),
    "fields_removed": N_("Internal fields removed"),
    "tolerated": N_("Tolerated"),
}
_REASONS = {
    "connector": N_("a connector takes the client"),
    "submission": N_("the client has logged in"),
    "direct send": N_("Direct Send: the recipient is here, and anybody may send to him"),
    "notification": N_("it is a notification of our own"),
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened. messages: queue ids of the other message, with the address of its trace."""

    at: Any
    kind: str
    title: str
    reply: str | None
    meaning: str | None
    messages: Sequence[tuple[str, str]]
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Story:
    """seen, decided: by words. attempts: all that happened after. end: None while it is open.

    notification_of, notifications: queue ids of the other messages, with the addresses of their traces.
    is_kept: the content is there. restored_by: the cmdlet that queues it again, empty where nothing does or this
    visitor may not. has_failed: it ended so, and not by an administrator's will. may_read: it is for this visitor.
    """

    accepted_at: Any
    seen: Mapping[str, object]
    decided: Mapping[str, object]
    attempts: Sequence[Step]
    end: Step | None
    notification_of: tuple[str, str] | None
    notifications: Sequence[tuple[str, str]]
    is_kept: bool
    restored_by: str
    has_failed: bool
    may_read: bool
    may_paste: bool


def named(row: Row) -> dict[str, object]:
    """Return how the detail of a row of the trace is asked for."""
    return {"MessageTraceId": row["QueueId"], "RecipientAddress": row["RecipientAddress"]}


async def story_of(request: Request, row: Row) -> Story:
    """Return what happened to a row of Get-MessageTraceV2."""
    language = visit_of(request).language
    events = [properties(each) for each in (await carry_out(request, DETAIL, named(row))).rows]
    receive = next((each for each in events if each["Event"] == "Receive"), None)
    facts = dict(receive["Facts"]) if receive else {}
    steps = [(each["Event"], _step(each, language)) for each in events if each is not receive]
    of = facts.get("notification_of")
    is_kept = await _is_kept(request, row["QueueId"])
    end = next(((kind, step) for kind, step in reversed(steps) if kind in (*_ENDS, "Resubmit")), None)
    if end is not None and end[0] == "Resubmit":
        end = None
    has_failed = end is not None and end[0] in ("Fail", "Expire")
    return Story(
        accepted_at=receive["Date"] if receive else row["Received"],
        seen=_told(_SEEN, {**facts, "tls": _security(facts, language)}, language),
        decided={
            **_told(_DECIDED, {**facts, "reason": _reason(facts.get("reason"), language)}, language),
            language("Road"): f"{row['NextHopConnector']} → {row['NextHopDomain']}",
        },
        attempts=[step for _, step in steps],
        end=end[1] if end else None,
        notification_of=(str(of), _trace_of(str(of))) if of else None,
        notifications=[each for _, step in steps for each in step.messages],
        is_kept=is_kept,
        restored_by=RESTORE if has_failed and is_kept and may(request, RESTORE) else "",
        has_failed=has_failed,
        may_read=may(request, EXPORT_SOURCE),
        may_paste=may(request, "Get-HeaderAnalysis"),
    )


def _told(labels: Mapping[str, str], facts: Mapping[str, object], language: Language) -> dict[str, object]:
    return {language(label): facts[name] for name, label in labels.items() if facts.get(name) not in (None, "")}


def _reason(reason: object, language: Language) -> str | None:
    return None if reason is None else language(_REASONS.get(str(reason), str(reason)))


def _security(facts: Mapping[str, object], language: Language) -> object:
    """What no client brought, such as a notification, came neither in TLS nor in clear."""
    return facts.get("tls") or (language("none: in clear") if facts.get("peer") else None)


def _step(event: Row, language: Language) -> Step:
    facts = dict(event["Facts"])
    other = facts.pop("notification", None)
    if isinstance(due_at := facts.get("next_attempt_at"), str):
        facts["next_attempt_at"] = datetime.fromisoformat(due_at)
    return Step(
        at=event["Date"],
        kind=_KINDS.get(event["Event"], "info"),
        title=language(_TITLES.get(event["Event"], str(event["Event"]))),
        reply=facts.pop("reply", None),
        meaning=event["Meaning"],
        messages=[(str(other), _trace_of(str(other)))] if other else [],
        facts=facts,
    )


def _trace_of(queue_id: str) -> str:
    return f"/trace?{urlencode({'Search': f'id:{queue_id}', 'show': f'{queue_id}/0'})}"


async def _is_kept(request: Request, queue_id: str) -> bool:
    """Content is kept as long as a recipient waits (docs/spool.md)."""
    try:
        return bool((await carry_out(request, "Get-Message", {"Identity": [queue_id], "ResultSize": 1})).rows)
    except NotFound:
        return False
