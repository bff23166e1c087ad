"""What the trace tells of an attempt: with whom it was, in TLS or in clear, what asked for that, and what came of it.

Rule: a next hop chooses its certificate's names, so that only a few are told, and of each no more than a name can have.
"""

from staffetta.mail.outcome import Contact, Outcome
from staffetta.trace.events import Detail

_NAMES_MAX = 5
_NAME_LENGTH_MAX = 255  # RFC 5321 §4.5.3.1.2


def told_of_contact(contact: Contact | Outcome) -> Detail:
    """Who the next hop is, and how the connection to it was; what is not known of it, None."""
    detail: dict[str, str | bool | None] = {"host": contact.host, "address": contact.address, "tls": contact.tls}
    if (judgement := contact.judgement) is not None:
        detail |= {"tls_policy": judgement.policy, "tls_verified": judgement.is_verified}
        if judgement.fingerprint:
            names = (name[:_NAME_LENGTH_MAX] for name in judgement.names[:_NAMES_MAX])
            detail |= {"tls_names": " ".join(names), "tls_fingerprint": judgement.fingerprint}
    return detail


def told(outcome: Outcome) -> Detail:
    """What came of an attempt for one recipient."""
    return {
        "status": outcome.status,
        "reply": outcome.diagnostic,
        "stage": outcome.stage,
        **told_of_contact(outcome),
    }
