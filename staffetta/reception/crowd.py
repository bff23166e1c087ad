"""Who is here, over all listeners: how many may come in, from where, and how much memory what they send may take.

Rule 1: of the places, a share is kept for known clients: from a connector's addresses, or such as have proved
themselves before (a login, a message that a connector took).
Rule 2: a stranger is limited by its address as well, in number and pace. A known client only in number, and generously:
one broken device does not shut out the others.
Rule 3: under stress (strangers' places or memory run short, or the event loop comes late) few strangers are let in, and
those that achieve nothing or go on making mistakes are sent away early. Who is known is treated as ever.
"""

import math
import resource
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from staffetta.net.proxy import IPAddress
from staffetta.policy.decision import Decision, Reason
from staffetta.policy.index import index_of
from staffetta.reception.pace import Allowance, Deed, Paces, network_of
from staffetta.settings.model import Limits, Settings
from staffetta.smtp import reply

_STRESS_SHARE = 0.7  # of strangers' places or of memory: what Postfix calls stress begins before all is taken
_LATENESS_SECONDS = 0.1  # of the event loop: a known client's message takes ten turns or so
_LATENESS_HELD_SECONDS = 10.0  # how long after the last such lateness strangers are still kept short
_ENTRIES_PER_SECOND = 500  # of strangers at any time: a flood begins before anybody knows of stress
_STRESSED_ENTRIES_PER_SECOND = 50  # each may cost milliseconds
_DESCRIPTORS_KEPT = 256  # for the database, next hops, the console
_SESSIONS_SHARE = 0.75  # of the other descriptors; the rest is for content in files
_PROVED_MAX = 50_000
_TOLD_PER_SECOND = 50  # refusals of strangers that are written down; a flood must not fill disk and log
_TOLD_BURST = 1000

_FULL = Decision(reply.TOO_MANY_CONNECTIONS, Reason.TOO_MANY_CONNECTIONS)


