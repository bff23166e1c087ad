"""Which mistakes are borne from whom, and until when (docs/decisions/097).

A profile ends with the day that it names, by UTC, whether or not anybody takes it out of the settings.
"""

from datetime import UTC, datetime

from staffetta.mail.tolerance import Tolerance
from staffetta.policy.decision import IPAddress
from staffetta.policy.index import index_of
from staffetta.settings.model import Listener, Settings
from staffetta.settings.objects import InboundConnector

NONE: frozenset[Tolerance] = frozenset()


def at_connect(client: IPAddress, listener: Listener, settings: Settings, at: float) -> frozenset[Tolerance]:
    """What is borne of a client before it has said a word: the listener's, and that of connectors for its address.

    at: seconds since 1970.
    """
    if not settings.tolerances:
        return NONE
    names = {listener.tolerance}
    names |= {connector.tolerance for connector in index_of(settings).tolerant_addresses.naming(client)}
    return _of(names, settings, at)


def of_connector(connector: InboundConnector | None, settings: Settings, at: float) -> frozenset[Tolerance]:
    """What is borne of a message that this connector takes."""
    if connector is None or connector.tolerance is None:
        return NONE
    return _of({connector.tolerance}, settings, at)


def _of(names: set[str | None], settings: Settings, at: float) -> frozenset[Tolerance]:
    today = datetime.fromtimestamp(at, UTC).date()
    return frozenset(
        tolerance
        for profile in settings.tolerances
        if profile.name in names and today <= profile.until
        for tolerance in profile.tolerates
    )
