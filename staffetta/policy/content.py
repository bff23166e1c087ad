"""The decisions after the content: faults of its octets, its header section, loops."""

from staffetta.policy.decision import Attribution, Decision, Reason
from staffetta.settings.model import Settings
from staffetta.smtp import reply
from staffetta.smtp.events import ContentFault

HEADER_TOO_LARGE = Decision(reply.HEADER_TOO_LARGE, Reason.HEADER_TOO_LARGE)

_ACCEPTED = Decision(reply.OK, Reason.ACCEPTED)
_FAULTS = {
    ContentFault.BARE_LINE_END: Decision(reply.BARE_LINE_END, Reason.BARE_LINE_END),
    ContentFault.NUL: Decision(reply.NUL_OCTET, Reason.NUL_OCTET),
    ContentFault.TOO_LARGE: Decision(reply.MESSAGE_TOO_LARGE, Reason.MESSAGE_TOO_LARGE),
    ContentFault.LINE_TOO_LONG: Decision(reply.LINE_TOO_LONG, Reason.LINE_TOO_LONG),
}


def faulty(fault: ContentFault) -> Decision:
    """Decide about content whose octets have a fault."""
    return _FAULTS[fault]


def travelled(hops: int, settings: Settings) -> Decision:
    """Decide by how many hosts the message has passed (RFC 5321 §6.3). hops: its Received fields."""
    if hops > settings.limits.received_max:
        return Decision(reply.LOOP, Reason.LOOP, {"received": hops})
    return _ACCEPTED


def must_lose_internal_fields(attribution: Attribution) -> bool:
    """Whether header.INTERNAL_FIELDS must go from this message: who is let in by them is trusted like one of the house.

    Only a connector whose CloudServicesMailEnabled is on keeps them.
    """
    return attribution.connector is None or not attribution.connector.cloud_services_mail_enabled