def _descriptors() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@dataclass(slots=True)
class Crowd:
    """See the head of this file. get_descriptors: how many files this process may have open.

    octets_held: content and pipelined input that sessions hold in memory. untold: refusals not written down since the
    last call of told(). backlog: recipients in the queue, as somebody has counted them a while ago.
    """

    get_descriptors: Callable[[], int] = _descriptors
    per_network: Counter[int] = field(default_factory=Counter)
    strangers: int = 0
    known: int = 0
    octets_held: int = 0
    untold: int = 0
    backlog: int = 0
    _paces: Paces = field(default_factory=Paces)
    _proved: OrderedDict[int, None] = field(default_factory=OrderedDict)
    _late_until: float = -math.inf
    _telling: Allowance = field(default_factory=lambda: Allowance(_TOLD_PER_SECOND, _TOLD_BURST))
    _entering: Allowance = field(default_factory=lambda: Allowance(_ENTRIES_PER_SECOND, _ENTRIES_PER_SECOND))
    _entering_under_stress: Allowance = field(
        default_factory=lambda: Allowance(_STRESSED_ENTRIES_PER_SECOND, _STRESSED_ENTRIES_PER_SECOND)
    )

    def is_known(self, client: IPAddress, settings: Settings) -> bool:
        """Whether the client is more than a stranger before it has said a word."""
        return network_of(client) in self._proved or index_of(settings).known_addresses.holds(client)

    def refusal(self, client: IPAddress, settings: Settings, now: float) -> Decision | None:
        """Say why there is no room for one more connection from there, or None. Nothing is counted."""
        limits, network = settings.limits, network_of(client)
        places = self.places(limits)
        if self.strangers + self.known >= places:
            return _FULL
        if self.is_known(client, settings):
            is_over = self.per_network[network] >= _within(limits.connections_per_known_address_max, places)
            return _of_address(self.per_network[network]) if is_over else None
        if self.strangers >= self.strangers_max(limits):
            return _FULL
        entering = self._entering_under_stress if self.is_stressed(limits, now) else self._entering
        if not entering.has_one(now):
            return _FULL
        if self.per_network[network] >= _within(limits.connections_per_address_max, places):
            return _of_address(self.per_network[network])
        if self._paces.is_above(network, Deed.CONNECTION, limits.connections_per_minute_max, now):
            return _too_fast(reply.TOO_MANY_CONNECTIONS, Deed.CONNECTION, limits.connections_per_minute_max)
        if self._paces.is_above(network, Deed.ERROR, limits.errors_per_minute_max, now):
            return _too_fast(reply.TOO_MANY_ERRORS, Deed.ERROR, limits.errors_per_minute_max)
        return None

    def enter(self, client: IPAddress, settings: Settings, now: float) -> bool:
        """Count a client in that there is room for; return whether it is known, to be told to leave()."""
        network = network_of(client)
        self.per_network[network] += 1
        is_known = self.is_known(client, settings)
        if is_known:
            self.known += 1
        else:
            self.strangers += 1
            self._entering.take_one()
            self._entering_under_stress.take_one()
            self._paces.note(network, Deed.CONNECTION, settings.limits.connections_per_minute_max, now)
        return is_known

    def leave(self, client: IPAddress, *, is_known: bool) -> None:
        """Count out."""
        network = network_of(client)
        self.per_network[network] -= 1
        if self.per_network[network] <= 0:
            del self.per_network[network]
        if is_known:
            self.known -= 1
        else:
            self.strangers -= 1

    def proved(self, client: IPAddress, *, was_known: bool) -> None:
        """A client has logged in, or a connector has taken its message: it and what comes from there is known."""
        network = network_of(client)
        self._proved[network] = None
        self._proved.move_to_end(network)
        if len(self._proved) > _PROVED_MAX:
            self._proved.popitem(last=False)
        if not was_known:
            self.strangers -= 1
            self.known += 1

    def places(self, limits: Limits) -> int:
        """How many connections there may be: what the settings say, and the system lets us have."""
        granted = int((self.get_descriptors() - _DESCRIPTORS_KEPT) * _SESSIONS_SHARE)
        return max(1, min(limits.connections_max, granted))

    def strangers_max(self, limits: Limits) -> int:
        places = self.places(limits)
        return max(1, places - places * limits.connections_for_known_percent // 100)

    def note_lateness(self, seconds: float, now: float) -> None:
        """Take how much later than it should a timer of the event loop went off."""
        if seconds > _LATENESS_SECONDS:
            self._late_until = now + _LATENESS_HELD_SECONDS

    def is_stressed(self, limits: Limits, now: float) -> bool:
        """Whether strangers are kept short."""
        return (
            now < self._late_until
            or self.strangers > self.strangers_max(limits) * _STRESS_SHARE
            or self.octets_held > limits.octets_held_max * _STRESS_SHARE
        )

    def is_memory_short(self, limits: Limits, *, is_known: bool) -> bool:
        """Whether a session that holds content must go. For known clients there is as much again."""
        return self.octets_held > limits.octets_held_max * (2 if is_known else 1)

    def hastiness(self, client: IPAddress, deed: Deed, limits: Limits, now: float) -> Decision | None:
        """Count a stranger's deed; say how it is refused where its address does too many of them a minute."""
        network, (per_minute, answer) = network_of(client), _pace(deed, limits)
        if self._paces.is_above(network, deed, per_minute, now):
            return _too_fast(answer, deed, per_minute)
        self._paces.note(network, deed, per_minute, now)
        return None

    def may_tell(self, now: float) -> bool:
        """Whether one more refusal of a stranger is written down; others are counted."""
        if self._telling.has_one(now):
            self._telling.take_one()
            return True
        self.untold += 1
        return False

    def told(self) -> int:
        """Return and forget how many refusals were not written down."""
        untold, self.untold = self.untold, 0
        return untold


def _within(limit: int, places: int) -> int:
    """An address never gets more than half of all there is."""
    return max(1, min(limit, places // 2))


def _pace(deed: Deed, limits: Limits) -> tuple[int, reply.Reply]:
    match deed:
        case Deed.MESSAGE:
            return limits.messages_per_minute_max, reply.SUBMISSION_RATE
        case Deed.RECIPIENT:
            return limits.recipients_per_minute_max, reply.TOO_MANY_RECIPIENTS
        case Deed.UNKNOWN_RECIPIENT:
            return limits.unknown_recipients_per_minute_max, reply.TOO_MANY_UNKNOWN
        case Deed.CONNECTION:
            return limits.connections_per_minute_max, reply.TOO_MANY_CONNECTIONS
        case Deed.ERROR:
            return limits.errors_per_minute_max, reply.TOO_MANY_ERRORS


def _of_address(count: int) -> Decision:
    return Decision(reply.TOO_MANY_CONNECTIONS, Reason.TOO_MANY_CONNECTIONS, {"from_address": count})


def _too_fast(answer: reply.Reply, deed: Deed, per_minute: int) -> Decision:
    return Decision(answer, Reason.TOO_FAST, {"what": str(deed), "per_minute_max": per_minute})
