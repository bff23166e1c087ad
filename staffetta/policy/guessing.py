"""Guessing slows down: who fails to log in waits longer each time, and in the end is not heard for a while.

Buckets are values: each failure fills one by one, time empties it. An account has a bucket, whoever guesses at it, and
an address has one, whatever it guesses.

Rule 1: a wrong guess that was made before fills nothing. Devices with old passwords are no attackers, and shut nobody
out.
Rule 2: where an account has logged in before, its own bucket at that address counts alone: nobody can shut it out
from elsewhere, nor by guessing at others from behind the same address.
Rule 3: all of it is bounded; what was longest untouched is forgotten first.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

DELAY_SECONDS_MAX = 15.0
_ENTRIES_MAX = 50_000
_RECENT_MAX = 8  # devices with an old password each, at one account and one address
_IPV6_PREFIX = 64  # what one customer commonly has


@dataclass(frozen=True, slots=True)
class Rule:
    """level_max: beyond it nothing is tried any more. empty_seconds: in which the level sinks by one."""

    level_max: float
    empty_seconds: float

    def shared(self, of: int) -> "Rule":
        """Return the part of one of so many that count apart: in sum as many guesses as by the whole."""
        return Rule(self.level_max / of, self.empty_seconds * of)


ACCOUNT = Rule(level_max=20, empty_seconds=300)
ADDRESS = Rule(level_max=50, empty_seconds=60)


@dataclass(frozen=True, slots=True)
class Bucket:
    """How full it was at a time; at: seconds of any steady clock. recent: the last different guesses, as digests."""

    level: float = 0.0
    at: float = 0.0
    recent: tuple[bytes, ...] = ()

    def level_at(self, now: float, rule: Rule) -> float:
        return max(0.0, self.level - (now - self.at) / rule.empty_seconds)

    def filled(self, guess: bytes, now: float, rule: Rule) -> "Bucket":
        """Return the bucket after a failure."""
        level = self.level_at(now, rule)
        if guess in self.recent:
            return Bucket(level, now, self.recent)
        return Bucket(level + 1, now, (guess, *self.recent)[:_RECENT_MAX])

    def relieved(self, guess: bytes) -> "Bucket":
        """Return the bucket after a guess that was none."""
        return Bucket(max(0.0, self.level - 1), self.at, tuple(each for each in self.recent if each != guess))


def delay_seconds(level: float) -> float:
    """How long an answer waits at a level: 1, 2, 4, 8 seconds and so on, up to a limit."""
    return min(DELAY_SECONDS_MAX, math.pow(2.0, max(0.0, level - 1)))


Address = IPv4Address | IPv6Address
_Key = tuple[str | None, int | None]  # account and network; None: whichever


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess under way. wait_seconds: of its answer, if it is wrong. filled: the buckets that rose by it."""

    digest: bytes
    wait_seconds: float
    filled: tuple[_Key, ...]


class Guesses:
    """See the head of this file. Times are seconds of one steady clock; a guess is a digest, never the secret.

    of: how many workers count apart.
    """

    def __init__(self, of: int = 1) -> None:
        self._of = of
        self._account, self._address = ACCOUNT.shared(of), ADDRESS.shared(of)
        self._buckets: OrderedDict[_Key, Bucket] = OrderedDict()
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def is_shut(self, account: str, address: Address, now: float) -> bool:
        """Whether nothing may be tried now."""
        return any(
            self._buckets.get(key, Bucket()).level_at(now, rule) >= rule.level_max
            for key, rule in self._counted(account, address)
        )

    def began(self, account: str, address: Address, guess: bytes, now: float) -> Guess:
        """Count a guess as wrong before it is checked, so that many at a time gain nothing."""
        level = 0.0
        filled = []
        for key, rule in self._counted(account, address):
            bucket = self._buckets.pop(key, Bucket())
            if guess not in bucket.recent:
                filled.append(key)
            self._buckets[key] = bucket = bucket.filled(guess, now, rule)
            level = max(level, bucket.level * self._of)
        while len(self._buckets) > _ENTRIES_MAX:
            self._buckets.popitem(last=False)
        return Guess(guess, delay_seconds(level), tuple(filled))

    def take_back(self, guess: Guess) -> None:
        """It was right, or could not be checked."""
        for key in guess.filled:
            if key in self._buckets:
                self._buckets[key] = self._buckets[key].relieved(guess.digest)

    def succeeded(self, account: str, address: Address) -> None:
        """Remember that the account logs in from there."""
        key = (account, _network(address))
        self._known[key] = None
        self._known.move_to_end(key)
        while len(self._known) > _ENTRIES_MAX:
            self._known.popitem(last=False)

    def _counted(self, account: str, address: Address) -> list[tuple[_Key, Rule]]:
        network = _network(address)
        if (account, network) in self._known:
            return [((account, network), self._account)]
        return [((account, None), self._account), ((None, network), self._address)]


def _network(address: Address) -> int:
    """A number for the network; those of IPv4 lie below those of IPv6."""
    return int(address) if address.version == 4 else int(address) >> _IPV6_PREFIX << _IPV6_PREFIX
