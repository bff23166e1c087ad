"""Whether a connection to a next hop goes into TLS (RFC 3207; RFC 7435 for "opportunistic").

none: never. opportunistic: where it is offered, with any certificate, since the alternative is clear text; where it
cannot be had, in clear. required: in TLS or not at all; which certificate is not judged here yet.
"""

from staffetta.settings.roads import TlsLevel
from staffetta.smtp.capabilities import Capabilities


def wants_tls(level: TlsLevel, capabilities: Capabilities) -> bool:
    """Whether STARTTLS is to be tried; with `required` it is wanted even where it is not offered."""
    return level is TlsLevel.REQUIRED or (level is TlsLevel.OPPORTUNISTIC and capabilities.starttls)


def allows_clear(level: TlsLevel) -> bool:
    """Whether mail may travel in clear where TLS cannot be had."""
    return level is not TlsLevel.REQUIRED
