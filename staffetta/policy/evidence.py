"""What was looked at, as a refusal keeps it in the trace; explanation.py reads it again.

The keys are stable. `connector NAME` says why that connector did not match; `nearest_connector` and
`nearest_condition` name the one that is worth changing, so that the words need not be read again.
"""

from itertools import islice

from staffetta.mail.address import Mailbox
from staffetta.policy.connector import Unmatched, failed_conditions
from staffetta.policy.decision import Attribution, SessionFacts
from staffetta.policy.identity import NAMES_SHOWN, Condition, Failed, presented, shown_names
from staffetta.settings.model import Settings
from staffetta.settings.objects import InboundConnector

Evidence = dict[str, str | int | float | bool | None]

CONNECTORS_MAX = 20  # a stranger must not make us write a line for each of ten thousand connectors
CONNECTOR_KEY = "connector "

_DEPTHS = {condition: depth for depth, condition in enumerate(Condition)}


def of_session(facts: SessionFacts, attribution: Attribution) -> Evidence:
    """What we saw of the client."""
    seen: Evidence = {
        "peer": str(facts.peer),
        "account": facts.account,
        "is_tls": facts.tls is not None,
        "connector": attribution.connector.name if attribution.connector else None,
        "organization": attribution.organization,
    }
    shown = presented(facts)
    if shown is not None:
        seen["certificate_names"] = shown_names(shown)
        seen["certificate_subject"] = shown.subject
        seen["certificate_issuer"] = shown.issuer
        seen["certificate_fingerprint"] = shown.fingerprint
    return seen


def of_acceptance(facts: SessionFacts, attribution: Attribution) -> Evidence:
    """By what the connector knew the client, and the certificate that was seen, for the trace of what is accepted.

    Nothing is told of what there is not, since every message pays for it.
    """
    told: Evidence = {}
    connector = attribution.connector
    if connector is not None:
        known = [f"account {attribution.account.user_name}"] if attribution.account is not None else []
        if attribution.certificate_names:
            known.append(f"certificate {', '.join(attribution.certificate_names[:NAMES_SHOWN])}")
        if connector.sender_ip_addresses:
            known.append(f"address {facts.peer}")
        told["known_by"] = ", ".join(known)
    shown = presented(facts)
    if shown is not None:
        told["certificate_names"] = shown_names(shown)
        told["certificate_fingerprint"] = shown.fingerprint
    return told


def of_recipient(
    facts: SessionFacts, attribution: Attribution, reverse_path: Mailbox | None, mailbox: Mailbox
) -> Evidence:
    """What we saw of the client, and of sender and recipient."""
    return {
        **of_session(facts, attribution),
        "sender_domain": reverse_path.domain if reverse_path else None,
        "recipient_domain": mailbox.domain,
    }


def of_connector(connector: InboundConnector, failed: Failed) -> Evidence:
    """Why this connector, which is the one worth changing, did not take the session."""
    return {
        f"{CONNECTOR_KEY}{connector.name}": failed.words,
        "nearest_connector": connector.name,
        "nearest_condition": str(failed.condition),
    }


def unmatched_connectors(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings, attribution: Attribution
) -> Evidence:
    """Why the first CONNECTORS_MAX connectors did not match, and which of them is the nearest."""
    found = list(islice(failed_conditions(facts, reverse_path, settings, attribution), CONNECTORS_MAX))
    if not found:
        return {}
    told: Evidence = {f"{CONNECTOR_KEY}{each.connector.name}": each.failed.words for each in found}
    nearest = max(found, key=_nearness)  # the first of the file among equals
    return {**told, **of_connector(nearest.connector, nearest.failed)}


def _nearness(each: Unmatched) -> tuple[bool, int]:
    return each.is_near, _DEPTHS[each.failed.condition]
