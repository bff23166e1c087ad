"""How fast an address does things: buckets that each deed fills by one and that time empties.

Rule 1: an IPv6 address counts as its /64, which is what one customer commonly has.
Rule 2: all of it is bounded; what was longest untouched is forgotten first.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

from staffetta.net.proxy import IPAddress

_ENTRIES_MAX = 50_000  # some 10 MB
_IPV6_PREFIX = 64
_SECONDS = 60.0


class Deed(StrEnum):
    """What is counted of an address, a minute."""

    CONNECTION = "connections"
    MESSAGE = "messages"
    RECIPIENT = "recipients"
    UNKNOWN_RECIPIENT = "unknown recipients"
    ERROR = "errors"


def network_of(address: IPAddress) -> int:
    """A number for the network that counts as one client; those of IPv4 lie below those of IPv6."""
    return int(address) if address.version == 4 else int(address) >> _IPV6_PREFIX << _IPV6_PREFIX


@dataclass(slots=True)
class Allowance:
    """So many a second, and `most` at once."""

    per_second: float
    most: float
    _left: float = math.inf
    _at: float = 0.0

    def has_one(self, now: float) -> bool:
        self._left = min(self.most, self._left + max(0.0, now - self._at) * self.per_second)
        self._at = now
        return self._left >= 1

    def take_one(self) -> None:
        self._left = max(0.0, self._left - 1)


@dataclass(slots=True)
class Paces:
    """See the head of this file. Times are seconds of one steady clock."""

    _levels: OrderedDict[tuple[int, Deed], tuple[float, float]] = field(default_factory=OrderedDict)

    def is_above(self, network: int, deed: Deed, per_minute: int, now: float) -> bool:
        """Whether one more would be more than a minute's worth at once; nothing is counted."""
        return self._level(network, deed, per_minute, now) + 1 > per_minute

    def note(self, network: int, deed: Deed, per_minute: int, now: float) -> None:
        """Count one."""
        key = (network, deed)
        level = self._level(network, deed, per_minute, now)
        self._levels[key] = (min(level + 1, per_minute), now)
        self._levels.move_to_end(key)
        while len(self._levels) > _ENTRIES_MAX:
            self._levels.popitem(last=False)

    def _level(self, network: int, deed: Deed, per_minute: int, now: float) -> float:
        level, at = self._levels.get((network, deed), (0.0, now))
        return max(0.0, level - (now - at) * per_minute / _SECONDS)
