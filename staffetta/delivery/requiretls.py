"""What a message says of TLS on its way: REQUIRETLS, and the field `TLS-Required: No` (RFC 8689).

Rule 1: REQUIRETLS: the next hop is verified, and promises the same of the hop after it; else the message goes back.
Rule 2: `TLS-Required: No`: what the recipient's domain has published is passed over; REQUIRETLS goes before it.
"""

from dataclasses import dataclass

from staffetta.delivery.tlspolicy import TlsDemand, with_level
from staffetta.mail.content import Content
from staffetta.mail.envelope import Envelope
from staffetta.mail.header import HeaderSection, section_end
from staffetta.settings.roads import TlsLevel

_FIELD = b"tls-required"


@dataclass(frozen=True, slots=True)
class TlsWish:
    """is_required: the message asks for REQUIRETLS. is_declined: it says `TLS-Required: No`. Never both."""

    is_required: bool = False
    is_declined: bool = False

    def raised(self, demand: TlsDemand) -> TlsDemand:
        """Return what the message asks for where that is more."""
        if not self.is_required or demand.level is TlsLevel.VERIFIED:
            return demand
        return with_level(demand, TlsLevel.VERIFIED, "requiretls")


async def wish_of(envelope: Envelope, content: Content) -> TlsWish:
    """Return what a message says. Raises OSError where the content cannot be read."""
    if envelope.require_tls:
        return TlsWish(is_required=True)
    return TlsWish(is_declined=await _declines(content))


async def _declines(content: Content) -> bool:
    beginning = content.whole
    if beginning is None:
        beginning = await anext(aiter(content.chunks()), b"")  # a header section is within the first chunk
    end = section_end(beginning)
    header = HeaderSection(beginning[:end] if end is not None else beginning)
    return (header.first(_FIELD) or "").lower() == "no"
